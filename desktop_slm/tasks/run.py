"""The one door: a request goes in, events come out, and results are kept here and nowhere else."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator
from typing import TypeVar, assert_never

import msgspec

from desktop_slm.documents.reader import Stopped
from desktop_slm.documents.split import reading_text
from desktop_slm.engine.api import FinishReason
from desktop_slm.errors import InvalidRequest
from desktop_slm.tasks import sources
from desktop_slm.tasks.across import AcrossSummary
from desktop_slm.tasks.answer import AnswerTask
from desktop_slm.tasks.chat import ChatTask
from desktop_slm.tasks.choice import ChoiceTask, NamedText, check_labels
from desktop_slm.tasks.events import (
    AnswerDone,
    ChatDone,
    ChoiceDone,
    DocumentRead,
    KeySentences,
    ReadDone,
    Sentence,
    SummaryDone,
    TaskEvent,
    TranslationDone,
    Warned,
)
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.metering import Meter
from desktop_slm.tasks.requests import (
    Ask,
    Chat,
    Choice,
    ReadDocument,
    Request,
    StoredSource,
    Summarize,
    Translate,
)
from desktop_slm.tasks.services import Services
from desktop_slm.tasks.summarize import DocumentSummary
from desktop_slm.tasks.translate import TranslateTask
from desktop_slm.tasks.turns import title_of

Done = TypeVar("Done", SummaryDone, AnswerDone, TranslationDone, ChoiceDone)
_DONE = (ChatDone, SummaryDone, AnswerDone, TranslationDone, ChoiceDone, ReadDone)
Events = Generator[TaskEvent, None, None]


def run(request: Request, services: Services) -> Events:
    """Do what ``request`` asks.

    The last event is the task's ``done``. Closing the generator, or ``services.stopped`` telling True, stops
    it: what is done is kept either way, and in the second case the last event is still given, with the reason
    ``cancelled``. On an error there is no result; a chat keeps what had arrived of its answer.

    Raises:
        DesktopSlmError: As the rooms below say.
    """
    keeper = Keeper(services.history, services.library, request.save)
    with contextlib.suppress(Stopped):  # while a document was being read: there is nothing to give yet
        yield from _told(_dispatch(request, services, keeper), keeper)


def _told(events: Events, keeper: Keeper) -> Events:
    """Yield ``events``, and before the last one why something could not be saved."""
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, _DONE) and (trouble := keeper.take_trouble()):
                yield Warned(text=trouble)
            yield event


def _dispatch(request: Request, services: Services, keeper: Keeper) -> Events:
    match request:
        case Chat():
            return ChatTask(request, services, keeper).run()
        case Summarize():
            return _summarize(request, services, keeper)
        case Ask():
            return _ask(request, services, keeper)
        case Translate():
            return _translate(request, services, keeper)
        case Choice():
            return _choose(request, services, keeper)
        case ReadDocument():
            return _read(request, services, keeper)
        case _:
            assert_never(request)


def _kept(
    steps: Events, result: Callable[[FinishReason], Done], keep: Callable[[Done], Done], services: Services
) -> Events:
    """Yield ``steps`` and then the result, kept; keep what there is when the generator is closed."""
    try:
        yield from steps
    except GeneratorExit:
        keep(result("cancelled"))
        raise
    yield keep(result("cancelled" if services.stopped() else "stop"))


def _summarize(request: Summarize, services: Services, keeper: Keeper) -> Events:
    if request.model:
        yield from services.choose_model(request.model, "summarize")
    read = yield from sources.read_all(request.sources, keeper, services.stopped)
    for source in read:
        sources.check_pages(source.document, request.pages)
        yield KeySentences(sentences=sources.sentences_of_pages(source, request.pages))
    sources.check_text([source.document for source in read], request.pages)
    model = yield from services.choose_model(request.model, "summarize")
    # What is kept names the library's documents: not their paths, and never a password.
    wish = msgspec.structs.replace(
        request, sources=tuple(StoredSource(source.id) for source in read if source.id)
    )
    meter = Meter()
    several = len(read) > 1
    parts = [
        DocumentSummary(
            request, services, keeper, model, source, meter, label=source.label if several else source.id
        )
        for source in read
    ]
    for part in parts:
        yield from _kept_part(part, wish, keeper, services, last=not several)
        if services.stopped():
            break
    if several:
        across = AcrossSummary(parts, meter)
        keep = functools.partial(_keep_summary, wish, keeper, f"{len(parts)} documents", read)
        yield from _kept(across.run(), across.result, keep, services)


def _kept_part(
    part: DocumentSummary, wish: Summarize, keeper: Keeper, services: Services, *, last: bool
) -> Events:
    """Summarize one document and keep that; only the last result is given out as the task's own."""
    keep = functools.partial(_keep_summary, wish, keeper, part.source.document.title, [part.source])
    for event in _kept(part.run(), part.result, keep, services):
        if last or not isinstance(event, SummaryDone):
            yield event


