from __future__ import annotations

import random
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import (
    QFont,
    QFontMetricsF,
    QGuiApplication,
    QImage,
    QTextBlock,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_slm.gui import theme
from desktop_slm.gui.widgets import answer_view
from desktop_slm.gui.widgets.answer_view import AnswerView
from desktop_slm.gui.widgets.leaf_writer import EDGE, KIND, MARKER, OPENS, is_right_to_left

ANSWERS = sorted(Path(__file__).with_name("answers").glob("*.md"))
LONG = "\n\n".join(path.read_text("utf-8") for path in ANSWERS)
LONG += "\n\n| a | b |\n|---|---|\n" + "".join(f"| {number} | **x** |\n" for number in range(130)) + "\nend\n"


def _shown(qtbot: QtBot, text: str, **options: bool) -> AnswerView:
    view = AnswerView(**options)
    qtbot.addWidget(view)
    view.set_text(text)
    view.advance_all()
    view.resize(700, view.fit(700))
    view.place_buttons()
    return view


def _fragments(block: QTextBlock) -> list[tuple[str, int, bool]]:
    out, pieces = [], block.begin()
    while not pieces.atEnd():
        piece = pieces.fragment()
        style = piece.charFormat()
        out.append((piece.text(), style.fontWeight(), style.isAnchor()))
        assert not style.isImageFormat()
        pieces += 1
    return out


def _blocks(view: AnswerView) -> list[object]:
    out: list[object] = []
    block = view.document().firstBlock()
    while block.isValid():
        style = block.blockFormat()
        properties = [style.property(number) for number in (KIND, MARKER, OPENS, EDGE)]
        margins = (style.leftMargin(), style.topMargin(), style.rightMargin(), style.lineHeight())
        out.append((block.text(), margins, properties, _fragments(block), block.isVisible()))
        block = block.next()
    return out


@pytest.mark.parametrize("seed", range(6))
def test_a_streamed_answer_ends_as_the_full_rendering(qtbot: QtBot, seed: int) -> None:
    full = _shown(qtbot, LONG)
    rng = random.Random(seed)
    view = AnswerView()
    qtbot.addWidget(view)
    view.set_text("", growing=True)
    at = 0
    while at < len(LONG):
        size = rng.randint(1, 60)
        view.feed(LONG[at : at + size])
        at += size
        if rng.random() < 0.5:
            view.advance()
    view.finish()
    view.advance_all()
    assert _blocks(view) == _blocks(full)
    assert view.fit(700) == full.fit(700)
    assert view.given_text == LONG


def test_streaming_touches_only_the_tail(qtbot: QtBot) -> None:
    view = AnswerView()
    qtbot.addWidget(view)
    view.set_text("", growing=True)
    view.feed("first paragraph\n\nsecond")
    view.advance_all()
    changed: list[int] = []
    view.document().contentsChange.connect(lambda position, _removed, _added: changed.append(position))
    start = view.document().findBlockByNumber(1).length()
    for _ in range(20):
        view.feed(" word")
        view.advance_all()
    assert changed
    assert min(changed) >= start, "the finished paragraph is not written again"


def test_nothing_is_ever_loaded(qtbot: QtBot) -> None:
    view = _shown(qtbot, "![a](file:///etc/passwd) ![b](//host/share/x.png) <img src='x.png'>")
    for name in (QUrl("file:///etc/hostname"), "//host/share", QUrl("https://example.com/x.png")):
        loaded = view.loadResource(QTextDocument.ResourceType.ImageResource.value, name)
        assert isinstance(loaded, QImage)
        assert loaded.isNull()
    assert _blocks(view)
    assert "<img" in view.toPlainText(), "HTML is shown as text"


def test_links_are_told_and_not_opened(qtbot: QtBot) -> None:
    view = _shown(qtbot, "see [this](https://example.com/a)")
    assert not view.openLinks()
    assert not view.openExternalLinks()
    with qtbot.waitSignal(view.link_chosen) as told:
        view.anchorClicked.emit(QUrl("https://example.com/a"))
    assert told.args == ["https://example.com/a"]
    assert view.toPlainText().strip() == "see this", "the answer is still there"


def test_every_code_block_has_its_own_copy_button(qtbot: QtBot) -> None:
    view = _shown(qtbot, "```py\na = 1\n\nb = 2\n```\n\ntext\n\n- item\n  ```\n  c\n  ```\n")
    buttons = view.copy_buttons()
    assert [button.accessibleName() for button in buttons] == ["Copy the code"] * 2
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "a = 1\n\nb = 2"
    qtbot.mouseClick(buttons[1], Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "c"


def test_the_copy_button_belongs_to_the_block_after_streaming_changes(qtbot: QtBot) -> None:
    view = AnswerView()
    qtbot.addWidget(view)
    view.set_text("", growing=True)
    text = "a\n\n```\none\n```\n\nb `c`\n\n~~~\ntwo\n~~~\n"
    for letter in text:
        view.feed(letter)
        view.advance_all()
        view.fit(700)
        view.place_buttons()
    assert [view.code_at(number) for number in range(2)] == ["one", "two"]
    assert len(view.copy_buttons()) == 2


@pytest.mark.parametrize("number", [8, 88, 888, 8888])
def test_numbers_of_lists_have_room(qtbot: QtBot, number: int) -> None:
    view = _shown(qtbot, f"{number}. Item\n")
    block = view.document().firstBlock()
    while block.text() != "Item":
        block = block.next()
    style = block.blockFormat()
    font = QFont(QApplication.font())
    font.setPixelSize(theme.text_px())
    assert style.property(MARKER) == f"{number}."
    assert QFontMetricsF(font).horizontalAdvance(f"{number}.") < style.property(EDGE)


def test_selected_text_is_copied_with_list_marks(qtbot: QtBot) -> None:
    view = _shown(qtbot, "Pack:\n- one\n- two\n  1. three\n")
    view.selectAll()
    assert view.createMimeDataFromSelection().text() == "Pack:\n• one\n• two\n1. three"
    assert not view.createMimeDataFromSelection().hasHtml()


def test_selection_survives_streaming(qtbot: QtBot) -> None:
    view = AnswerView()
    qtbot.addWidget(view)
    view.set_text("", growing=True)
    view.feed("keep these words\n\nand")
    view.advance_all()
    cursor = view.textCursor()
    cursor.setPosition(view.document().findBlockByNumber(1).position())
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    view.setTextCursor(cursor)
    for _ in range(30):
        view.feed(" more **and** more\n\n")
        view.advance_all()
    assert view.textCursor().selectedText() == "keep these words"


def test_direction_is_chosen_for_each_paragraph(qtbot: QtBot) -> None:
    view = _shown(qtbot, "English first\n\nمرحبا بالعالم\n\n- שלום\n\n你好，世界")
    directions = {}
    block = view.document().firstBlock()
    while block.isValid():
        if block.text():
            directions[block.text()] = block.textDirection()
        block = block.next()
    left, right = Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft
    assert directions == {"English first": left, "مرحبا بالعالم": right, "שלום": right, "你好，世界": left}


def test_first_strong_letter_decides() -> None:
    assert is_right_to_left("123 — مرحبا hello")
    assert not is_right_to_left("1. hello مرحبا")
    assert not is_right_to_left("")


def test_a_very_long_text_is_shown_in_part_and_given_in_full(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_view, "MAX_SHOWN_CHARS", 5_000)
    text = "word " * 4_000
    view = _shown(qtbot, text)
    shown = view.toPlainText()
    assert len(shown) < 6_000
    assert "too long to show" in shown
    assert view.given_text == text
    assert _shown(qtbot, text, plain=True).toPlainText().endswith("Copy gives all of it.")


def test_a_text_of_too_many_parts_is_shown_in_part(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_view, "MAX_SHOWN_LEAVES", 500)
    for text in ("- a\n" * 3_000, "|a|b|\n|-|-|\n" + "|x|y|\n" * 2_000):
        view = _shown(qtbot, text)
        assert view.document().blockCount() < 2_000
        assert view.toPlainText().count("too long to show") == 1
        assert view.given_text == text
        view.feed("more")
        view.advance_all()
        assert "more" not in view.toPlainText()


def test_work_is_done_in_slices(qtbot: QtBot) -> None:
    view = AnswerView()
    qtbot.addWidget(view)
    view.set_text("some words in a paragraph\n\n" * 4_000)
    view.advance(0.002)
    assert view.pending, "one slice does not bring in everything"
    slices = 1
    while view.pending:
        view.advance(0.002)
        slices += 1
    assert slices > 3
    assert view.toPlainText().count("some words") == 4_000


def test_plain_text_stays_as_it_is(qtbot: QtBot) -> None:
    view = _shown(qtbot, "# no heading\n<b>no</b> **bold**\n\n- x", plain=True)
    assert view.toPlainText().strip("\n").replace("\u2028", "\n") == "# no heading\n<b>no</b> **bold**\n\n- x"


def test_height_does_not_depend_on_the_order_of_widths(qtbot: QtBot) -> None:
    view = _shown(qtbot, LONG)
    wide = view.fit(700)
    narrow = view.fit(300)
    assert narrow > wide
    assert view.fit(700) == wide


def test_colors_follow_the_theme(qtbot: QtBot, qapp: QApplication) -> None:
    view = _shown(qtbot, "text with `code`")
    before = _blocks(view)
    theme.apply(qapp, "dark")
    block = view.document().lastBlock()
    ink = block.begin().fragment().charFormat().foreground().color()
    assert ink.name().upper() == theme.DARK.ink
    assert _blocks(view) == before
    theme.apply(qapp, "light")


def test_it_paints_everything_in_both_themes(qtbot: QtBot, qapp: QApplication) -> None:
    for name in ("light", "dark"):
        theme.apply(qapp, name)
        view = _shown(qtbot, LONG)
        view.show()
        picture = view.grab().toImage()
        assert picture.height() == view.height()
        colors = {
            picture.pixelColor(x, y).name() for x in range(0, 700, 7) for y in range(0, picture.height(), 9)
        }
        assert len(colors) > 3
    theme.apply(qapp, "light")


@pytest.mark.parametrize(
    "text",
    ["[" * 4_096, "> " * 2_000, "|" + "a|" * 500 + "\n|" + "-|" * 500 + "\n", "- a\n" * 3_000, "a" * 100_000,
     "\u202e" * 4_000, "a" + "\u0301" * 4_000, "👩‍👩‍👧" * 800, "```\n" + "x" * 50_000],
)  # fmt: skip
def test_hostile_answers_are_shown_without_harm(qtbot: QtBot, text: str) -> None:
    view = _shown(qtbot, text)
    view.resize(700, min(2_000, view.height()))
    view.show()
    view.grab()
    assert view.given_text == text
