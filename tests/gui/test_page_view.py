"""The right half of a document: what it asks for, what it paints, how one gets around."""

from __future__ import annotations

import msgspec
import pytest
from document_samples import QUOTE, document, image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Box
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.page_canvas import to_qimage
from desktop_slm.gui.widgets.page_view import PageView

MARK = Box(0.2, 0.5, 0.8, 0.55)


@pytest.fixture
def view(qtbot: QtBot) -> PageView:
    made = PageView()
    made.resize(600, 500)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def button(view: PageView, name: str) -> QPushButton:
    return next(b for b in view.findChildren(QPushButton) if b.accessibleName() == name or b.text() == name)


def test_a_document_begins_on_its_first_page(qtbot: QtBot, view: PageView) -> None:
    with qtbot.waitSignal(view.image_wanted) as told:
        view.show_document(document())
    number, width, quotes = told.args
    assert (number, tuple(quotes)) == (1, ())
    assert 300 < width < 600


def test_a_page_that_takes_long_says_so(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document())
    assert view.canvas._note == ""
    qtbot.waitUntil(lambda: view.canvas._note == "Drawing page 1…", timeout=2000)
    view.show_image(image(1))
    assert view.canvas._note == ""


def test_a_passage_asks_for_its_quotes_and_is_painted(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document())
    with qtbot.waitSignal(view.image_wanted) as told:
        view.show_passage(3, (QUOTE,))
    assert told.args[0] == 3
    assert told.args[2] == (QUOTE,)
    view.show_image(image(3, told.args[1], ((MARK,),)))
    drawn = view.canvas.grab().toImage()
    inside = drawn.pixelColor(round(drawn.width() * 0.5), round(drawn.height() * 0.525))
    outside = drawn.pixelColor(round(drawn.width() * 0.5), round(drawn.height() * 0.3))
    assert inside == QColor(theme.LIGHT.passage_mark)
    assert outside == QColor("#ffffff")


def test_marks_multiply_so_that_ink_stays_readable(view: PageView, qapp: QApplication) -> None:
    theme.apply(qapp, "dark")
    view.show_document(document())
    black = msgspec.structs.replace(image(1, 400, ((Box(0, 0, 1, 1),),)), pixels=b"\x00" * (400 * 4 * 566))
    view.show_image(black)
    drawn = view.canvas.grab().toImage()
    assert drawn.pixelColor(drawn.width() // 2, drawn.height() // 2) == QColor("#000000")


def test_choosing_scrolls_to_the_mark(view: PageView) -> None:
    view.show_document(document())
    view.show_passage(2, (QUOTE,))
    view.show_image(image(2, 900, ((Box(0.1, 0.9, 0.9, 0.92),),)))
    top = view.canvas.mark_rects()[0].top()
    shown = view.canvas.visibleRegion().boundingRect()
    assert shown.top() < top < shown.bottom()


def test_a_late_image_of_another_page_is_dropped(view: PageView) -> None:
    view.show_document(document())
    view.show_passage(2)
    view.show_image(image(1))
    assert not view.canvas.has_image


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": b"\xff" * 10},
        {"width": 0},
        {"width": 10**6, "height": 10**6},
        {"stride": 3},
        {"height": -1},
    ],
)
def test_pixels_that_do_not_add_up_show_text_instead(view: PageView, changes: dict[str, object]) -> None:
    view.show_document(document())
    broken = msgspec.structs.replace(image(1), **changes)
    assert to_qimage(broken).isNull()
    view.show_image(broken)
    assert view.shows_text
    assert QUOTE in view.text.toPlainText()


def test_the_image_outlives_its_bytes(view: PageView) -> None:
    view.show_document(document())
    view.show_image(image(1))
    assert view.canvas.grab().toImage().pixelColor(50, 50) == QColor("#ffffff")


