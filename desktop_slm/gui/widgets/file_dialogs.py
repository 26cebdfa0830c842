"""The system's dialogs for files, opened without holding the window up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget


def choose_files(
    parent: QWidget,
    name: str,
    title: str,
    suffixes: Sequence[str],
    on_chosen: Callable[[list[str]], object],
    *,
    several: bool = True,
) -> None:
    """Ask which documents to open.

    Args:
        parent: The page that asks; it owns the dialog.
        name: Object name, by which the dialog is found.
        title: What the dialog says.
        suffixes: Offered first: ``.pdf``, ...
        on_chosen: Told the paths; not called when the dialog is closed.
        several: More than one may be chosen.
    """
    dialog = _dialog(parent, name, title)
    modes = QFileDialog.FileMode
    dialog.setFileMode(modes.ExistingFiles if several else modes.ExistingFile)
    patterns = " ".join(f"*{suffix}" for suffix in suffixes)
    dialog.setNameFilters([f"Documents ({patterns})", "All files (*)"])
    dialog.filesSelected.connect(on_chosen)
    dialog.open()


def choose_target(
    parent: QWidget, name: str, title: str, file_name: str, on_chosen: Callable[[str], object]
) -> None:
    """Ask where to write ``file_name``; its suffix is added to what is typed without one."""
    dialog = _dialog(parent, name, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(file_name.rpartition(".")[2])
    dialog.selectFile(file_name)
    dialog.fileSelected.connect(on_chosen)
    dialog.open()


def _dialog(parent: QWidget, name: str, title: str) -> QFileDialog:
    dialog = QFileDialog(parent, title)
    dialog.setObjectName(name)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog
