"""Kill -9 while writing: what was acknowledged is there, and the file is whole."""

import random
import signal
import time

from store_constants import KEY

from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.search import Search

KILLS = 10


def test_what_was_acknowledged_survives_a_kill(tmp_path, start_child):
    chance = random.Random(20_260_101)
    acknowledged = []
    for _ in range(KILLS):
        child = start_child("commit_child.py", tmp_path / "vault.db", KEY.hex())
        acknowledged.append(child.stdout.readline().split())
        time.sleep(chance.uniform(0, 0.08))
        child.send_signal(signal.SIGKILL)
        acknowledged += [line.split() for line in child.stdout.read().splitlines() if line.endswith(".")]
        child.wait()
        database = Database.open(tmp_path / "vault.db", KEY)
        history = History(database)
        assert database.problems() == []
        for conversation, message, text, _ in acknowledged[-200:]:
            assert history.message(message).text == text
            assert history.message(message).conversation == conversation
        database.close()
    database = Database.open(tmp_path / "vault.db", KEY)
    texts = {row[0] for row in database.rows("SELECT text FROM message")}
    assert {entry[2] for entry in acknowledged} <= texts
    assert database.value("SELECT count(*) FROM entry WHERE part > 0") == len(texts)
    assert Search(database).search(acknowledged[-1][2])[0].id == acknowledged[-1][0]
    assert len(acknowledged) > KILLS
    database.close()
