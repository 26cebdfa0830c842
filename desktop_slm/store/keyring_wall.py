"""The system's keychain: the only file that imports keyring, and that decides which keychains to trust.

The library would take whatever is installed: a backend that keeps nothing, one that writes plain text, or
one that a configuration file points at. Here only the four keychains that encrypt are accepted, by the full
name of their class. Configuration can only take from that list (``PYTHON_KEYRING_BACKEND=...null...``
switches the keychain off), never add to it.

A keychain may ask the user to unlock it, and may never answer: every call runs on a thread of its own and is
given up after a time limit.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from desktop_slm.errors import KeyringUnavailable

SERVICE = "desktop-slm"
LIMIT_S = 30.0

ALLOWED: Mapping[str, str] = {
    "keyring.backends.SecretService.Keyring": "the Secret Service keychain",
    "keyring.backends.libsecret.Keyring": "the Secret Service keychain (libsecret)",
    "keyring.backends.kwallet.DBusKeyring": "KWallet",
    "keyring.backends.macOS.Keyring": "the macOS keychain",
    "keyring.backends.Windows.WinVaultKeyring": "the Windows Credential Manager",
}
"""Class names of the backends that encrypt, with what to call them. Anything else is refused."""

Problem = Literal["", "missing", "refused", "locked", "denied", "timeout", "unreliable"]
_T = TypeVar("_T")


class KeyringState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the keychain can be used.

    Attributes:
        backend: Full name of its class, empty when there is none.
        usable: It kept a secret and gave it back.
        reason: Why not, as a sentence; empty when usable.
        problem: The same in a word.
    """

    backend: str = ""
    usable: bool = False
    reason: str = ""
    problem: Problem = ""


