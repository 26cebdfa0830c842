"""Documents with their bytes and pages, and what was made of them: summaries, notes, translations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.documents.model import Document, KeySentence, Page
from desktop_slm.errors import InvalidRequest
from desktop_slm.store import index, trash
from desktop_slm.store.content import document_heading, summary_text
from desktop_slm.store.ids import item_id, item_row, next_sequence, storable, unknown
from desktop_slm.store.records import DocumentRecord, StoredDocument, SummaryRecord, TranslationRecord

if TYPE_CHECKING:
    from desktop_slm.store.database import Database, Row

CHUNK_BYTES = 1024 * 1024

_DOCUMENT = "id, name, title, format, language, pages, words, size_bytes, sha256, added"
_SUMMARY = "id, title, request, result, created"
_TRANSLATION = "id, source_language, target_language, source, target, model, favorite, created"
_HEADER = msgspec.msgpack.Decoder(Document)
_PAGE = msgspec.msgpack.Decoder(Page)
_KEY_SENTENCES = msgspec.msgpack.Decoder(tuple[KeySentence, ...])


class Library:
    """The library of one open database. All methods may be called from any thread.

    Args:
        database: Where it is.
        forgotten: Told of conversations whose saved states the deletion of a document has removed.

    Raises (from every method that takes an id):
        InvalidRequest: Nothing has that id, or it is in the trash.
    """

    def __init__(self, database: Database, forgotten: trash.Forgotten = trash.nobody) -> None:
        self._database = database
        self._forgotten = forgotten

    # documents

    def add(
        self, document: Document, data: bytes, key_sentences: Sequence[KeySentence] = ()
    ) -> DocumentRecord:
        """Keep a document: its bytes, what was read from it and its key sentences.

        Bytes that are there already (by their SHA-256) give the record that is there, moved to the top and
        out of the trash; what was read is replaced, as a newer reader may read better.
        """
        with self._database.transaction() as database:
            known = database.row("SELECT id, deleted_at FROM document WHERE sha256 = ?", (document.sha256,))
            number = known[0] if known else self._new_document(document, data)
            if known and known[1] is not None:
                trash.restore(database, "document", number)
            self._put_reading(number, document, key_sentences)
            return self._document(number)

    def documents(self, limit: int = 200, offset: int = 0) -> list[DocumentRecord]:
        """List documents, the last added first."""
        rows = self._database.rows(
            f"SELECT {_DOCUMENT} FROM document WHERE deleted_at IS NULL"  # noqa: S608 - fixed column names
            " ORDER BY sequence DESC LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return [_document_record(row) for row in rows]

    def record(self, id_: str) -> DocumentRecord:
        """Return a document without its text."""
        return self._document(item_row(id_, "document")[1])

    def get(self, id_: str) -> StoredDocument:
        """Return a document as it was read, with its key sentences."""
        number = item_row(id_, "document")[1]
        record = self._document(number)
        header, sentences = self._database.rows(
            "SELECT header, key_sentences FROM document WHERE id = ?", (number,)
        )[0]
        pages = self._database.rows(
            "SELECT page FROM document_page WHERE document = ? ORDER BY number", (number,)
        )
        document = msgspec.structs.replace(
            _HEADER.decode(header), pages=tuple(_PAGE.decode(page) for (page,) in pages)
        )
        return StoredDocument(
            record=record, document=document, key_sentences=_KEY_SENTENCES.decode(sentences)
        )

    def data(self, id_: str) -> bytes:
        """Return the bytes of the file."""
        number = item_row(id_, "document")[1]
        self._document(number)
        rows = self._database.rows(
            "SELECT bytes FROM document_data WHERE document = ? ORDER BY number", (number,)
        )
        return b"".join(row[0] for row in rows)

    def set_language(self, id_: str, language: str) -> DocumentRecord:
        """Correct the language of a document, an ISO code, until it is read anew."""
        number = item_row(id_, "document")[1]
        with self._database.transaction() as database:
            self._document(number)
            header = _HEADER.decode(database.value("SELECT header FROM document WHERE id = ?", (number,)))
            changed = msgspec.msgpack.encode(msgspec.structs.replace(header, language=language))
            database.rows(
                "UPDATE document SET language = ?, header = ? WHERE id = ?", (language, changed, number)
            )
            return self._document(number)

    def delete(self, id_: str) -> None:
        """Move a document (with the summaries made of it), a summary or a translation to the trash."""
        kind, number = item_row(id_, "document", "summary", "translation")
        self._forgotten(trash.delete(self._database, kind, number))

    def restore(self, id_: str) -> None:
        """Take a document, a summary or a translation out of the trash."""
        kind, number = item_row(id_, "document", "summary", "translation")
        trash.restore(self._database, kind, number)

    # summaries

    def add_summary(
        self, documents: Sequence[str], title: str, request: bytes, result: bytes
    ) -> SummaryRecord:
        """Keep a summary of ``documents``; request and result are JSON."""
        with self._database.transaction() as database:
            numbers = [item_row(id_, "document")[1] for id_ in documents]
            for number in numbers:
                self._document(number)
            summary = database.insert(
                "INSERT INTO summary (sequence, title, created, request, result) VALUES (?,?,?,?,?)",
                (next_sequence(database), storable(title), time.time(), request, result),
            )
            database.many(
                "INSERT INTO summary_document (summary, place, document) VALUES (?,?,?)",
                [(summary, place, number) for place, number in enumerate(numbers)],
            )
            index.put(
                database,
                "summary",
                summary,
                index.TITLE_PART,
                title=storable(title),
                body=summary_text(result),
            )
            return self.summary(item_id("summary", summary))

    def summaries(self, document: str) -> list[SummaryRecord]:
        """List the summaries made of a document, the last one first."""
        number = item_row(document, "document")[1]
        self._document(number)
        rows = self._database.rows(
            f"SELECT {_SUMMARY} FROM summary WHERE deleted_at IS NULL"  # noqa: S608 - fixed column names
            " AND id IN (SELECT summary FROM summary_document WHERE document = ?) ORDER BY sequence DESC",
            (number,),
        )
        return [self._summary_record(row) for row in rows]

    def summary(self, id_: str) -> SummaryRecord:
        """Return one summary."""
        row = self._database.row(
            f"SELECT {_SUMMARY} FROM summary WHERE id = ? AND deleted_at IS NULL",  # noqa: S608
            (item_row(id_, "summary")[1],),
        )
        if row is None:
            raise unknown(id_)
        return self._summary_record(row)

    # notes

    def notes(self, key: str) -> bytes | None:
        """Return what `put_notes` kept under ``key``, None if there is nothing."""
        data = self._database.value("SELECT data FROM note WHERE key = ?", (key,))
        return None if data is None else bytes(data)

    def put_notes(self, key: str, document: str, data: bytes) -> None:
        """Keep work on a document for the next time; it goes when the document goes.

        ``key`` is a hash of everything that the work depends on.
        """
        number = item_row(document, "document")[1]
        with self._database.transaction() as database:
            self._document(number)
            database.rows(
                "INSERT INTO note (key, document, data) VALUES (?,?,?)"
                " ON CONFLICT (key) DO UPDATE SET data = excluded.data, document = excluded.document",
                (key, number, data),
            )

    # translations

    def add_translation(
        self, source_language: str, target_language: str, source: str, target: str, model: str = ""
    ) -> TranslationRecord:
        """Keep a translation of plain text; languages are ISO codes."""
        source, target = storable(source), storable(target)
        with self._database.transaction() as database:
            number = database.insert(
                "INSERT INTO translation"
                " (sequence, source_language, target_language, source, target, model, created)"
                " VALUES (?,?,?,?,?,?,?)",
                (
                    next_sequence(database), source_language, target_language, source, target, model,
                    time.time(),
                ),
            )  # fmt: skip
            index.put(database, "translation", number, index.TITLE_PART, body=f"{source}\n{target}")
            return self._translation(number)

    def translations(
        self, limit: int = 200, offset: int = 0, favorites: bool = False
    ) -> list[TranslationRecord]:
        """List translations, the last one first."""
        rows = self._database.rows(
            f"SELECT {_TRANSLATION} FROM translation WHERE deleted_at IS NULL"  # noqa: S608
            + (" AND favorite" if favorites else "")
            + " ORDER BY sequence DESC LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return [_translation_record(row) for row in rows]

    def translation(self, id_: str) -> TranslationRecord:
        """Return one translation."""
        return self._translation(item_row(id_, "translation")[1])

    def set_favorite(self, id_: str, favorite: bool) -> TranslationRecord:
        """Mark a translation as a favorite, or no longer."""
        number = item_row(id_, "translation")[1]
        with self._database.transaction() as database:
            self._translation(number)
            database.rows("UPDATE translation SET favorite = ? WHERE id = ?", (int(favorite), number))
            return self._translation(number)

    def delete_translation(self, id_: str) -> None:
        """Move a translation to the trash."""
        trash.delete(self._database, "translation", item_row(id_, "translation")[1])

    # rows

    def _new_document(self, document: Document, data: bytes) -> int:
        if not document.sha256:
            raise InvalidRequest("A document without a hash cannot be kept")
        database = self._database
        number = database.insert(
            "INSERT INTO document (sequence, sha256, name, title, format, language, pages, words, size_bytes,"
            " added, header, key_sentences) VALUES (0,?,?,'','','',0,0,?,?,x'',x'')",
            (document.sha256, storable(document.name), len(data), time.time()),
        )
        view = memoryview(data)
        database.many(
            "INSERT INTO document_data (document, number, bytes) VALUES (?,?,?)",
            (
                (number, place, view[start : start + CHUNK_BYTES])
                for place, start in enumerate(range(0, len(data), CHUNK_BYTES))
            ),
        )
        return number

    def _put_reading(self, number: int, document: Document, key_sentences: Sequence[KeySentence]) -> None:
        """Write what was read, in place of what an earlier reading gave, and index it."""
        database = self._database
        # A file name that is not UTF-8 reaches us with lone surrogates.
        header = msgspec.msgpack.encode(
            msgspec.structs.replace(
                document, name=storable(document.name), title=storable(document.title), pages=()
            )
        )
        sentences = msgspec.msgpack.encode(tuple(key_sentences))
        database.rows(
            "UPDATE document SET sequence = ?, title = ?, format = ?, language = ?, pages = ?, words = ?,"
            " header = ?, key_sentences = ? WHERE id = ?",
            (
                next_sequence(database), storable(document.title), document.format, document.language,
                len(document.pages), document.words, header, sentences, number,
            ),
        )  # fmt: skip
        database.rows("DELETE FROM document_page WHERE document = ?", (number,))
        index.drop(database, "document", number)
        database.many(
            "INSERT INTO document_page (document, number, page) VALUES (?,?,?)",
            ((number, page.number, msgspec.msgpack.encode(page)) for page in document.pages),
        )
        heading = document_heading(database, number)
        index.put(database, "document", number, index.TITLE_PART, title=heading)
        for page in document.pages:
            if page.blocks:
                index.put(database, "document", number, page.number, title=heading, body=page.text)

    def _document(self, number: int) -> DocumentRecord:
        row = self._database.row(
            f"SELECT {_DOCUMENT} FROM document WHERE id = ? AND deleted_at IS NULL",  # noqa: S608
            (number,),
        )
        if row is None:
            raise unknown(item_id("document", number))
        return _document_record(row)

    def _summary_record(self, row: Row) -> SummaryRecord:
        number, title, request, result, created = row
        documents = self._database.rows(
            "SELECT document FROM summary_document WHERE summary = ? ORDER BY place", (number,)
        )
        return SummaryRecord(
            id=item_id("summary", number),
            documents=tuple(item_id("document", row[0]) for row in documents),
            title=title,
            request=bytes(request),
            result=bytes(result),
            created=created,
        )

    def _translation(self, number: int) -> TranslationRecord:
        row = self._database.row(
            f"SELECT {_TRANSLATION} FROM translation WHERE id = ? AND deleted_at IS NULL",  # noqa: S608
            (number,),
        )
        if row is None:
            raise unknown(item_id("translation", number))
        return _translation_record(row)


def _document_record(row: Row) -> DocumentRecord:
    number, name, title, format_, language, pages, words, size_bytes, sha256, added = row
    return DocumentRecord(
        id=item_id("document", number),
        name=name,
        title=title,
        format=format_,
        language=language,
        pages=pages,
        words=words,
        size_bytes=size_bytes,
        sha256=sha256,
        added=added,
    )


def _translation_record(row: Row) -> TranslationRecord:
    number, source_language, target_language, source, target, model, favorite, created = row
    return TranslationRecord(
        id=item_id("translation", number),
        source_language=source_language,
        target_language=target_language,
        source=source,
        target=target,
        model=model,
        favorite=bool(favorite),
        created=created,
    )
