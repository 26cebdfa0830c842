"""What the model has read of a conversation outlives the engine, and never decides what is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from task_desk import Desk, make_document

from desktop_slm.engine.api import KvState, Message, ModelSpec, Sampling
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import DesktopSlmError, EngineCrashed, EngineError
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.library import Library
from desktop_slm.store.states import States
from desktop_slm.tasks.events import ChatDone, Piece, Started
from desktop_slm.tasks.requests import Chat, StoredSource
from desktop_slm.tasks.run import run
from desktop_slm.tasks.services import Services
from desktop_slm.tasks.states import WORTH_TOKENS, ConversationStates

LONG = "The quay of Marrowbone is long and wet. " * 40
MODEL = ModelSpec(path="scripted.gguf")


class Engine(FakeEngine):
    """Counts what was restored, and fails where it is told to."""

    def __init__(self, *replies: str | Reply) -> None:
        super().__init__(replies or ("Yes, it is.",))
        self.restored: list[int] = []
        self.fails: DesktopSlmError | None = None
        self.waits: threading.Event | None = None

    def restore_state(self, model: ModelSpec, conversation: str, state: KvState) -> int:
        if self.fails is not None:
            raise self.fails
        self.restored.append(super().restore_state(model, conversation, state))
        return self.restored[-1]

    def save_state(self, model: ModelSpec, conversation: str, limit_bytes: int = 0) -> KvState | None:
        if self.waits is not None:
            self.waits.wait(20)
        if self.fails is not None:
            raise self.fails
        return super().save_state(model, conversation, limit_bytes)


class Life:
    """One start of the application, on a database that stays."""

    def __init__(self, database: Database, engine: Engine | None = None, *, keeps: bool = True) -> None:
        self.engine = engine or Engine()
        self.states = ConversationStates(self.engine, States(database if keeps else Database.in_memory()))
        self.history = History(database, self.forget)
        self.library = Library(database, self.forget)
        base = Desk(self.history, self.library).services(self.engine)
        self.services = Services(
            engine=base.engine,
            choose_model=base.choose_model,
            history=base.history,
            library=base.library,
            states=self.states,
        )

    def forget(self, conversations: Sequence[str]) -> None:
        for conversation in conversations:
            self.states.forget(conversation)

    def chat(self, text: str = LONG, conversation: str = "", **fields: object) -> ChatDone:
        request = Chat(text=text, conversation=conversation, **fields)  # type: ignore[arg-type]
        *_, done = run(request, self.services)
        assert isinstance(done, ChatDone)
        return done


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.open(tmp_path / "vault.db", bytes(range(32)), create=True)
    yield made
    made.close()


@pytest.fixture
def life(database: Database) -> Callable[..., Life]:
    return lambda *arguments, **keywords: Life(database, *arguments, **keywords)


def test_after_a_restart_the_conversation_is_not_read_again(life: Callable[..., Life]) -> None:
    first = life()
    begun = first.chat()
    assert begun.usage.reused_tokens == 0
    first.states.save()

    second = life()
    went_on = second.chat("And now?", begun.conversation)
    assert second.engine.restored == [went_on.usage.reused_tokens]
    assert went_on.usage.reused_tokens > WORTH_TOKENS
    assert second.chat("And then?", begun.conversation).usage.reused_tokens > went_on.usage.reused_tokens
    assert len(second.engine.restored) == 1  # the engine had it: nothing was restored

    without = life(keeps=False)
    assert without.chat("And now?", begun.conversation).usage.reused_tokens == 0


def test_a_worker_that_ended_meanwhile_gets_it_too(life: Callable[..., Life]) -> None:
    here = life()
    begun = here.chat()
    here.states.save()
    here.engine.unload()
    assert here.chat("And now?", begun.conversation).usage.reused_tokens > WORTH_TOKENS
    here.engine.unload()  # this time before it was saved: what was saved before still helps
    here.states.save()
    assert here.chat("And then?", begun.conversation).usage.reused_tokens > WORTH_TOKENS
    assert len(here.engine.restored) == 2


def test_a_state_of_another_model_does_not_fit_and_is_no_trouble(
    life: Callable[..., Life], database: Database
) -> None:
    first = life()
    begun = first.chat()
    first.states.save()
    state = States(database).get(begun.conversation)
    assert state is not None
    States(database).put(begun.conversation, msgspec.structs.replace(state, key="another"))
    second = life()
    done = second.chat("And now?", begun.conversation)
    assert second.engine.restored == [0]
    assert (done.text, done.usage.reused_tokens) == ("Yes, it is.", 0)
    second.states.save()
    assert States(database).get(begun.conversation, "scripted.gguf") is not None


@pytest.mark.parametrize(
    "error", [EngineCrashed("The model's process died", "Try again."), EngineError("It does not know that")]
)
def test_an_engine_that_chokes_on_a_state_still_answers(
    life: Callable[..., Life], database: Database, error: DesktopSlmError
) -> None:
    first = life()
    begun = first.chat()
    first.states.save()
    second = life()
    second.engine.fails = error
    assert second.chat("And now?", begun.conversation).text == "Yes, it is."
    assert not States(database).has(begun.conversation)  # it is not offered twice
    second.states.save()
    assert not States(database).has(begun.conversation)


def test_a_damaged_file_costs_time_alone(life: Callable[..., Life], tmp_path: Path) -> None:
    first = life()
    begun = first.chat()
    first.states.save()
    [path] = (tmp_path / "states").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    second = life()
    done = second.chat("And now?", begun.conversation)
    assert (done.text, done.usage.reused_tokens) == ("Yes, it is.", 0)
    assert not path.exists()


def test_other_branches_get_what_they_share_and_no_more(life: Callable[..., Life]) -> None:
    first = life()
    begun = first.chat(LONG + "It was built in 1611.")
    first.states.save()
    question, _ = first.history.messages(begun.conversation)

    second = life()
    edited = Chat(text=LONG + "It was torn down.", conversation=begun.conversation, parent=begun.conversation)
    *_, done = run(edited, second.services)
    assert isinstance(done, ChatDone)
    asked = second.engine.requests[-1]
    assert [message.content for message in asked.messages] == [LONG + "It was torn down."]
    assert WORTH_TOKENS < done.usage.reused_tokens < done.usage.prompt_tokens - 4

    again = Chat(conversation=begun.conversation, parent=question.id, action="regenerate")
    *_, done = run(again, second.services)
    assert isinstance(done, ChatDone)
    assert [m.content for m in second.engine.requests[-1].messages] == [LONG + "It was built in 1611."]


def test_a_short_conversation_is_not_worth_it(life: Callable[..., Life], database: Database) -> None:
    here = life()
    done = here.chat("Short.")
    here.states.save()
    assert not States(database).has(done.conversation)


def test_nothing_is_saved_of_what_is_not_kept(
    life: Callable[..., Life], database: Database, tmp_path: Path
) -> None:
    here = life()
    kept = here.chat()
    here.states.save()
    before = States(database).get(kept.conversation)
    here.chat("Between us: " + LONG, kept.conversation, save=False)
    assert here.engine.requests[-1].conversation == ""
    assert here.chat(LONG, save=False).conversation == ""
    here.states.save()
    assert States(database).get(kept.conversation) == before
    assert len(list((tmp_path / "states").iterdir())) == 1


def test_in_memory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory = Database.in_memory()
    for keeps in (True, False):
        here = Life(memory, keeps=keeps)
        begun = here.chat()
        here.states.save()
        assert Life(memory, keeps=keeps).chat("And?", begun.conversation).usage.reused_tokens == 0
    memory.close()
    assert list(tmp_path.iterdir()) == []


def test_another_database_has_other_conversations_of_the_same_id(
    life: Callable[..., Life], database: Database
) -> None:
    """What was said in memory must not be saved as a conversation of the vault that was opened then."""
    engine = Engine()
    memory = Database.in_memory()
    secret = Life(memory, engine, keeps=False).chat("Between us. " + LONG)
    memory.close()
    here = life(engine)
    begun = here.chat(LONG)
    assert begun.conversation == secret.conversation
    assert begun.usage.reused_tokens == 0
    here.states.save()
    state = States(database).get(begun.conversation)
    assert state is not None
    assert b"Between us" not in state.data


def test_a_seed_reads_everything_again(life: Callable[..., Life]) -> None:
    first = life()
    begun = first.chat()
    first.states.save()
    second = life()
    second.chat("And now?", begun.conversation, sampling=Sampling(seed=1))
    assert second.engine.restored == []


def test_deleted_while_it_is_answered(life: Callable[..., Life], tmp_path: Path) -> None:
    here = life()
    begun = here.chat()
    here.states.save()
    steps = run(Chat(text="Go on", conversation=begun.conversation), here.services)
    for event in steps:
        if isinstance(event, Piece):
            here.history.delete(begun.conversation)
            break
    list(steps)
    here.states.save()
    assert list((tmp_path / "states").iterdir()) == []


def test_a_stopped_answer_was_read_all_the_same(life: Callable[..., Life], database: Database) -> None:
    here = life()
    steps = run(Chat(text=LONG), here.services)
    conversation = ""
    for event in steps:
        if isinstance(event, Started):
            conversation = event.conversation
        if isinstance(event, Piece):
            break
    here.states.save()
    assert not States(database).has(conversation)  # it is being answered
    steps.close()
    here.states.save()
    assert States(database).has(conversation)


def test_the_open_conversation_stays(life: Callable[..., Life], database: Database) -> None:
    here = life()
    one, two = here.chat(), here.chat(LONG + "Two.")
    here.states.save(but=two.conversation)
    kept = States(database)
    assert [kept.has(done.conversation) for done in (one, two)] == [True, False]
    here.states.save(but_of=MODEL)  # its model stays in memory
    assert not kept.has(two.conversation)
    here.states.save(but_of=ModelSpec(path="another.gguf"))
    assert kept.has(two.conversation)


def test_nobody_waits_for_long(life: Callable[..., Life], database: Database) -> None:
    here = life()
    assert here.states.save_within(0.0)  # nothing to do
    begun = here.chat()
    here.engine.waits = threading.Event()
    assert not here.states.save_within(0.01)
    assert not States(database).has(begun.conversation)
    assert not here.states.save_within(0.01)  # what is under way counts
    here.engine.waits.set()
    assert here.states.save_within(20)
    assert States(database).has(begun.conversation)


def test_saving_on_a_closed_database_raises_nothing(life: Callable[..., Life], database: Database) -> None:
    here = life()
    here.chat()
    database.close()
    here.states.save()


def attach(here: Life) -> tuple[str, ChatDone]:
    """Chat about a document of the library; return its id and the answer."""
    made = make_document([["The keeper of the quay is called Ambrose Tull. " * 40]])
    kept = here.library.add(made, b"the file").id
    return kept, here.chat("Who keeps it?", attachments=(StoredSource(id=kept),))


def test_what_was_read_of_a_deleted_document_is_saved_no_more(
    life: Callable[..., Life], tmp_path: Path
) -> None:
    here = life()
    kept, begun = attach(here)
    before = here.engine.requests[-1].conversation
    assert "Ambrose" in here.engine.requests[-1].messages[-1].content
    here.library.delete(kept)
    assert here.engine.kept_tokens(MODEL, before) == 0
    here.states.save()
    assert not (tmp_path / "states").exists()
    here.chat(LONG, begun.conversation)
    assert here.engine.requests[-1].conversation != before
    here.states.save()
    state = here.states.store.get(begun.conversation)
    assert state is not None
    assert b"Ambrose" not in state.data


def test_a_document_deleted_while_it_is_answered_about(life: Callable[..., Life]) -> None:
    here = life()
    kept, begun = attach(here)
    steps = run(Chat(text="Go on", conversation=begun.conversation), here.services)
    for event in steps:
        if isinstance(event, Piece):
            here.library.delete(kept)
            break
    list(steps)
    here.states.save()
    assert not here.states.store.has(begun.conversation)


def test_a_document_deleted_while_the_model_is_loaded(life: Callable[..., Life]) -> None:
    """The prompt holds it by then: what is read must not go by the name that is saved."""
    here = life()
    kept, begun = attach(here)
    deleted = threading.Event()
    count = here.engine.count_prompt

    def count_and_delete(model: ModelSpec, messages: Sequence[Message]) -> int:
        if not deleted.is_set():
            deleted.set()
            here.library.delete(kept)
        return count(model, messages)

    here.engine.count_prompt = count_and_delete  # type: ignore[method-assign]
    here.chat("Go on", begun.conversation)
    assert "Ambrose" in here.engine.requests[-1].messages[0].content
    here.states.save()
    assert not here.states.store.has(begun.conversation)


def test_a_document_deleted_while_its_state_is_written(life: Callable[..., Life]) -> None:
    here = life()
    kept, begun = attach(here)
    put = here.states.store.put

    def put_late(conversation: str, state: KvState) -> bool:
        here.library.delete(kept)
        return put(conversation, state)

    here.states.store.put = put_late  # type: ignore[method-assign]
    here.states.save()
    assert not here.states.store.has(begun.conversation)


def test_a_request_that_failed_leaves_the_conversation_to_be_saved(
    life: Callable[..., Life], database: Database
) -> None:
    here = life()
    begun = here.chat()
    here.states.resume(MODEL, begun.conversation)  # and then the request could not be made
    here.states.save()
    assert States(database).has(begun.conversation)
