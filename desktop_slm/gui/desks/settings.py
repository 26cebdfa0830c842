"""The settings page's desk: changing settings, the vault's key, and the facts of Privacy and About."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import PySide6
from PySide6.QtCore import QObject, Signal, Slot

import desktop_slm
from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.items import bytes_in_words
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.settings import SettingsPage
from desktop_slm.gui.pages.vault_facts import VaultFacts

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.settings import Settings

Facts = tuple[dict[str, str], list[str]]


class SettingsDesk(QObject):
    """Serves one `SettingsPage`.

    Signals:
        changed: The settings are other ones now.
        vault_made: A vault was made: what is written from now on is kept.
        passphrase_set: The vault opens with a (new) passphrase.
        trouble: An error that belongs to no field of the page.
    """

    changed = Signal(object)
    vault_made = Signal()
    passphrase_set = Signal()
    trouble = Signal(object)

    def __init__(self, app: App, page: SettingsPage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self.page = page
        self._report: dict[str, Any] = {}
        page.setting_changed.connect(self._on_page_setting_changed)
        page.section_shown.connect(self._on_page_section_shown)
        page.passphrase_requested.connect(self._on_page_passphrase_requested)
        page.keychain_requested.connect(self._on_page_keychain_requested)
        page.states_clear_requested.connect(self._on_page_states_clear_requested)

    # What the window asks for

    def refresh(self) -> None:
        """Show the settings and the vault as they are now."""
        self.page.show_settings(self._app.settings)
        run_call(self._vault_facts, self.page.show_vault, self._on_trouble)

    def change(self, name: str, value: object) -> None:
        """Change one setting and keep it."""
        run_call(partial(self._change, name, value), self._on_changed, self._on_trouble)

    # Work off the GUI thread

    def _change(self, name: str, value: object) -> Settings:
        changes: dict[str, Any] = {name: value}
        self._app.change_settings(**changes)
        return self._app.settings

    def _vault_facts(self) -> VaultFacts:
        status = self._app.vault.status()
        saving = self._app.saving
        return VaultFacts(
            state=status.state,
            slots=tuple(status.slots) if saving else (),
            path=status.path,
            size=bytes_in_words(status.bytes) if status.bytes else "",
            states=bytes_in_words(status.state_bytes) if status.state_bytes else "",
            cipher=f"SQLCipher {status.cipher_version}, 256-bit AES" if status.cipher_version else "",
            keychain=_keychain_in_words(self._report.get("keyring")),
            keychain_usable=_is_usable(self._report.get("keyring")),
            saving=saving,
        )

    def _clear_states(self) -> VaultFacts:
        self._app.states.clear()
        return self._vault_facts()

    def _facts(self) -> Facts:
        if not self._report:  # examining starts processes and asks the keychain: once is enough
            self._report = self._app.doctor()
        report = self._report
        hardware = self._app.hardware()
        cipher = _words(report.get("vault"), "cipher_version")
        facts = {
            "version": desktop_slm.__version__,
            "engine": hardware.engine_version,
            "device": f"{hardware.device}, {hardware.threads} threads ({hardware.reason})",
            "cpu": f"{hardware.cpu_name} ({', '.join(hardware.cpu_features)})",
            "python": f"{platform.python_version()}, {PySide6.__version__}",
            "database": f"SQLCipher {cipher}" if cipher else "",
            "sandbox_model": _words(report.get("sandbox"), "inference"),
            "sandbox_reader": _words(report.get("sandbox"), "reader"),
            "network": _words(report.get("network"), "policy"),
        }
        problems = [str(problem) for problem in report.get("problems") or ()]
        return {name: value for name, value in facts.items() if value}, problems

    def _set_passphrase(self, old: str, new: str) -> bool:
        """Set or change it; tells whether that made a vault."""
        if not self._app.saving:
            self._app.create_vault(new)
            return True
        if old:
            self._app.vault.change_passphrase(old, new)
        else:
            self._app.vault.set_passphrase(new)
        return False

    # Answers

    @Slot(object)
    def _on_changed(self, settings: Settings) -> None:
        self.page.show_settings(settings)
        self.changed.emit(settings)

    @Slot(object)
    def _on_facts(self, found: Facts) -> None:
        self.page.show_facts(*found)
        run_call(self._vault_facts, self.page.show_vault, self._on_trouble)

    @Slot(object)
    def _on_passphrase_set(self, made: bool) -> None:
        self.refresh()
        if made:
            self.vault_made.emit()
        self.passphrase_set.emit()

    @Slot(object)
    def _on_keychain_vault(self, _nothing: object) -> None:
        self.refresh()
        self.vault_made.emit()

    @Slot(object)
    def _on_passphrase_error(self, error: DesktopSlmError) -> None:
        self.page.show_passphrase_error(error)

    @Slot(object)
    def _on_trouble(self, error: DesktopSlmError) -> None:
        self.trouble.emit(error)

    # Wishes

    @Slot(str, object)
    def _on_page_setting_changed(self, name: str, value: object) -> None:
        self.change(name, value)

    @Slot(str)
    def _on_page_section_shown(self, section: str) -> None:
        if section in ("Privacy", "About"):
            run_call(self._vault_facts, self.page.show_vault, self._on_trouble)
            run_call(self._facts, self._on_facts, self._on_trouble)

    @Slot(str, str)
    def _on_page_passphrase_requested(self, old: str, new: str) -> None:
        run_call(partial(self._set_passphrase, old, new), self._on_passphrase_set, self._on_passphrase_error)

    @Slot()
    def _on_page_keychain_requested(self) -> None:
        run_call(partial(self._app.create_vault, None), self._on_keychain_vault, self._on_trouble)

    @Slot()
    def _on_page_states_clear_requested(self) -> None:
        run_call(self._clear_states, self.page.show_vault, self._on_trouble)


def _keychain_in_words(report: object) -> str:
    """Return which keychain there is, or why none can be used."""
    if not isinstance(report, Mapping):
        return ""
    if not _is_usable(report):
        return f"{str(report.get('reason') or '').rstrip('.')}."
    from desktop_slm.store.keyring_wall import ALLOWED

    backend = str(report.get("backend"))
    return ALLOWED.get(backend, backend)


def _is_usable(report: object) -> bool:
    return isinstance(report, Mapping) and bool(report.get("usable"))


def _words(report: object, *names: str) -> str:
    """Return the first of ``names`` in a part of the doctor's report, in words."""
    if not isinstance(report, Mapping):
        return ""
    for name in names:
        value = report.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    return ""


def _plain(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value)
    return str(value)
