import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.engine.api import Usage
from desktop_slm.errors import InvalidRequest
from desktop_slm.store import trash
from desktop_slm.store.database import Database
from desktop_slm.store.history import History


def texts(history, conversation):
    return [message.text for message in history.messages(conversation)]


def test_conversations_are_ordered_by_use_not_by_the_clock(history, monkeypatch):
    clock = iter([3000.0, 2000.0, 1000.0, 500.0] + [100.0] * 10)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    first, second, third = (history.create(title) for title in ("first", "second", "third"))
    assert [c.title for c in history.conversations()] == ["third", "second", "first"]
    history.add_message(first.id, role="user", text="hello")
    assert [c.title for c in history.conversations()] == ["first", "third", "second"]
    history.pin(second.id)
    assert [c.title for c in history.conversations()] == ["second", "first", "third"]
    history.pin(second.id, False)
    history.rename(third.id, "3rd")
    assert [c.title for c in history.conversations(limit=2, offset=1)] == ["3rd", "second"]


def test_a_conversation_keeps_its_settings(history):
    record = history.create("title", system="Be brief.", model="a")
    assert history.conversation(record.id) == record
    history.set_system(record.id, "Be long.")
    changed = history.set_model(record.id, "b")
    assert (changed.system, changed.model, changed.title) == ("Be long.", "b", "title")


def test_a_message_keeps_everything(history):
    conversation = history.create()
    added = history.add_message(
        conversation.id, role="assistant", text="", state="streaming", model="m", documents=("d1", "d2")
    )
    usage = Usage(prompt_tokens=3, completion_tokens=5, decode_s=0.5)
    history.update_message(added.id, text="Hello", reasoning="thought")
    history.update_message(added.id, state="complete", reason="stop", usage=usage)
    [message] = history.messages(conversation.id)
    assert message == history.message(added.id)
    assert message.text == "Hello"
    assert message.reasoning == "thought"
    assert message.documents == ("d1", "d2")
    assert message.usage == usage
    assert (message.state, message.reason, message.model, message.role) == (
        "complete",
        "stop",
        "m",
        "assistant",
    )
    history.update_message(added.id, text="", reason="")
    assert history.message(added.id).text == ""


def test_edits_and_regenerations_are_branches(history):
    c = history.create().id
    q1 = history.add_message(c, parent="", role="user", text="q1")
    a1 = history.add_message(c, parent=q1.id, role="assistant", text="a1")
    history.add_message(c, role="user", text="q2")
    history.add_message(c, parent=q1.id, role="assistant", text="a1b")
    assert texts(history, c) == ["q1", "a1b"]
    assert [(m.position, m.siblings) for m in history.messages(c)] == [(1, 1), (2, 2)]
    assert history.branch(history.messages(c)[1].id, -1).text == "a1"
    assert texts(history, c) == ["q1", "a1", "q2"]
    history.add_message(c, parent="", role="user", text="q1 edited")
    assert texts(history, c) == ["q1 edited"]
    history.branch(history.messages(c)[0].id, -5)
    assert texts(history, c) == ["q1", "a1", "q2"]
    history.branch(a1.id, 7)
    assert texts(history, c) == ["q1", "a1b"]


def test_a_found_message_can_be_shown(history):
    c = history.create().id
    q1 = history.add_message(c, role="user", text="q1")
    history.add_message(c, parent=q1.id, role="assistant", text="a1")
    q2 = history.add_message(c, role="user", text="q2")
    history.add_message(c, parent="", role="user", text="other")
    history.show(q2.id)
    assert texts(history, c) == ["q1", "a1", "q2"]


def test_a_parent_of_another_conversation_is_refused(history):
    one, two = history.create().id, history.create().id
    message = history.add_message(one, role="user", text="x")
    with pytest.raises(InvalidRequest):
        history.add_message(two, parent=message.id, role="assistant", text="y")
    assert history.messages(two) == []


@pytest.mark.parametrize(
    "id_", ["", "c", "c99", "x1", "m1", "c-1", "c1.0", "c" + "9" * 30, "c١", "c1; DROP", "c\0"]
)
def test_unknown_ids(history, id_):
    history.create()
    for call in (history.conversation, history.messages, history.delete, history.restore):
        with pytest.raises(InvalidRequest):
            call(id_)


def test_a_deleted_conversation_is_gone_until_restored(history):
    c = history.create("one").id
    message = history.add_message(c, role="user", text="hello")
    history.delete(c)
    assert history.conversations() == []
    for call in (history.messages, history.conversation, history.delete):
        with pytest.raises(InvalidRequest):
            call(c)
    with pytest.raises(InvalidRequest):
        history.add_message(c, role="user", text="more")
    with pytest.raises(InvalidRequest):
        history.branch(message.id, 1)
    assert history.restore(c).title == "one"
    assert texts(history, c) == ["hello"]


