"""Files dragged over the window: which target they reach, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from document_samples import HOSTILE
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_slm.gui.widgets.drop_overlay import DropOverlay, local_files

COPY = Qt.DropAction.CopyAction
LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def files(*paths: str) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
    return mime


class Drag:
    """What the platform sends while something is dragged over the window."""

    def __init__(self, window: QWidget, mime: QMimeData) -> None:
        self.window, self.mime = window, mime
        self.overlay = window.findChild(DropOverlay)
        assert self.overlay is not None
        event = QDragEnterEvent(QPoint(5, 5), COPY, mime, LEFT, PLAIN)
        QApplication.sendEvent(window, event)
        self.action = event.dropAction()
        QApplication.sendEvent(self.overlay, QDragEnterEvent(QPoint(5, 5), COPY, mime, LEFT, PLAIN))

    def move(self, spot: QPoint) -> None:
        QApplication.sendEvent(self.overlay, QDragMoveEvent(spot, COPY, self.mime, LEFT, PLAIN))

    def drop(self, spot: QPoint) -> None:
        QApplication.sendEvent(self.overlay, QDropEvent(QPointF(spot), COPY, self.mime, LEFT, PLAIN))


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    made.resize(1280, 800)
    qtbot.addWidget(made)
    overlay = DropOverlay(made)
    overlay.set_reduced_motion(True)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.mark.parametrize("index", range(4))
def test_each_target_names_its_action(qtbot: QtBot, window: QWidget, index: int) -> None:
    drag = Drag(window, files("/tmp/a.pdf", "/tmp/b c.docx"))
    QApplication.processEvents()
    card = drag.overlay.cards[index]
    drag.move(card.geometry().center())
    assert [c.hot for c in drag.overlay.cards] == [c is card for c in drag.overlay.cards]
    with qtbot.waitSignal(drag.overlay.files_dropped) as told:
        drag.drop(card.geometry().center())
    assert told.args == [["/tmp/a.pdf", "/tmp/b c.docx"], card.action]
    assert drag.overlay.isHidden()


def test_a_drop_beside_the_targets_does_what_the_page_does(qtbot: QtBot, window: QWidget) -> None:
    overlay = window.findChild(DropOverlay)
    assert overlay is not None
    overlay.set_default_action("translate")
    overlay.set_default_action("nonsense")
    drag = Drag(window, files("/tmp/a.pdf"))
    assert [card.action for card in overlay.cards if card.hot] == ["translate"]
    assert "translate" in overlay.text()
    with qtbot.waitSignal(overlay.files_dropped) as told:
        drag.drop(QPoint(2, 2))
    assert told.args[1] == "translate"


@pytest.mark.parametrize("kind", ["text", "web"])
def test_what_is_no_file_is_refused_politely(qtbot: QtBot, window: QWidget, kind: str) -> None:
    mime = QMimeData()
    mime.setText("hello") if kind == "text" else mime.setUrls([QUrl("https://example.org/x.pdf")])
    drag = Drag(window, mime)
    assert drag.action == Qt.DropAction.IgnoreAction
    assert "Only files" in drag.overlay.text()
    assert not any(card.isVisible() for card in drag.overlay.cards)
    with qtbot.assertNotEmitted(drag.overlay.files_dropped, wait=20):
        drag.drop(QPoint(600, 400))
    assert drag.overlay.isHidden()


def test_it_goes_when_the_drag_leaves_and_stays_when_it_only_moves_on(qtbot: QtBot, window: QWidget) -> None:
    mime = files("/tmp/a.pdf")
    overlay = window.findChild(DropOverlay)
    assert overlay is not None
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(5, 5), COPY, mime, LEFT, PLAIN))
    QApplication.sendEvent(window, QDragLeaveEvent())
    QApplication.sendEvent(overlay, QDragEnterEvent(QPoint(5, 5), COPY, mime, LEFT, PLAIN))
    qtbot.wait(30)
    assert overlay.isVisible()
    QApplication.sendEvent(overlay, QDragLeaveEvent())
    qtbot.waitUntil(overlay.isHidden, timeout=1000)


def test_it_fades_in_120_ms_unless_motion_is_reduced(qtbot: QtBot, window: QWidget) -> None:
    overlay = window.findChild(DropOverlay)
    assert overlay is not None
    overlay.set_reduced_motion(False)
    drag = Drag(window, files("/tmp/a.pdf"))
    assert overlay._fade.duration() == 120
    assert overlay.graphicsEffect().isEnabled()
    qtbot.waitUntil(lambda: not overlay.graphicsEffect().isEnabled(), timeout=2000)
    drag.drop(QPoint(1, 1))
    assert overlay.isVisible()
    qtbot.waitUntil(overlay.isHidden, timeout=2000)
    overlay.set_reduced_motion(True)
    Drag(window, files("/tmp/a.pdf"))
    assert overlay.isVisible()
    assert not overlay.graphicsEffect().isEnabled()


def test_a_hostile_name_is_plain_text(window: QWidget) -> None:
    drag = Drag(window, files("/tmp/" + HOSTILE.replace("\x07", "").replace("\n", "")))
    assert "\u202e" not in drag.overlay.text()
    assert drag.overlay._said.textFormat() == Qt.TextFormat.PlainText


def test_it_covers_a_window_of_any_size(window: QWidget) -> None:
    drag = Drag(window, files("/tmp/a.pdf"))
    for size in ((900, 600), (1600, 1000), (640, 480)):
        window.resize(*size)
        QApplication.processEvents()
        assert drag.overlay.rect() == window.rect()
        rects = [card.geometry() for card in drag.overlay.cards]
        assert all(drag.overlay.rect().contains(rect) for rect in rects)
        assert not any(a.intersects(b) for i, a in enumerate(rects) for b in rects[i + 1 :])


def test_only_local_files_count(tmp_path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl("https://x.org/a"), QUrl.fromLocalFile(str(tmp_path)), QUrl("mailto:a@b.c")])
    assert local_files(mime) == [str(tmp_path)]
    many = files(*(f"/tmp/{n}.pdf" for n in range(1000)))
    assert len(local_files(many)) == 200
