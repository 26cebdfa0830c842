"""The parser and what it may cost: which addresses are links, which paragraphs are too tangled to look at."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

from desktop_slm.gui.leaves import LINE_BREAK, WINDOW_CHARS

MAX_NESTING = 40
"""Levels of nesting (a list takes two); text that goes deeper is shown as it is."""

MAX_OPENERS = 200
"""Most ``[`` in one paragraph; the link rule is quadratic in them."""

MAX_DELIMITERS = 1_200
"""Most emphasis, code and angle marks in one paragraph."""

ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})

_REFERENCE = re.compile(r"^ {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S+", re.MULTILINE)


def parser() -> MarkdownIt:
    """Return a parser that says nothing about the text, not even to a debug log."""
    logging.getLogger("markdown_it").setLevel(logging.CRITICAL)
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    markdown.enable(["table", "strikethrough"]).use(gfm_autolink_plugin)
    markdown.validateLink = is_allowed_link  # type: ignore[assignment,method-assign]
    markdown.core.ruler.at("inline", _inline_within_limits)
    markdown.core.ruler.after("inline", "images_as_text", _images_as_text)
    return markdown


def references_in(text: str) -> dict[str, object]:
    """Return the link definitions of a text (``[1]: https://...``) for a stream of the same text."""
    found = "\n".join(match.group(0) for match in _REFERENCE.finditer(text))[:WINDOW_CHARS]
    environment: dict[str, object] = {}
    if found:
        parser().parse(found, environment)
    return environment


def is_allowed_link(address: str) -> bool:
    """Tell whether an address may become a link: http, https and mailto with something behind it."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    if parts.scheme.lower() not in ALLOWED_SCHEMES:
        return False
    if parts.scheme.lower() == "mailto":
        return bool(parts.path)
    return bool(parts.hostname) and "%" not in str(parts.hostname)


def is_tangled(text: str) -> bool:
    """Tell whether a paragraph has so many marks that parsing it could take long; it is shown as it is."""
    return text.count("[") > MAX_OPENERS or sum(map(text.count, "*_`<~&")) > MAX_DELIMITERS


def _inline_within_limits(state: StateCore) -> None:
    """Parse the inline text of all blocks, leaving tangled ones as they are (a core rule)."""
    if not state.md.options.get("inline_wanted", True):
        return
    for token in state.tokens:
        if token.type != "inline":
            continue
        if is_tangled(token.content):
            token.children = [Token("text", "", 0, content=token.content.replace("\n", LINE_BREAK))]
        else:
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _images_as_text(state: StateCore) -> None:
    """Put the description in the place of every image (a core rule)."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "image":
                child.type, child.tag, child.attrs = "text", "", {}
                child.children = None