def test_the_trash_is_emptied_after_its_time(database, history):
    kept, old = history.create("kept").id, history.create("old").id
    history.set_draft(old, "private")
    history.add_message(old, role="user", text="private")
    history.delete(kept)
    history.delete(old)
    assert [item.title for item in trash.items(database)] == ["old", "kept"]
    database.rows("UPDATE conversation SET deleted_at = deleted_at - ? WHERE title = 'old'", (31 * 86_400,))
    assert trash.empty(database) == 1
    assert [item.title for item in trash.items(database)] == ["kept"]
    assert history.draft(old) == ""
    assert database.value("SELECT count(*) FROM message") == 0
    with pytest.raises(InvalidRequest):
        history.restore(old)
    assert history.create().id not in {kept, old}


def test_interrupted_answers_are_marked(history, search):
    c = history.create().id
    history.add_message(c, role="user", text="question")
    streaming = history.add_message(c, role="assistant", text="", state="streaming")
    history.update_message(streaming.id, text="unfinished symphony")
    assert search.search("symphony") == []
    assert history.mark_interrupted() == 1
    assert history.mark_interrupted() == 0
    assert [m.state for m in history.messages(c)] == ["complete", "interrupted"]
    assert [item.id for item in search.search("symphony")] == [c]


def test_drafts(history):
    assert history.draft("c1") == ""
    history.set_draft("c1", "one")
    history.set_draft("c1", "two")
    history.set_draft("translate", "\ud800 three \0")
    assert history.draft("c1") == "two"
    assert history.draft("translate") == "\ufffd three \0"
    history.set_draft("c1", "")
    assert history.draft("c1") == ""


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "\x02\x03", "𝔘𝔫𝔦", "e\u0301", "x" * 1_000_000])
def test_any_text_is_kept(history, text):
    c = history.create(text, system=text).id
    message = history.add_message(c, role="user", text=text, reasoning=text)
    wanted = text.replace("\ud800", "\ufffd")
    assert history.message(message.id).text == history.conversation(c).title == wanted


def test_a_long_conversation_opens_with_few_queries(database, history, monkeypatch):
    c = history.create().id
    with database.transaction():
        number = None
        for _ in range(2_000):
            new = database.insert(
                "INSERT INTO message (conversation, parent, role, state, model, created, text, reasoning)"
                " VALUES (1, ?, 'user', 'complete', '', 0, ?, '')",
                (number, "word " * 100),
            )
            history._select(1, number, new)
            number = new
    queries = []
    for name in ("rows", "row", "value"):
        monkeypatch.setattr(database, name, counted(getattr(database, name), queries))
    assert len(history.messages(c)) == 2_000
    assert 1 < len(queries) < 20


def counted(query, queries):
    def run(*args):
        queries.append(args)
        return query(*args)

    return run


class Model:
    """The tree, as simply as it can be said."""

    def __init__(self):
        self.parent = {}
        self.children = {"": []}
        self.shown = {}

    def add(self, id_, parent):
        self.parent[id_] = parent
        self.children[id_] = []
        self.children[parent].append(id_)
        self.shown[parent] = id_

    def branch(self, id_, step):
        siblings = self.children[self.parent[id_]]
        place = max(0, min(len(siblings) - 1, siblings.index(id_) + step))
        self.shown[self.parent[id_]] = siblings[place]

    def show(self, id_):
        while id_:
            self.shown[self.parent[id_]] = id_
            id_ = self.parent[id_]

    def messages(self):
        at, path = "", []
        while at in self.shown:
            at = self.shown[at]
            siblings = self.children[self.parent[at]]
            path.append((at, self.parent[at], siblings.index(at) + 1, len(siblings)))
        return path


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.none() | st.integers(0, 30)),
        st.tuples(st.just("branch"), st.integers(0, 30), st.integers(-3, 3)),
        st.tuples(st.just("show"), st.integers(0, 30)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_tree_behaves_like_its_model(steps):
    database = Database.in_memory()
    history, model, ids = History(database), Model(), [""]
    other = history.create().id
    history.add_message(other, role="user", text="of another conversation")
    conversation = history.create().id
    for step, *arguments in steps:
        if step == "add":
            chosen = arguments[0]
            parent = None if chosen is None else ids[chosen % len(ids)]
            end = model.messages()[-1][0] if model.messages() else ""
            id_ = history.add_message(conversation, parent=parent, role="user", text=str(len(ids))).id
            model.add(id_, end if parent is None else parent)
            ids.append(id_)
        elif len(ids) > 1:
            id_ = ids[1 + arguments[0] % (len(ids) - 1)]
            if step == "branch":
                history.branch(id_, arguments[1])
                model.branch(id_, arguments[1])
            else:
                history.show(id_)
                model.show(id_)
        found = [(m.id, m.parent, m.position, m.siblings) for m in history.messages(conversation)]
        assert found == model.messages()
    assert texts(history, other) == ["of another conversation"]
    database.close()
