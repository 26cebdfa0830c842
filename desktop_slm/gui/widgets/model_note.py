"""Says what the model at hand cannot do: that there is none, or which language it does not write."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.plain_label import one_line


class ModelNote(NoticeBar):
    """A notice about the model, shown only while there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._note = ""
        self._name = ""
        self._languages: tuple[str, ...] = ()
        self._wanted = ""

    def set_note(self, text: str) -> None:
        """Say a sentence that goes before all others; empty for none."""
        self._note = text
        self._refresh()

    def set_languages(self, name: str, codes: Sequence[str]) -> None:
        """Take the languages that the model ``name`` writes; none given means that nobody knows."""
        self._name, self._languages = one_line(name, 60) or "This model", tuple(codes)
        self._refresh()

    def set_wanted(self, code: str) -> None:
        """Take the language that is wanted."""
        self._wanted = code
        self._refresh()

    def _refresh(self) -> None:
        text = self._note
        if not text and self._languages and self._wanted and self._wanted not in self._languages:
            text = self._about_language()
        if text != self.text():
            self.say(text)

    def _about_language(self) -> str:
        wanted = LANGUAGES.get(self._wanted, self._wanted)
        if len(self._languages) == 1:
            only = LANGUAGES.get(self._languages[0], self._languages[0])
            return f"{self._name} writes {only} only. For {wanted}, choose a larger model under Models."
        return f"{self._name} does not name {wanted} among its languages. Look the translation over."
