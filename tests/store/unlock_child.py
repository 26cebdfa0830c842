"""Open the vault in another process: ``unlock_child.py FOLDER PASSPHRASE [hang|sleep]``."""

import sys
import time
from pathlib import Path

from desktop_slm.errors import DesktopSlmError
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault

if sys.argv[3:] == ["sleep"]:
    time.sleep(30)
vault = Vault(Path(sys.argv[1]), KeyringWall(allowed={}))
try:
    vault.unlock(passphrase=sys.argv[2])
except DesktopSlmError as error:
    print(type(error).__name__)
else:
    print("open", flush=True)
    if sys.argv[3:] == ["hang"]:
        time.sleep(30)
