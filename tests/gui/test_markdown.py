from __future__ import annotations

import random
from pathlib import Path

import pytest

from desktop_slm.gui import leaves as parts
from desktop_slm.gui import markdown
from desktop_slm.gui.leaves import Leaf, PlainStream, Run
from desktop_slm.gui.markdown import MarkdownStream, stream, to_leaves, walk

ANSWERS = sorted(Path(__file__).with_name("answers").glob("*.md"))
FRAGMENTS = (
    "para text **bold** and `code`\n", "\n", "- item\n", "  - nested\n", "1. one\n", "2) two\n", "```py\n",
    "x = 1\n", "```\n", "~~~\n", "| a | b |\n", "|---|--:|\n", "| 1 | 2 |\n" * 30, "| 1 | 2 |\n" * 130,
    "> quote\n", ">\n", "# head\n", "---\n", "===\n", "    indented\n", "***bold***\n", "- [ ] task\n",
    "\t- tab\n", "word " * 900 + "\n", "word\n" * 130, "- li\n" * 200, "5. n\n" * 90, "[x](http://a.b/c)\n",
    "<b>html</b>\n", "![i](http://x/y.png)\n", "+ plus\n", "   cont\n", "\\\n", "  \n", "a | b\n",
    "``\n",
    "**\n",
)  # fmt: skip
HOSTILE = {
    "brackets": "[" * 4_096,
    "image brackets": "![" * 2_048,
    "stars": "**a *b " * 600,
    "quotes": "> " * 2_000 + "end",
    "dashes": "- " * 2_000 + "end",
    "deep list": "\n".join("  " * depth + "- end" for depth in range(80)),
    "mails": "a@b.c " * 700,
    "entities": "&amp;" * 800,
    "backticks": "".join("`" * (number % 60 + 1) + " " for number in range(200)),
    "long word": "a" * 1_000_000,
    "brackets without end": "[" * 300_000,
    "wide table": "|" + "a|" * 1_000 + "\n|" + "-|" * 1_000 + "\n|" + "b|" * 1_000,
    "long table": "|a|b|\n|-|-|\n" + "|x|y|\n" * 5_000,
    "definitions": "[a]: b\n" * 800,
    "one item": "- a\n" + "  - b\n" * 2_000,
}


def _words(runs: tuple[Run, ...]) -> str:
    out = ""
    for run in runs:
        mark = "**" * run.bold + "*" * run.italic + "~~" * run.strike + "`" * run.code
        text = f"{mark}{run.text}{mark[::-1]}"
        out += f"[{text}]({run.href})" if run.href else text
    return out.replace("\u2028", "↵")


def _outline(leaf: Leaf) -> list[str]:
    quote = f"q{leaf.quote}" if leaf.quote else ""
    depth = str(leaf.indent) if leaf.indent else ""
    if leaf.kind == "table":
        head = "table " + " ".join(align or "-" for align in leaf.aligns)
        return [head, *("row " + " | ".join(_words(cell) for cell in row) for row in leaf.rows)]
    if leaf.kind == "rule":
        return ["rule"]
    if leaf.kind == "code":
        return [f"code{depth} {leaf.language if leaf.opens else ''}| {leaf.text}"]
    if leaf.kind == "heading":
        return [f"h{leaf.level} {_words(leaf.runs)}"]
    if leaf.marker:
        return [f"{quote}li{depth} {leaf.marker} {_words(leaf.runs)}"]
    return [f"{quote or 'p'}{depth} {_words(leaf.runs)}"]


def _streamed(text: str, rng: random.Random) -> list[Leaf]:
    stream, leaves, at = MarkdownStream(markdown.references_in(text)), [], 0
    while at < len(text):
        size = rng.choice([1, 2, 3, 7, 40, 300])
        stream.feed(text[at : at + size])
        at += size
        while stream.pending and rng.random() < 0.8:
            leaves += stream.advance()
            stream.tail(growing=True)
    while stream.pending:
        leaves += stream.advance()
    return [*leaves, *stream.tail()]


@pytest.mark.parametrize("path", ANSWERS, ids=[path.stem for path in ANSWERS])
def test_structure_is_what_github_shows(path: Path) -> None:
    leaves = to_leaves(path.read_text("utf-8"))
    got = [line for leaf in leaves for line in _outline(leaf)]
    assert got == path.with_suffix(".txt").read_text("utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("path", ANSWERS, ids=[path.stem for path in ANSWERS])
def test_streaming_gives_the_same_leaves(path: Path) -> None:
    text = path.read_text("utf-8")
    for seed in range(10):
        assert _streamed(text, random.Random(seed)) == to_leaves(text)


@pytest.mark.parametrize("seed", range(60))
def test_any_mixture_streams_like_it_renders(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(2, 16)))
    assert _streamed(text, rng) == to_leaves(text)


