"""Keychains for tests. Real ones are reached through test_store_secret_service.py only."""

import threading
from typing import ClassVar

from keyring.errors import KeyringLocked, PasswordSetError


class FakeKeyring:
    """Keeps secrets in a dictionary; ``fault`` makes it fail like a real one."""

    viable = True
    priority = 5.0

    def __init__(self):
        self.items = {}
        self.fault = ""
        self.released = threading.Event()

    def _fail(self):
        if self.fault == "locked":
            raise KeyringLocked("Failed to unlock the collection!")
        if self.fault == "denied":
            raise PasswordSetError("Can't store password on keychain: (-25244, 'Unknown Error')")
        if self.fault == "broken pipe":
            raise BrokenPipeError("session bus is gone")
        if self.fault == "hanging":
            self.released.wait(30)

    def get_password(self, service, username):
        self._fail()
        return self.items.get((service, username))

    def set_password(self, service, username, password):
        self._fail()
        if self.fault != "forgetful":
            self.items[service, username] = password

    def delete_password(self, service, username):
        self._fail()
        self.items.pop((service, username), None)


class SharedKeyring(FakeKeyring):
    """Found by its class name, like the system's; all objects share what they hold."""

    shared: ClassVar = {}

    def __init__(self):
        super().__init__()
        self.items = self.shared


class OtherKeyring(SharedKeyring):
    """Another keychain that the system may have instead."""

    viable = True
    shared: ClassVar = {}
    priority = 4.0


def full_name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


ALLOWED = {
    full_name(FakeKeyring): "the test keychain",
    full_name(SharedKeyring): "the first keychain",
    full_name(OtherKeyring): "the second keychain",
}
