"""A sentence with its pills: what it says, where it leads, how it looks, who can reach it."""

from __future__ import annotations

import pytest
from document_samples import HOSTILE, QUOTE, SENTENCES
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import NOT_FOUND, SentenceView, places
from desktop_slm.gui.widgets.plain_label import NameLabel, one_line
from desktop_slm.tasks.events import Cited, Sentence


def shown(qtbot: QtBot, view: SentenceView, width: int = 420) -> SentenceView:
    qtbot.addWidget(view)
    view.resize(width, view.heightForWidth(width))
    view.show()
    qtbot.waitExposed(view)
    return view


def test_citations_of_one_page_share_a_pill() -> None:
    assert [(place.page, len(place.quotes)) for place in places(SENTENCES[1].citations)] == [(3, 2), (4, 1)]


def test_a_pill_tells_the_page_and_all_its_quotes(qtbot: QtBot) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[1]))
    assert [pill.text() for pill in view.pills] == ["p. 3", "p. 4"]
    with qtbot.waitSignal(view.place_chosen) as told:
        qtbot.mouseClick(view.pills[0], Qt.MouseButton.LeftButton)
    assert told.args[1].page == 3
    assert told.args[1].quotes == (QUOTE, "And so on.")


def test_a_click_on_the_sentence_chooses_its_first_place(qtbot: QtBot) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[1]))
    with qtbot.waitSignal(view.place_chosen) as told:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton)
    assert told.args[1].page == 3


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_the_keyboard_chooses_too(qtbot: QtBot, key: Qt.Key) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[0]))
    with qtbot.waitSignal(view.place_chosen):
        QTest.keyClick(view, key)
    assert view.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert view.pills[0].focusPolicy() & Qt.FocusPolicy.TabFocus


def test_an_unsupported_sentence_says_so_and_leads_nowhere(qtbot: QtBot) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[2]))
    assert NOT_FOUND in view.plain_text()
    assert view.accessibleName() == view.plain_text()
    with qtbot.assertNotEmitted(view.place_chosen, wait=20):
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton)
    warned = theme.current().warning.lower()
    image = view.grab().toImage()
    colors = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert warned in colors


def test_a_stand_in_is_quoted_and_labelled(qtbot: QtBot) -> None:
    text = shown(qtbot, SentenceView(SENTENCES[3])).plain_text()
    assert text.startswith(f"“{QUOTE}”")
    assert "Quoted from the document" in text


def test_marks_of_emphasis_are_not_shown(qtbot: QtBot) -> None:
    assert "*" not in shown(qtbot, SentenceView(SENTENCES[0])).plain_text()


def test_choosing_paints_the_sentence_and_fills_the_pill(qtbot: QtBot) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[0]))
    ground = view.grab().toImage().pixelColor(3, view.height() // 2).name()
    view.set_selected(True, view.pills[0].place)
    palette = theme.current()
    chosen = view.grab().toImage()
    assert chosen.pixelColor(3, view.height() // 2).name() == palette.accent_ground.lower() != ground
    spot = view.pills[0].geometry().center()
    left = chosen.pixelColor(view.pills[0].x() + 3, spot.y()).name()
    assert left == palette.accent.lower()
    view.set_selected(False)
    assert not view.pills[0].active


def test_narrower_is_taller_and_pills_stay_inside(qtbot: QtBot) -> None:
    long = Sentence(text="word " * 60, citations=tuple(Cited(page=n, quote="q") for n in range(1, 9)))
    view = shown(qtbot, SentenceView(long))
    assert view.heightForWidth(200) > view.heightForWidth(600)
    for width in (160, 240, 333, 700):
        view.resize(width, view.heightForWidth(width))
        for pill in view.pills:
            assert view.rect().contains(pill.geometry())
        assert len({(pill.x(), pill.y()) for pill in view.pills}) == len(view.pills)


@pytest.mark.parametrize(
    ("text", "right_to_left"),
    [("أغلق المجلس موقع بورتو.", True), ("董事会提议关闭波尔图工厂。", False), ("123 شركة", True)],
)
def test_scripts_run_their_own_way(qtbot: QtBot, text: str, right_to_left: bool) -> None:
    view = shown(qtbot, SentenceView(Sentence(text=text, citations=(Cited(page=1, quote="q"),))), 500)
    pill = view.pills[0].geometry()
    assert (pill.center().x() > 250) == right_to_left
    image = view.grab().toImage()
    left, right = (
        sum(
            image.pixelColor(x, y) != image.pixelColor(0, 0)
            for x in range(*half, 2)
            for y in range(0, image.height(), 2)
        )
        for half in ((0, 250), (250, 500))
    )
    assert (right > left) == right_to_left


def test_copy_gives_the_sentence_with_its_pages(qtbot: QtBot) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[1]))
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    copied = QGuiApplication.clipboard().text()
    assert copied == "The board proposes to close the Porto site. (p. 3, p. 4)"


def test_foreign_names_are_plain_text(qtbot: QtBot) -> None:
    label = NameLabel(HOSTILE)
    qtbot.addWidget(label)
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text() == "<b>x</b><img src='file:///etc/passwd'>gnp.exe .pdf"
    assert "<img" not in label.toolTip()
    assert len(one_line("n" * 5000)) == 200


def test_the_palette_can_change_under_it(qtbot: QtBot, qapp: QApplication) -> None:
    view = shown(qtbot, SentenceView(SENTENCES[2]))
    theme.apply(qapp, "dark")
    image = view.grab().toImage()
    colors = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert theme.DARK.warning.lower() in colors


def test_a_note_stands_in_a_line_of_its_own_below_a_right_to_left_sentence(qtbot: QtBot) -> None:
    arabic = Sentence(text="تم إغلاق الميناء.", citations=(Cited(page=3, quote="x"),), quoted=True)
    plain = shown(qtbot, SentenceView(Sentence(text=arabic.text, citations=arabic.citations)))
    noted = shown(qtbot, SentenceView(arabic))
    assert noted.height() > plain.height()
    assert noted._layout.lineCount() == 2
    assert "Quoted from the document." in noted._layout.text()[noted._layout.lineAt(1).textStart() :]
    english = shown(qtbot, SentenceView(Sentence(text="Closed.", citations=arabic.citations, quoted=True)))
    assert english._layout.lineCount() == 1
