"""Keep one model state after the other until the end comes: ``states_child.py FOLDER MARKER``."""

import itertools
import sys
from pathlib import Path

from store_constants import CHEAP

from desktop_slm.engine.api import KvState
from desktop_slm.store.history import History
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.states import States
from desktop_slm.store.vault import Vault

vault = Vault(Path(sys.argv[1]), KeyringWall(allowed={}), kdf=CHEAP)
if vault.state() == "none":
    vault.create(passphrase="for the child")
else:
    vault.unlock(passphrase="for the child")
conversation = History(vault.database()).create("x").id
data = sys.argv[2].encode() * (12 * 1024 * 1024 // len(sys.argv[2].encode()))
print("writing", flush=True)
for number in itertools.count():
    state = KvState(key="k", tokens=number.to_bytes(4, "little"), data=data)
    States(vault.database()).put(conversation, state)
