"""Databases and vaults for the tests of the store."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_keyring import ALLOWED, FakeKeyring
from store_constants import CHEAP, KEY

from desktop_slm.documents.model import Block, Document, KeySentence, Page
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.library import Library
from desktop_slm.store.search import Search
from desktop_slm.store.vault import Vault

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database():
    database = Database.in_memory()
    yield database
    database.close()


@pytest.fixture
def history(database):
    return History(database)


@pytest.fixture
def library(database):
    return Library(database)


@pytest.fixture
def search(database):
    return Search(database)


@pytest.fixture
def on_disk(tmp_path):
    """A database in a file, with its key."""
    database = Database.open(tmp_path / "vault.db", KEY, create=True)
    yield database
    database.close()


@pytest.fixture
def keychain():
    return FakeKeyring()


@pytest.fixture
def wall(keychain):
    return KeyringWall(keychain, allowed=ALLOWED, limit_s=5)


@pytest.fixture
def make_vault(tmp_path, wall):
    """Return a function that gives a Vault object on the same folder each time."""
    made = []

    def make(keyring=None):
        vault = Vault(tmp_path / "vault", keyring or wall, kdf=CHEAP)
        made.append(vault)
        return vault

    yield make
    for vault in made:
        vault.close()


@pytest.fixture
def document():
    """Return a function that makes a document and its bytes."""

    def make(*pages, name="report.pdf", title="Annual report", salt=""):
        data = f"%PDF {salt} {'|'.join(pages)}".encode()
        blocks = iter(range(1, 10_000))
        return (
            Document(
                title=title,
                name=name,
                format="pdf",
                language="en",
                pages=tuple(
                    Page(
                        number=number,
                        blocks=tuple(
                            Block(id=next(blocks), kind="paragraph", text=part) for part in text.split("\n\n")
                        )
                        if text
                        else (),
                    )
                    for number, text in enumerate(pages, start=1)
                ),
                words=sum(len(page.split()) for page in pages),
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
            ),
            data,
            (KeySentence(text=pages[0][:40], page=1, block=1, score=0.5),),
        )

    return make


@pytest.fixture
def start_child():
    """Return a function that starts a script of this folder; all are ended afterwards."""
    children = []

    def start(script, *arguments, **kwargs):
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            **kwargs,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
