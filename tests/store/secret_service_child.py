"""Run inside a D-Bus session of its own with a real keychain daemon; see test_store_secret_service.py."""

import sys
from pathlib import Path

from desktop_slm.store.history import History
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault


def main(folder: Path) -> None:
    wall = KeyringWall(limit_s=20)
    state = wall.probe()
    print("probe", state.usable, state.backend, state.problem)
    vault = Vault(folder, wall)
    vault.create()
    History(vault.database()).create("kept")
    vault.close()
    again = Vault(folder, wall)
    again.unlock()
    print("found", [record.title for record in History(again.database()).conversations()])
    print("slots", again.slots())
    again.set_passphrase("a passphrase for this test")
    print("slots", again.slots())
    again.add_keyring_slot()
    again.remove_passphrase()
    again.close()
    again.unlock()
    print("slots", again.slots(), again.state())
    again.close()


main(Path(sys.argv[1]))
