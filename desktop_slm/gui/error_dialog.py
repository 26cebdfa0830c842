"""The one door to message boxes: expected errors with one button that helps, and the crash dialog."""

from __future__ import annotations

import platform
import sys
import traceback
from pathlib import Path
from types import TracebackType

import PySide6
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

import desktop_slm
from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel


class MessageDialog(QDialog):
    """Icon, title, sentence, buttons.

    Args:
        title: What happened or is asked.
        message: What to do next.
        action: Text of the button that does it; the dialog is accepted by it.
        cancel: Text of the other button, empty for none.
        icon: Name of the icon.
        danger: The action destroys something: the other button is the default.
        parent: The window.
    """

    def __init__(
        self,
        title: str,
        message: str,
        action: str = "OK",
        cancel: str = "",
        icon: str = "warning",
        danger: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Desktop SLM")
        self.setMinimumWidth(440)
        self.setMaximumWidth(640)
        self._body = QVBoxLayout()
        self._body.setSpacing(8)
        self._body.addWidget(self._label(title, "title"))
        if message:
            self._body.addWidget(self._label(message, "muted"))
        picture = QLabel(self)
        colors = theme.current()
        color = colors.accent if icon in ("info", "lock") else colors.warning
        picture.setPixmap(theme.pixmap(icon, color, 28, self.devicePixelRatioF()))
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(self._body, 1)
        self.action_button = QPushButton(action, self)
        theme.set_kind(self.action_button, "danger" if danger else "primary")
        self.action_button.clicked.connect(self.accept)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        self._buttons.addStretch(1)
        if cancel:
            other = QPushButton(cancel, self)
            other.setDefault(danger)
            other.clicked.connect(self.reject)
            self._buttons.addWidget(other)
        self.action_button.setDefault(not danger)
        self._buttons.addWidget(self.action_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(20)
        layout.addLayout(top)
        layout.addLayout(self._buttons)

    def _label(self, text: str, kind: str) -> QLabel:
        label = PlainLabel(text, wrap=True, parent=self)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_kind(label, kind)
        return label


class CrashDialog(MessageDialog):
    """A bug: what can be told to the makers, and nothing the user wrote."""

    def __init__(self, report: str, parent: QWidget | None = None) -> None:
        super().__init__(
            "Desktop SLM has met a fault of its own",
            "What you were doing has stopped; everything kept is still there. The report below says where "
            "in the program it happened. It holds nothing you wrote, and it is sent nowhere.",
            action="Continue",
            parent=parent,
        )
        self.report = QPlainTextEdit(report, self)
        self.report.setReadOnly(True)
        self.report.setAccessibleName("Report")
        self.report.setFont(theme.fixed_font(11))
        self.report.setMinimumSize(480, 180)
        self._body.addWidget(self.report)
        copy = QPushButton("Copy report", self)
        copy.clicked.connect(self._on_copy_clicked)
        self._buttons.insertWidget(0, copy)

    @Slot()
    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.report.toPlainText())


def crash_report(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Return where a bug is, without its message: that may quote the user's text."""
    lines = [
        f"Desktop SLM {desktop_slm.__version__}, PySide6 {PySide6.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"{kind.__module__}.{kind.__qualname__}",
    ]
    root = Path(desktop_slm.__file__).parent.parent
    for frame in traceback.extract_tb(trace):
        path = Path(frame.filename)
        shown = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        lines.append(f"  {shown.as_posix()}:{frame.lineno} {frame.name}")
    return "\n".join(lines)


def show_error(error: DesktopSlmError, parent: QWidget | None, action: str = "OK", cancel: str = "") -> bool:
    """Show an expected error; tell whether its action was chosen."""
    return MessageDialog(error.title, error.message, action, cancel, parent=parent).exec() == 1


def ask(title: str, message: str, action: str, parent: QWidget | None, *, danger: bool = False) -> bool:
    """Ask before something that cannot be taken back."""
    return MessageDialog(title, message, action, "Cancel", danger=danger, parent=parent).exec() == 1


def show_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, parent: QWidget | None
) -> None:
    """Show the crash dialog for a bug (never its message or values)."""
    report = crash_report(kind, trace)
    print(report, file=sys.stderr)
    CrashDialog(report, parent).exec()
