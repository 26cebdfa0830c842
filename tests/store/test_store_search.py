import json
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.store import search as module
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.search import Search
from desktop_slm.store.words import MARK_END, MARK_START, fold, snippet, terms


def kept(history, *texts, title=""):
    conversation = history.create(title)
    for text in texts:
        history.add_message(conversation.id, role="user", text=text)
    return conversation.id


def found(search, text, **kwargs):
    return [item.id for item in search.search(text, **kwargs)]


def test_every_kind_is_found(history, library, search, document):
    c = kept(history, "about the zebra", title="Animals")
    d = library.add(*document("First.", "A zebra is mentioned on page two.")).id
    result = json.dumps(
        {"sentences": [{"text": "The zebra runs.", "citations": [{"quote": "hidden"}]}]}
    ).encode()
    s = library.add_summary((d,), "Zoo", b"{}", result).id
    t = library.add_translation("de", "en", "Das Zebra", "The zebra").id
    assert set(found(search, "zebra")) == {c, d, s, t}
    assert found(search, "zebra", kinds=["document"]) == [d]
    assert set(found(search, "zebra", kinds={"summary", "translation"})) == {s, t}
    assert found(search, "zebra", kinds=[]) == []
    assert found(search, "animals") == [c]
    assert found(search, "annual report") == [d]
    assert found(search, "report.pdf") == [d]
    assert found(search, "zoo") == [s]
    assert found(search, "hidden") == []
    assert len(found(search, "zebra", limit=2)) == 2


def test_items_carry_title_kind_and_snippet(history, library, search, document):
    forty, two = (f"{MARK_START}{word}{MARK_END}" for word in ("forty", "two"))
    c = kept(history, "The  answer\nis forty-two, they say.", title="Numbers")
    d = library.add(*document("Nothing here.", "x" * 500 + " forty two " + "y" * 500)).id
    items = {item.id: item for item in search.search("forty two")}
    assert items[c].kind == "conversation"
    assert items[c].title == "Numbers"
    assert items[c].updated == history.conversation(c).updated
    assert items[c].snippet == f"The answer is {forty}-{two}, they say."
    assert items[d].kind == "document"
    assert f"{forty} {two}" in items[d].snippet
    assert len(items[d].snippet) < 200


def test_the_last_word_may_be_unfinished_the_others_not(history, search):
    c = kept(history, "notice period of three months")
    assert found(search, "notice per") == [c]
    assert found(search, "n") == [c]
    assert found(search, "noti period") == []
    assert found(search, "period notice") == [c]


def test_titles_rank_higher_and_newer_first(history, search):
    in_text = kept(history, "a contract", title="x")
    in_title = kept(history, "something", title="contract")
    newer = kept(history, "a contract", title="y")
    assert found(search, "contract") == [in_title, newer, in_text]


def test_a_conversation_appears_once_with_its_best_message(history, search):
    c = kept(history, "gold " + "other " * 200, "gold gold gold", "gold and silver are metals")
    items = search.search("gold")
    assert [item.id for item in items] == [c]
    assert items[0].snippet.count(MARK_START) == 3


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        (
            "Über die Straße nach Köln fährt der Größte",
            ["uber", "ÜBER", "strasse", "koln", "groß", "STRASSE NACH"],
        ),
        ("naïve café — élève Ångström Żółć", ["naive cafe", "eleve", "angstrom", "zołc"]),
        ("كِتَابٌ جَمِيلٌ وَأَنْتَ تَقْرَأُ الإسلام", ["كتاب", "كتاب جميل", "تقرأ", "الاسلام", "الإس"]),
        ("كتـــاب", ["كتاب"]),
        ("שָׁלוֹם עולם", ["שלום"]),
        ("北京大学是一所大学", ["北京", "京大学", "北", "学", "大学 北京", "北京大学是一所大学"]),
        ("東京タワーとガンダム", ["東京", "タワー", "ガンダム", "ｶﾞﾝﾀﾞﾑ", "とガ"]),
        ("한국어를 공부합니다", ["한국어", "공부", "부합"]),
        ("ภาษาไทยไม่มีช่องว่าง", ["ภาษา", "ไทย", "ช่องว่าง"]),
        ("हिन्दी में लिखा", ["हिन्दी", "लिखा", "हिन्"]),
        ("Привет, Ёлка и йога", ["привет", "елка", "ЙОГА"]),
        ("Καλημέρα ΚΌΣΜΟΣ", ["καλημερα", "κοσμος", "κόσμος"]),
        ("The year ２０２４ and ﬁne print x²", ["2024", "fine", "x2"]),
        (
            "don't e-mail a_b C++ 50% user@example.com",
            ["don't", "e-mail", "a_b", "c++", "user@example.com"],
        ),
        ("İstanbul ILIK", ["istanbul", "ilik"]),
        ("party 🎉 time 👩‍👩‍👧", ["🎉", "👩‍👩‍👧", "party 🎉"]),
        (unicodedata.normalize("NFD", "décomposé 각"), ["décomposé", "decompose", "각"]),
    ],
)
def test_scripts(history, search, text, queries):
    c = kept(history, text)
    for query in queries:
        assert found(search, query) == [c], query
        assert MARK_START in search.search(query)[0].snippet, query


@pytest.mark.parametrize("query", ["北学", "学北", "国語", "大北京"])
def test_characters_that_do_not_stand_together(history, search, query):
    kept(history, "北京大学")
    assert found(search, query) == []


def test_marks_that_make_other_words_are_kept(history, search):
    kept(history, "ไก่ दिन")
    assert found(search, "ไกล") == []
    assert found(search, "दान") == []


