"""Write a marker, then more of it in a transaction, and wait: ``private_child.py FOLDER MARKER``."""

import sys
import time
from pathlib import Path

from store_constants import CHEAP

from desktop_slm.store.history import History
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault

marker = sys.argv[2]
vault = Vault(Path(sys.argv[1]), KeyringWall(allowed={}), kdf=CHEAP)
vault.create(passphrase="for the child")
database = vault.database()
history = History(database)
c = history.create(marker)
history.add_message(c.id, role="user", text=marker * 1000)
with database.transaction():
    for _ in range(300):
        history.add_message(c.id, role="user", text=marker * 1000)
    database.rows("SELECT text FROM message ORDER BY text || reasoning DESC")
    print("written", flush=True)
    time.sleep(30)