def test_finished_leaves_never_change() -> None:
    text = "- one\n- two\n\npara\n\n" * 40
    stream, finished = MarkdownStream(), []
    full = to_leaves(text)
    for at in range(0, len(text), 5):
        stream.feed(text[at : at + 5])
        while stream.pending:
            finished += stream.advance()
        assert finished == full[: len(finished)]
    assert len(finished) > 100, "blocks are given up while the text grows"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_taken_in_bounded_steps(name: str) -> None:
    text = HOSTILE[name][:20_000]
    stream = MarkdownStream()
    stream.feed(text)
    steps, shown = 0, []
    while stream.pending:
        leaves = stream.advance()
        shown += leaves
        steps += 1
        cells = sum(len(leaf.rows) * len(leaf.aligns) for leaf in leaves)
        assert sum(len(leaf.text) for leaf in leaves) <= 2 * parts.WINDOW_CHARS
        assert cells <= parts.WINDOW_CHARS
        assert all(leaf.indent <= walk.MAX_INDENT and leaf.quote <= walk.MAX_INDENT for leaf in leaves)
    shown += stream.tail()
    assert steps <= len(text) / 40 + 3
    assert shown, "nothing is silently dropped"


@pytest.mark.parametrize("name", ["quotes", "dashes", "deep list"])
def test_text_nested_too_deep_is_shown_as_it_is(name: str) -> None:
    shown = "".join(leaf.text for leaf in to_leaves(HOSTILE[name]))
    assert shown.count("end") == HOSTILE[name].count("end")


def test_long_words_and_brackets_lose_nothing() -> None:
    for name in ("long word", "brackets without end"):
        text = HOSTILE[name]
        assert "".join(leaf.text for leaf in to_leaves(text)) == text


def test_long_tables_go_on_under_their_header() -> None:
    tables = [leaf for leaf in to_leaves(HOSTILE["long table"][:6_000]) if leaf.kind == "table"]
    assert len(tables) > 2
    assert all(table.rows[0] == tables[0].rows[0] for table in tables)
    body = sum(len(table.rows) - 1 for table in tables)
    assert body == HOSTILE["long table"][:6_000].count("|x|y|")
    assert all(len(table.rows) * 2 <= stream.CELLS_PER_TABLE + 16 for table in tables)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://example.com/a", True),
        ("HTTP://example.com", True),
        ("mailto:someone@example.com", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("//host/share", False),
        ("data:text/html,x", False),
        ("ftp://example.com", False),
        ("https://", False),
        ("mailto:", False),
        ("http://[broken", False),
        ("", False),
    ],
)
def test_only_web_and_mail_addresses_become_links(address: str, allowed: bool) -> None:
    assert markdown.is_allowed_link(address) is allowed
    linked = [run for leaf in to_leaves(f"[word](<{address}>)") for run in leaf.runs if run.href]
    assert bool(linked) is allowed


@pytest.mark.parametrize(
    ("growing", "shown"),
    [
        ("so **bol", "so **bol**"),
        ("so **", "so"),
        ("use `cod", "use `cod`"),
        ("text\n-", "text"),
        ("text\n1.", "text"),
        ("text\n```", "text"),
    ],
)
def test_the_growing_end_is_guessed(growing: str, shown: str) -> None:
    stream = MarkdownStream()
    stream.feed(growing)
    leaves = stream.tail(growing=True)
    assert [_words(leaf.runs) for leaf in leaves] == [shown]


def test_line_ends_of_all_systems_also_across_pieces() -> None:
    stream = MarkdownStream()
    for piece in ("a\r", "\nb\r\n\r", "\nc"):
        stream.feed(piece)
    leaves = []
    while stream.pending:
        leaves += stream.advance()
    assert [leaf.text for leaf in [*leaves, *stream.tail()]] == ["a\u2028b", "c"]


def test_characters_that_a_document_would_misread_are_removed() -> None:
    (leaf,) = to_leaves("a\x00b\ufffcc\u2029d")
    assert leaf.text == "abcd"


def test_plain_text_is_no_markdown() -> None:
    text = "# not a heading\n<b>x</b>\n" + "line\n" * 300
    stream, leaves = PlainStream(), []
    stream.feed(text)
    while stream.pending:
        leaves += stream.advance()
    leaves += stream.tail()
    assert {leaf.kind for leaf in leaves} == {"plain"}
    assert "\u2028".join(leaf.text for leaf in leaves) == text.replace("\n", "\u2028")