HOSTILE = [
    '"', '""', "'", "*", "**", "a*b", "-", "--", "(", ")", "()", "(a", "a)", "AND", "OR", "NOT", "NEAR",
    "a AND", "NOT a", "NEAR(a b, 5)", "title:a", "title : a", "{title body} : a", "^a", "a + b", "a ^ b",
    "word_index", "rank", "\0", "a\0b", "\\", "a\\", ";", "'; DROP TABLE entry; --", "%", "_", "?", "?1",
    ":a", "@a", "$a", "\ud800", "\udfff\ud800", "\u202e", "\ufeff", "\u200b", "\u200d", "\u0301",
    "a" * 100_000, "a " * 10_000, '"' * 5_000, "北" * 5_000, "\U0010ffff", "\x02\x03", "🎉" * 300, "\u0e31",
    "((((((((((", "a OR b AND NOT c", '"a" "b', "\n", "\t", "\r\n", "x:y:z", "[a-z]+", "(?i", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_no_query_raises(history, search, query):
    kept(history, "a b c and or not near title 北京", title="a")
    assert isinstance(search.search(query), list)
    assert isinstance(search.search(query + " a"), list)


@pytest.mark.parametrize("query", ["AND", "or", "NOT", "near", "title"])
def test_operators_are_words(history, search, query):
    c = kept(history, "and or not near title")
    kept(history, "something else")
    assert found(search, query) == [c]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_found_by_itself(text):
    database = Database.in_memory()
    history, search = History(database), Search(database)
    c = kept(history, text)
    kept(history, "another")
    wanted = terms(text)
    items = search.search(text)
    if len(wanted) < 16 and wanted:
        assert c in [item.id for item in items]
        snippets = [item.snippet for item in items if item.id == c]
        assert MARK_START in snippets[0]
    database.close()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_folding_again_changes_nothing(text):
    words = fold(text).split()
    assert fold(" ".join(words)).split() == words
    assert all(word == word.casefold() for word in words)


def test_snippets():
    text = "word " * 100 + "needle " + "word " * 100
    piece = snippet(text, terms("needle"))
    assert piece.startswith("… word")
    assert piece.endswith("word …")
    assert f"{MARK_START}needle{MARK_END}" in piece
    assert 100 < len(piece) < 180
    assert snippet("no hit in here", terms("needle")) == "no hit in here"
    assert snippet("", terms("a")) == ""
    assert snippet("a \x02 b\x03\n\tc", terms("b")) == f"a {MARK_START}b{MARK_END} c"
    marked = snippet("\x02fake\x03 needle", terms("needle"))
    assert marked.count(MARK_START) == marked.count(MARK_END) == 1
    assert snippet("ﬁﬁﬁ straße ﬁ", terms("strasse")) == f"ﬁﬁﬁ {MARK_START}straße{MARK_END} ﬁ"


def test_deleted_things_are_not_found_until_restored(history, library, search, document):
    c = kept(history, "zebra one", "zebra two", title="zebra")
    d = library.add(*document("zebra")).id
    s = library.add_summary((d,), "zebra", b"{}", b"{}").id
    t = library.add_translation("de", "en", "Zebra", "zebra").id
    everything = set(found(search, "zebra"))
    assert everything == {c, d, s, t} == {item.id for item in search.recent()}
    history.delete(c)
    library.delete(d)
    library.delete(t)
    assert found(search, "zebra") == [] == search.recent()
    history.restore(c)
    library.restore(d)
    library.restore(t)
    assert set(found(search, "zebra")) == everything == {item.id for item in search.recent()}


def test_the_index_stays_in_step(database, history, library, search, document):
    c = kept(history, "before", title="old title")
    message = history.messages(c)[0]
    history.rename(c, "new title")
    history.update_message(message.id, text="after")
    assert found(search, "old") == found(search, "before") == []
    assert found(search, "new") == found(search, "after") == [c]
    made, data, _ = document("first reading")
    library.add(made, data)
    better, _, _ = document("second reading")
    library.add(msgspec.structs.replace(better, sha256=made.sha256), data)
    assert found(search, "first") == []
    assert len(found(search, "second")) == 1
    history.delete(c)
    entries = database.value("SELECT count(*) FROM entry")
    assert entries == database.value("SELECT count(*) FROM word_index_docsize")
    database.rows("INSERT INTO word_index (word_index) VALUES ('integrity-check')")


def test_an_answer_that_ends_in_the_trash_is_found_after_restoring(history, search):
    c = history.create().id
    answer = history.add_message(c, role="assistant", text="", state="streaming")
    history.delete(c)
    history.update_message(answer.id, text="late answer", state="complete")
    assert found(search, "late") == []
    history.restore(c)
    assert found(search, "late") == [c]


def test_recent(history, library, search, document):
    c = kept(history, "hello there", title="Talk")
    d = library.add(*document("x")).id
    t = library.add_translation("de", "en", "Guten Tag, " * 50, "Good day").id
    assert [item.id for item in search.recent()] == [t, d, c]
    history.add_message(c, role="user", text="more")
    assert [item.id for item in search.recent()] == [c, t, d] == found(search, "  ")
    assert [item.id for item in search.recent(limit=1, offset=1)] == [t]
    assert [item.id for item in search.recent(kinds=["document", "conversation"])] == [c, d]
    items = {item.id: item for item in search.recent()}
    assert (items[c].title, items[c].snippet) == ("Talk", "more")
    assert len(items[t].title) <= 120
    assert items[t].snippet == "Good day"


def test_a_word_that_is_everywhere_is_bounded(history, search, monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", 5)
    conversations = [kept(history, "common word") for _ in range(8)]
    assert found(search, "common") == conversations[:-6:-1]
