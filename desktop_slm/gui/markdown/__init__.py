"""Markdown of model answers, turned into flat leaves that a text document can show piece by piece.

The only room that knows markdown-it-py. Answers are hostile input: raw HTML stays text, images become their
description, only web and mail addresses become links, and every step of the work is bounded, whatever the
text. An answer becomes a sequence of leaves (a paragraph, a line of code, a table, ...), so that a growing
answer changes only its last few leaves; nothing is ever handed to an HTML parser.
"""

from desktop_slm.gui.markdown.parser import is_allowed_link, references_in
from desktop_slm.gui.markdown.stream import MarkdownStream, to_leaves

__all__ = ["MarkdownStream", "is_allowed_link", "references_in", "to_leaves"]
