"""Make a vault and die on the way: ``create_child.py FOLDER PASSPHRASE STAGE``."""

import os
import signal
import sys
from pathlib import Path

from store_constants import CHEAP

from desktop_slm.store import keyfile
from desktop_slm.store.database import Database
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault

folder, passphrase, stage = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


if stage == "before-database":
    Database.open = die
elif stage == "database-made":
    real_open = Database.open
    Database.open = lambda *args, **kwargs: (real_open(*args, **kwargs), die())
else:
    real_write = keyfile.write_private
    keyfile.write_private = lambda path, data: die() if path.suffix == ".bak" else real_write(path, data)

Vault(folder, KeyringWall(allowed={}), kdf=CHEAP).create(passphrase=passphrase)
