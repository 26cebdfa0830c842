"""Links in answers leave the application only after a look at where they lead."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.error_dialog import MessageDialog
from desktop_slm.gui.markdown import is_allowed_link
from desktop_slm.gui.widgets.plain_label import one_line


def host_in_ascii(address: str) -> str:
    """Return who is behind an address: the host in punycode, or the mail address."""
    url = QUrl(address, QUrl.ParsingMode.StrictMode)
    if url.scheme().lower() == "mailto":
        return one_line(url.path(QUrl.ComponentFormattingOption.FullyEncoded), 120)
    return one_line(url.host(QUrl.ComponentFormattingOption.FullyEncoded), 120)


class LinkDialog(MessageDialog):
    """Names the host and says that it leaves the application; Cancel is the default."""

    def __init__(self, address: str, parent: QWidget | None = None) -> None:
        mail = address.lower().startswith("mailto:")
        where = "your mail program" if mail else "your web browser"
        whole = one_line(QUrl(address).toString(QUrl.ComponentFormattingOption.FullyEncoded), 300)
        super().__init__(
            host_in_ascii(address),
            f"This opens in {where} and leaves Desktop SLM, which stays offline. Full address: {whole}",
            "Write mail" if mail else "Open in browser",
            "Cancel",
            icon="external",
            danger=True,
            parent=parent,
        )
        theme.set_kind(self.action_button, "outlined")


def confirm_link(address: str, parent: QWidget | None) -> bool:
    """Ask whether to open an address outside; what is not http, https or mail is refused without asking."""
    if not is_allowed_link(address) or not host_in_ascii(address):
        return False
    return LinkDialog(address, parent).exec() == 1
