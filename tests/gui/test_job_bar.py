"""The line that tells how far long work is."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar
from pytestqt.qtbot import QtBot

from desktop_slm.gui.widgets.job_bar import JobBar
from desktop_slm.tasks.events import Progress


@pytest.fixture
def bar(qtbot: QtBot) -> JobBar:
    made = JobBar()
    qtbot.addWidget(made)
    return made


def test_it_is_there_only_while_something_is_done(bar: JobBar) -> None:
    assert bar.isHidden()
    bar.start("Summarizing")
    assert not bar.isHidden()
    bar.finish()
    assert bar.isHidden()


def test_it_says_stage_share_and_time_left(bar: JobBar) -> None:
    bar.start("Summarizing")
    bar.show_progress(Progress(done=31, total=50, unit="chunks", left_s=240, stage="reading"))
    assert bar.text() == "Reading · 62 % · 4 min left"
    bar.show_progress(Progress(done=0, total=0, unit="tokens"))
    assert bar.text() == "Summarizing"


@pytest.mark.parametrize(("done", "total", "value"), [(0, 10, 0), (5, 10, 500), (99, 10, 1000), (-3, 10, 0)])
def test_the_bar_stays_within_its_ends(bar: JobBar, done: float, total: float, value: int) -> None:
    bar.start("x")
    bar.show_progress(Progress(done=done, total=total, unit="chunks"))
    progress = bar.findChild(QProgressBar)
    assert progress is not None
    assert progress.value() == value


def test_stop_is_told_once_and_can_be_pressed_again_next_time(qtbot: QtBot, bar: JobBar) -> None:
    bar.start("x")
    with qtbot.waitSignal(bar.stop_pressed):
        qtbot.mouseClick(bar.stop_button, Qt.MouseButton.LeftButton)
    assert not bar.stop_button.isEnabled()
    assert "Stopping" in bar.stop_button.text()
    bar.start("y")
    assert bar.stop_button.isEnabled()
    assert bar.stop_button.focusPolicy() & Qt.FocusPolicy.TabFocus
