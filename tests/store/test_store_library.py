import json

import msgspec
import pytest

from desktop_slm.errors import InvalidRequest
from desktop_slm.store import library as module
from desktop_slm.store import trash


def test_a_document_comes_back_as_it_was(library, document):
    made, data, sentences = document("First page.\n\nSecond paragraph.", "", "Third page.")
    record = library.add(made, data, sentences)
    assert (record.name, record.title, record.pages, record.size_bytes) == (
        "report.pdf",
        "Annual report",
        3,
        len(data),
    )
    stored = library.get(record.id)
    assert stored.document == made
    assert stored.key_sentences == sentences
    assert stored.record == record == library.record(record.id)
    assert library.data(record.id) == data


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 3500])
def test_bytes_are_cut_and_joined(database, library, document, monkeypatch, size):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1000)
    made, _, _ = document("x")
    data = bytes(number % 251 for number in range(size))
    record = library.add(made, data)
    assert library.data(record.id) == data
    assert database.value("SELECT count(*) FROM document_data") == -(-size // 1000)


def test_the_same_bytes_are_the_same_record(database, library, document):
    first, data, sentences = document("one")
    other, other_data, _ = document("two", name="other.pdf")
    a = library.add(first, data, sentences)
    library.add(other, other_data)
    assert [record.name for record in library.documents()] == ["other.pdf", "report.pdf"]
    again = library.add(msgspec.structs.replace(first, name="renamed.pdf", language="de"), data)
    assert again.id == a.id
    assert again.language == "de"
    assert [record.id for record in library.documents()] == [a.id, "d2"]
    assert [record.id for record in library.documents(limit=1, offset=1)] == ["d2"]
    assert database.value("SELECT count(*) FROM document_data") == 2


def test_the_language_of_a_document_can_be_corrected(library, document):
    made, data, sentences = document("one", "two")
    other, other_data, _ = document("three", name="other.pdf")
    record = library.add(made, data, sentences)
    last = library.add(other, other_data)
    changed = library.set_language(record.id, "nl")
    assert changed == msgspec.structs.replace(record, language="nl")
    stored = library.get(record.id)
    assert stored.document == msgspec.structs.replace(made, language="nl")
    assert stored.key_sentences == sentences
    assert library.get(last.id).document == other
    assert [shown.id for shown in library.documents()] == [last.id, record.id]
    library.delete(record.id)
    with pytest.raises(InvalidRequest):
        library.set_language(record.id, "de")


def test_a_document_without_a_hash_is_refused(library, document):
    made, data, _ = document("x")
    with pytest.raises(InvalidRequest):
        library.add(msgspec.structs.replace(made, sha256=""), data)
    assert library.documents() == []


def test_a_name_that_is_not_text(library, document):
    made, data, _ = document("x", name="\udcff.pdf", title="\udcff")
    record = library.add(made, data)
    assert record.name == "\ufffd.pdf"
    assert library.get(record.id).document.name == "\ufffd.pdf"


def result(*sentences):
    return json.dumps({"sentences": [{"text": text, "citations": []} for text in sentences]}).encode()


def test_summaries(library, document):
    a = library.add(*document("one"))
    b = library.add(*document("two"))
    first = library.add_summary((b.id, a.id), "Both", b'{"length":"short"}', result("It says so."))
    second = library.add_summary((a.id,), "One", b"{}", result("It says that."))
    assert first.documents == (b.id, a.id)
    assert library.summary(first.id) == first
    assert [s.id for s in library.summaries(a.id)] == [second.id, first.id]
    assert [s.id for s in library.summaries(b.id)] == [first.id]
    assert json.loads(first.result)["sentences"][0]["text"] == "It says so."
    with pytest.raises(InvalidRequest):
        library.add_summary(("d99",), "x", b"{}", b"{}")


def test_a_deleted_document_takes_its_summaries_along(database, library, document):
    a = library.add(*document("one"))
    b = library.add(*document("two"))
    of_a = library.add_summary((a.id,), "One", b"{}", result("x"))
    of_b = library.add_summary((b.id,), "Two", b"{}", result("y"))
    alone = library.add_summary((a.id,), "Deleted before", b"{}", result("z"))
    library.delete(alone.id)
    library.delete(a.id)
    assert [record.id for record in library.documents()] == [b.id]
    for call in (library.get, library.data, library.record, library.summaries, library.delete):
        with pytest.raises(InvalidRequest):
            call(a.id)
    with pytest.raises(InvalidRequest):
        library.summary(of_a.id)
    assert library.summary(of_b.id) == of_b
    library.restore(a.id)
    assert [s.id for s in library.summaries(a.id)] == [of_a.id]
    library.restore(alone.id)
    assert library.summary(alone.id).title == "Deleted before"
    assert trash.items(database) == []


def test_adding_a_deleted_document_restores_it(library, document):
    made = document("one")
    a = library.add(*made)
    summary = library.add_summary((a.id,), "One", b"{}", result("x"))
    library.delete(a.id)
    assert library.add(*made).id == a.id
    assert library.summaries(a.id) == [summary]


def test_purging_removes_every_byte(database, library, document):
    a = library.add(*document("one"))
    library.put_notes("key", a.id, b"notes")
    library.add_summary((a.id,), "One", b"{}", result("x"))
    library.delete(a.id)
    assert trash.empty(database, older_than_s=0) == 2
    tables = ("document", "document_data", "document_page", "note", "summary", "summary_document", "entry")
    assert {table: database.value(f"SELECT count(*) FROM {table}") for table in tables} == dict.fromkeys(
        tables, 0
    )
    assert library.notes("key") is None
    assert database.problems() == []


def test_notes(library, document):
    a = library.add(*document("one"))
    assert library.notes("key") is None
    library.put_notes("key", a.id, b"\0one")
    library.put_notes("key", a.id, b"two")
    library.put_notes("empty", a.id, b"")
    assert library.notes("key") == b"two"
    assert library.notes("empty") == b""
    with pytest.raises(InvalidRequest):
        library.put_notes("key", "d9", b"x")


def test_translations(library):
    first = library.add_translation("de", "en", "Guten Tag", "Good day", "model")
    second = library.add_translation("en", "ar", "Hello", "مرحبا")
    assert library.translation(first.id) == first
    assert (first.source, first.target, first.model, first.favorite) == (
        "Guten Tag",
        "Good day",
        "model",
        False,
    )
    assert [t.id for t in library.translations()] == [second.id, first.id]
    assert library.translations(favorites=True) == []
    assert library.set_favorite(first.id, True).favorite
    assert [t.id for t in library.translations(favorites=True)] == [first.id]
    assert [t.id for t in library.translations(limit=1, offset=1)] == [first.id]
    library.delete_translation(first.id)
    assert library.translations(favorites=True) == []
    with pytest.raises(InvalidRequest):
        library.set_favorite(first.id, False)
    library.restore(first.id)
    assert library.translation(first.id).favorite


@pytest.mark.parametrize("id_", ["", "d", "d1", "c1", "m1", "s7", "t7", "d1x"])
def test_unknown_ids(library, id_):
    for call in (
        library.get,
        library.data,
        library.delete,
        library.restore,
        library.summary,
        library.translation,
    ):
        with pytest.raises(InvalidRequest):
            call(id_)
