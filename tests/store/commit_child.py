"""Write messages and say so after each commit, until killed: ``commit_child.py FILE KEY``."""

import itertools
import secrets
import sys
from pathlib import Path

from desktop_slm.store.database import Database
from desktop_slm.store.history import History

database = Database.open(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), create=True)
history = History(database)
conversation = history.create("crash").id
for _ in itertools.count():
    text = secrets.token_hex(secrets.choice((8, 800, 4000)))
    message = history.add_message(conversation, role="user", text=text)
    print(conversation, message.id, text, ".", flush=True)
