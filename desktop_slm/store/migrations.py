"""The schema, as an ordered list of named steps: a database of any age becomes the newest one.

Each step runs in one transaction together with the number that says it was done (``user_version``), so that
a crash leaves a database before or after it, never between. Steps are never changed once released; a new
one is put at the end. Rows are ordered by ``sequence``, a counter of our own: clocks jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from desktop_slm.errors import VaultError

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

Migration = Callable[["Database"], None]


def _run(database: Database, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            database.rows(statement)


def m001_conversations(database: Database) -> None:
    """Conversations, their messages as a tree, drafts, and the counter that orders everything."""
    _run(
        database,
        """
        CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO counter VALUES ('sequence', 0);
        CREATE TABLE conversation (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sequence INTEGER NOT NULL,
            title TEXT NOT NULL,
            system TEXT NOT NULL,
            model TEXT NOT NULL,
            pinned INTEGER NOT NULL DEFAULT 0,
            active_root INTEGER,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            deleted_at REAL,
            deletion INTEGER
        );
        CREATE INDEX conversation_listed
            ON conversation (pinned DESC, sequence DESC) WHERE deleted_at IS NULL;
        CREATE INDEX conversation_recent ON conversation (sequence DESC) WHERE deleted_at IS NULL;
        CREATE INDEX conversation_trash ON conversation (deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE TABLE message (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            parent INTEGER REFERENCES message (id) ON DELETE CASCADE,
            active_child INTEGER,
            role TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT NOT NULL DEFAULT '',
            model TEXT NOT NULL,
            created REAL NOT NULL,
            usage BLOB,
            documents BLOB,
            text TEXT NOT NULL,
            reasoning TEXT NOT NULL
        );
        CREATE INDEX message_tree ON message (conversation, parent, id, active_child);
        CREATE INDEX message_parent ON message (parent);
        CREATE INDEX message_streaming ON message (id) WHERE state = 'streaming';
        CREATE TABLE draft (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
        """,
    )


def m002_library(database: Database) -> None:
    """Documents with their bytes and pages, summaries, notes taken of them, translations."""
    _run(
        database,
        """
        CREATE TABLE document (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sequence INTEGER NOT NULL,
            sha256 TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            title TEXT NOT NULL,
            format TEXT NOT NULL,
            language TEXT NOT NULL,
            pages INTEGER NOT NULL,
            words INTEGER NOT NULL,
            size_bytes INTEGER NOT NULL,
            added REAL NOT NULL,
            deleted_at REAL,
            deletion INTEGER,
            header BLOB NOT NULL,
            key_sentences BLOB NOT NULL
        );
        CREATE INDEX document_recent ON document (sequence DESC) WHERE deleted_at IS NULL;
        CREATE INDEX document_trash ON document (deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE TABLE document_data (
            document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE UNIQUE INDEX document_data_place ON document_data (document, number);
        CREATE TABLE document_page (
            document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            page BLOB NOT NULL
        );
        CREATE UNIQUE INDEX document_page_place ON document_page (document, number);
        CREATE TABLE note (
            key TEXT PRIMARY KEY,
            document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            data BLOB NOT NULL
        );
        CREATE INDEX note_document ON note (document);
        CREATE TABLE summary (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sequence INTEGER NOT NULL,
            title TEXT NOT NULL,
            created REAL NOT NULL,
            deleted_at REAL,
            deletion INTEGER,
            request BLOB NOT NULL,
            result BLOB NOT NULL
        );
        CREATE INDEX summary_recent ON summary (sequence DESC) WHERE deleted_at IS NULL;
        CREATE INDEX summary_trash ON summary (deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE TABLE summary_document (
            summary INTEGER NOT NULL REFERENCES summary (id) ON DELETE CASCADE,
            place INTEGER NOT NULL,
            document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            PRIMARY KEY (summary, place)
        ) WITHOUT ROWID;
        CREATE INDEX summary_document_document ON summary_document (document);
        CREATE TABLE translation (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sequence INTEGER NOT NULL,
            source_language TEXT NOT NULL,
            target_language TEXT NOT NULL,
            model TEXT NOT NULL,
            favorite INTEGER NOT NULL DEFAULT 0,
            created REAL NOT NULL,
            deleted_at REAL,
            deletion INTEGER,
            source TEXT NOT NULL,
            target TEXT NOT NULL
        );
        CREATE INDEX translation_recent ON translation (sequence DESC) WHERE deleted_at IS NULL;
        CREATE INDEX translation_favorite
            ON translation (sequence DESC) WHERE favorite AND deleted_at IS NULL;
        CREATE INDEX translation_trash ON translation (deleted_at) WHERE deleted_at IS NOT NULL;
        """,
    )


def m003_search(database: Database) -> None:
    """The full-text index and the table that says where each of its rows comes from.

    The index keeps no text of its own (``content=''``): the text is already in the tables above, and what
    is indexed is a folded form of it (see `store.words`). Anything but a space belongs to a word, because
    the words were cut before.
    """
    _run(
        database,
        """
        CREATE TABLE entry (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            item INTEGER NOT NULL,
            part INTEGER NOT NULL
        );
        CREATE UNIQUE INDEX entry_place ON entry (kind, item, part);
        CREATE VIRTUAL TABLE word_index USING fts5 (
            title, body, content='', contentless_delete=1, prefix='1 2 3',
            tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
        );
        """,
    )


def m004_states(database: Database) -> None:
    """Which file beside the database holds the KV state of a conversation, and the key that opens it."""
    _run(
        database,
        """
        CREATE TABLE kv_state (
            conversation INTEGER PRIMARY KEY REFERENCES conversation (id) ON DELETE CASCADE,
            sequence INTEGER NOT NULL,
            used REAL NOT NULL,
            name TEXT NOT NULL,
            secret BLOB NOT NULL,
            key TEXT NOT NULL,
            token_hash TEXT NOT NULL,
            token_bytes INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        );
        """,
    )


MIGRATIONS: tuple[Migration, ...] = (m001_conversations, m002_library, m003_search, m004_states)
LATEST = len(MIGRATIONS)


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Run the steps that ``database`` has not had yet and return how many those were.

    Raises:
        VaultError: The database is newer than this program.
    """
    version = int(database.value("PRAGMA user_version"))
    if version > len(migrations):
        raise VaultError(
            "This vault was written by a newer version of Desktop SLM",
            "Install the newest version to open it.",
        )
    for number, step in enumerate(migrations[version:], start=version + 1):
        with database.transaction():
            step(database)
            database.rows(f"PRAGMA user_version={number}")
    return len(migrations) - version