class Backend(Protocol):
    """What of keyring's backends is used."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret, None if there is none."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""
        ...


class _KeychainError(Exception):
    """A keychain problem in a word and a sentence."""

    def __init__(self, problem: Problem, reason: str, backend: str = "") -> None:
        super().__init__(problem, reason)
        self.problem: Problem = problem
        self.reason = reason
        self.backend = backend


class KeyringWall:
    """The keychain of this user.

    Args:
        backend: A backend to use instead of the system's; it must be on the list as well.
        allowed: Class names that are accepted, with what to call them.
        limit_s: Seconds until a call is given up. Long enough to type the keychain's password.
    """

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        allowed: Mapping[str, str] = ALLOWED,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._given = backend
        self._allowed = dict(allowed)
        self._limit_s = limit_s

    def probe(self) -> KeyringState:
        """Write a random secret, read it, compare, delete it; says what is wrong instead of raising."""
        try:
            name = self._call(self._probe)
        except _KeychainError as error:
            return KeyringState(backend=error.backend, reason=error.reason, problem=error.problem)
        return KeyringState(backend=name, usable=True)

    def set(self, item: str, secret: bytes) -> str:
        """Keep ``secret`` as the new item ``item`` and read it back.

        Returns:
            The name of the backend's class, which `get` and `delete` want.

        Raises:
            KeyringUnavailable: It was not kept.
        """
        with _named():
            return self._call(lambda: self._set(item, secret))

    def get(self, item: str, backend: str) -> bytes | None:
        """Return the secret ``item``, None when the keychain does not hold it.

        Args:
            item: Name of the item.
            backend: Class name of the backend that `set` kept it with.

        Raises:
            KeyringUnavailable: That backend is not the one of this session, or does not answer.
        """
        with _named():
            return self._call(lambda: self._get(item, backend))

    def delete(self, item: str, backend: str) -> None:
        """Forget ``item``.

        Raises:
            KeyringUnavailable: It is still there, or the backend does not answer.
        """
        with _named():
            self._call(lambda: self._choose(backend)[1].delete_password(SERVICE, item))

    # on the worker thread

    def _probe(self) -> str:
        name, backend = self._choose()
        item, secret = f"probe-{secrets.token_hex(8)}", secrets.token_hex(32)
        backend.set_password(SERVICE, item, secret)
        read = backend.get_password(SERVICE, item)
        if read != secret:
            raise self._forgetful(name)
        backend.delete_password(SERVICE, item)
        return name

    def _forgetful(self, name: str) -> _KeychainError:
        return _KeychainError("unreliable", f"{self._called(name)} does not keep what is written to it", name)

    def _set(self, item: str, secret: bytes) -> str:
        name, backend = self._choose()
        backend.set_password(SERVICE, item, secret.hex())
        if backend.get_password(SERVICE, item) != secret.hex():
            raise self._forgetful(name)
        return name

    def _get(self, item: str, backend: str) -> bytes | None:
        name, chosen = self._choose(backend)
        text = chosen.get_password(SERVICE, item)
        if text is None:
            return None
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise _KeychainError(
                "unreliable", f"{self._called(name)} holds something else in its place", name
            ) from error

    def _choose(self, wanted: str = "") -> tuple[str, Backend]:
        """Return the backend called ``wanted``, or the best one."""
        found = dict(self._candidates())
        if not found:
            raise _KeychainError("missing", "No system keychain was found")
        first = next(iter(found))
        if not wanted:
            return first, found[first]
        if wanted not in found:
            raise _KeychainError(
                "missing",
                f"The vault's key is in {self._called(wanted)}, and this session has {self._called(first)}",
                first,
            )
        return wanted, found[wanted]

    def _candidates(self) -> Iterator[tuple[str, Backend]]:
        """Yield the accepted backends that work here, the best first."""
        if self._given is not None:
            name = _class_name(type(self._given))
            self._refuse_unknown(name)
            yield name, self._given
            return
        narrowed = _configured()
        if narrowed:
            self._refuse_unknown(narrowed)
        names = [narrowed] if narrowed else list(self._allowed)
        viable = [found for name in names if (found := _viable(name)) is not None]
        for backend in sorted(viable, key=lambda cls: cls.priority, reverse=True):
            yield _class_name(backend), backend()

    def _refuse_unknown(self, name: str) -> None:
        if name not in self._allowed:
            raise _KeychainError(
                "refused", f"The keychain {name} does not keep secrets encrypted and is not used", name
            )

    def _called(self, name: str) -> str:
        return self._allowed.get(name, name)

    def _call(self, work: Callable[[], _T]) -> _T:
        """Run ``work`` on a thread and wait for it; foreign errors become `_KeychainError`."""
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - carried over to the caller, which raises it
                future.set_exception(error)

        threading.Thread(target=run, name="keychain", daemon=True).start()
        try:
            return future.result(self._limit_s)
        except FutureTimeoutError as error:
            if future.done():  # a timeout of its own, inside the call
                raise _KeychainError("timeout", "The system keychain did not answer") from error
            raise _KeychainError(
                "timeout", f"The system keychain did not answer within {self._limit_s:g} seconds"
            ) from error
        except _foreign_errors() as error:
            raise _translated(error) from error


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except _KeychainError as error:
        raise KeyringUnavailable(error.reason, _ADVICE[error.problem]) from error


_ADVICE: Mapping[Problem, str] = {
    "": "",
    "missing": "Log in to your desktop session, or open the vault with its passphrase.",
    "refused": "Use a passphrase instead.",
    "locked": "Unlock the keychain and try again.",
    "denied": "Allow Desktop SLM to use the keychain and try again.",
    "timeout": "Look for a window of the keychain that asks for its password, then try again.",
    "unreliable": "Use a passphrase instead.",
}


def _class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _configured() -> str:
    """Return the backend that the user has configured for all programs, empty for none."""
    named = os.environ.get("PYTHON_KEYRING_BACKEND", "").strip()
    if named:
        return named
    import configparser

    from keyring.util import platform_

    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser.read(platform_.config_root() / "keyringrc.cfg", encoding="utf-8")
    return parser.get("backend", "default-keyring", fallback="").strip()


def _viable(name: str) -> Any:
    """Return the backend's class when it can work on this system, else None."""
    module, _, attribute = name.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    return cls if cls.viable else None


def _foreign_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that backends raise, of the libraries that are loaded."""
    from keyring.errors import KeyringError

    known: list[type[BaseException]] = [KeyringError, OSError, RuntimeError, EOFError, UnicodeDecodeError]
    for module, name in (
        ("secretstorage.exceptions", "SecretStorageException"),
        ("jeepney.wrappers", "DBusErrorResponse"),
        ("dbus.exceptions", "DBusException"),
        ("gi.repository.GLib", "Error"),
        ("win32ctypes.pywin32.pywintypes", "error"),
        ("pywintypes", "error"),
    ):
        loaded = getattr(sys.modules.get(module), name, None)
        if isinstance(loaded, type) and issubclass(loaded, BaseException):
            known.append(loaded)
    return tuple(known)


def _translated(error: BaseException) -> _KeychainError:
    from keyring.errors import KeyringLocked, NoKeyringError

    name = type(error).__name__
    if isinstance(error, KeyringLocked) or name in {"LockedException", "PromptDismissedException"}:
        return _KeychainError("locked", "The system keychain is locked")
    if isinstance(error, NoKeyringError) or name == "SecretServiceNotAvailableException":
        return _KeychainError("missing", "No system keychain was found")
    return _KeychainError("denied", "The system keychain refused the request")