def test_pages_turn_by_button_key_and_number(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document(3))
    assert not button(view, "Previous page").isEnabled()
    qtbot.mouseClick(button(view, "Next page"), Qt.MouseButton.LeftButton)
    assert view.number == 2
    field = view.findChild(type(view._field))
    assert field is not None
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "3")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert view.number == 3
    assert not button(view, "Next page").isEnabled()
    view.show_passage(99)
    assert view.number == 3


def test_page_down_at_the_end_turns_the_page(view: PageView) -> None:
    view.show_document(document(3))
    view._scroll.verticalScrollBar().setValue(view._scroll.verticalScrollBar().maximum())
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    assert view.number == 2


def test_zoom_asks_for_a_sharper_image(qtbot: QtBot, view: PageView) -> None:
    with qtbot.waitSignal(view.image_wanted) as first:
        view.show_document(document())
    with qtbot.waitSignal(view.image_wanted) as second:
        qtbot.mouseClick(button(view, "Zoom in"), Qt.MouseButton.LeftButton)
    assert second.args[1] > first.args[1]
    with qtbot.waitSignal(view.image_wanted) as third:
        qtbot.mouseClick(button(view, "Fit width"), Qt.MouseButton.LeftButton)
    assert third.args[1] == first.args[1]


def test_ctrl_wheel_zooms(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document())
    before = view.canvas.width()
    viewport = view._scroll.viewport()
    spot = QPointF(20, 20)
    event = QWheelEvent(
        spot, viewport.mapToGlobal(spot), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)
    assert view.canvas.width() > before


def test_a_new_width_asks_once_it_has_settled(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document())
    asked: list[int] = []
    view.image_wanted.connect(lambda number, width, quotes: asked.append(width))
    for width in range(610, 800, 20):
        view.resize(width, 500)
    assert asked == []
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=1000)


def test_formats_without_images_show_text_with_the_passage_marked(qtbot: QtBot, view: PageView) -> None:
    with qtbot.assertNotEmitted(view.image_wanted, wait=200):
        view.show_document(document(9, images=False))
        view.show_passage(3, (QUOTE, "Porto | 23"))
    assert view.shows_text
    assert view.text.marked_text() == [QUOTE, "Porto | 23"]
    assert [view._unit.text(), view._field.text(), view._total.text()] == ["Part", "3", "of 9"]


def test_text_of_a_page_with_images_is_one_press_away(qtbot: QtBot, view: PageView) -> None:
    view.show_document(document())
    view.show_passage(2, (QUOTE,))
    qtbot.mouseClick(button(view, "Show the page as text"), Qt.MouseButton.LeftButton)
    assert view.shows_text
    assert view.text.marked_text() == [QUOTE]
    assert view.text.isReadOnly()
    assert not view.text.acceptDrops()


def test_passages_after_wide_characters_are_marked_where_they_stand(view: PageView) -> None:
    doc = document(1, images=False)
    text = f"𝔸𝔹 🌍 before. {QUOTE} مرحبا"
    block = msgspec.structs.replace(doc.pages[0].blocks[1], text=text)
    page = msgspec.structs.replace(doc.pages[0], blocks=(block,))
    view.show_document(msgspec.structs.replace(doc, pages=(page,)))
    view.show_passage(1, (QUOTE, "مرحبا", "not there"))
    assert view.text.marked_text() == [QUOTE, "مرحبا"]


def test_markup_in_a_document_stays_text(view: PageView) -> None:
    doc = document(1, images=False)
    block = msgspec.structs.replace(doc.pages[0].blocks[1], text="<b>bold</b> <img src='x.png'>")
    page = msgspec.structs.replace(doc.pages[0], blocks=(block,))
    view.show_document(msgspec.structs.replace(doc, pages=(page,)))
    assert view.text.toPlainText() == "<b>bold</b> <img src='x.png'>"


def test_every_control_has_a_name_and_can_be_reached(view: PageView) -> None:
    view.show_document(document())
    for control in view.findChildren(QPushButton):
        assert control.accessibleName() or control.text()
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