def _keep_summary(
    wish: Summarize, keeper: Keeper, title: str, read: list[sources.ReadSource], done: SummaryDone
) -> SummaryDone:
    if not done.sentences or not done.coverage.read:
        return done
    documents = [source.id for source in read]
    summary = keeper.add_summary(documents, title, msgspec.json.encode(wish), msgspec.json.encode(done))
    return msgspec.structs.replace(done, summary=summary)


def _ask(request: Ask, services: Services, keeper: Keeper) -> Events:
    if not request.question.strip():
        raise InvalidRequest("There is no question", "Ask something.")
    if request.model:
        yield from services.choose_model(request.model, "ask")
    read = yield from sources.read_all(request.sources, keeper, services.stopped)
    model = yield from services.choose_model(request.model, "ask")
    task = AnswerTask(request, services, keeper, model, read, Meter())

    def keep(done: AnswerDone) -> AnswerDone:
        if done.sentences:
            _keep_answer(request, keeper, read, done)
        return done

    yield from _kept(task.run(), task.result, keep, services)


def _keep_answer(request: Ask, keeper: Keeper, read: list[sources.ReadSource], done: AnswerDone) -> None:
    """Keep question and answer as a conversation about the documents, so that the history finds them."""
    conversation = keeper.create_conversation(title_of(request.question), "", done.model)
    question = keeper.add_message(
        conversation,
        parent="",
        role="user",
        text=request.question,
        documents=[source.id for source in read],
    )
    if question:
        names = {source.label: source.document.title for source in read} if len(read) > 1 else {}
        keeper.add_message(
            conversation,
            parent=question,
            role="assistant",
            text=" ".join(_with_pages(sentence, names) for sentence in done.sentences),
            state="stopped" if done.reason == "cancelled" else "complete",
            model=done.model,
        )


def _with_pages(sentence: Sentence, names: dict[str, str]) -> str:
    """Return a sentence followed by the pages that say so: ``[p. 3]``; a quote in quotation marks."""
    places = dict.fromkeys((citation.document, citation.page) for citation in sentence.citations)
    shown = [f"[{names[label]}, p. {page}]" if names else f"[p. {page}]" for label, page in places]
    return " ".join([f"“{sentence.text}”" if sentence.quoted else sentence.text, *shown])


def _translate(request: Translate, services: Services, keeper: Keeper) -> Events:
    task = TranslateTask(request, services, Meter())

    def keep(done: TranslationDone) -> TranslationDone:
        if not done.text.strip():
            return done
        identifier = keeper.add_translation(
            source_language=done.source_language,
            target_language=done.target_language,
            source=request.text,
            target=done.text,
            model=done.model,
        )
        return msgspec.structs.replace(done, translation=identifier)

    yield from _kept(task.run(), task.result, keep, services)


def _choose(request: Choice, services: Services, keeper: Keeper) -> Events:
    check_labels(request)
    texts: list[NamedText] = []
    for source in request.sources:
        document = sources.read(source, keeper, services.stopped).document
        yield DocumentRead(id="", document=document)
        for warning in document.warnings:
            yield Warned(text=warning)
        texts.append(NamedText(document.name, reading_text(document)))
    texts += [NamedText("", text) for text in request.texts]
    if not texts:
        raise InvalidRequest("There is nothing to sort", "Give texts or name at least one file.")
    model = yield from services.choose_model(request.model, "chat")
    task = ChoiceTask(request, services, Meter(), texts, model)
    yield from _kept(task.run(), task.result, lambda done: done, services)


def _read(request: ReadDocument, services: Services, keeper: Keeper) -> Events:
    meter = Meter()
    (read,) = yield from sources.read_all((request.source,), keeper, services.stopped)
    yield KeySentences(sentences=read.sentences)
    yield ReadDone(id=read.id, seconds=meter.seconds)
