"""Answers questions from documents, with the places that say so; never from the model's memory.

A sentence the documents do not carry is left out. When nothing is left, the sentences nearest to the question
are quoted; only where not even a word is shared, the answer is that the documents do not say.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from desktop_slm.documents import facts, retrieve
from desktop_slm.documents.language import LANGUAGES, detect
from desktop_slm.documents.split import chunks, reading_text
from desktop_slm.documents.terms import terms
from desktop_slm.engine.api import (
    Finished,
    FinishReason,
    GenerateRequest,
    PromptProgress,
    Sampling,
    Text,
)
from desktop_slm.tasks import prompts
from desktop_slm.tasks.checking import Checker, SentenceStream, copies
from desktop_slm.tasks.events import (
    AnswerDone,
    Cited,
    Passage,
    Piece,
    Progress,
    Sentence,
    SentenceReady,
    TaskEvent,
    Warned,
)
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.merge import MergeJob, Merger
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.nearest import Nearest, NearSentence
from desktop_slm.tasks.notes import NoteTaker
from desktop_slm.tasks.requests import Ask
from desktop_slm.tasks.services import ChosenModel, Services
from desktop_slm.tasks.sources import ReadSource
from desktop_slm.tasks.wording import Wording

Route = Literal["whole", "retrieval", "read-everything"]

_PASSAGES = 8
_COVERAGE = 0.4  # of the question's rare-word weight that the best passage must hold
_RELEVANT = 0.33  # of the question's words that a sentence and what it quotes must hold
_RARE = 0.4  # of the weight of those words of the question that the passages have: its rare ones count most
_QUOTABLE = 0.5  # the same, for a sentence of the document that answers in the model's stead
_MOST_SENTENCES = 6
_NEAREST = 3  # sentences quoted where there is no answer
_MERGE_FROM = 5
_TINY_TOKENS = 600
_SMALL_TOKENS = 2500
_ANSWER_TOKENS = 320
_TINY_ANSWER_TOKENS = 90
_CHUNK_TOKENS = 900
_TINY_CHUNK_TOKENS = 320
_DOES_NOT_SAY = re.compile(
    r"\b(?:does|do|did) not (?:say|mention|state|answer|contain|provide|specify)", re.IGNORECASE
)
_FILLERS = re.compile(
    r"\b(?:how (?:much|many|long|old|far)|please|tell me|according to"
    r"|(?:in|of|by) (?:the|this) (?:document|text|report|file)"
    r"|does (?:the|this) (?:document|text|report) say|explain|describe)\b",
    re.IGNORECASE,
)


@dataclass
class AnswerTask:
    """One answer; readable at any moment through `result`."""

    request: Ask
    services: Services
    keeper: Keeper
    model: ChosenModel
    sources: Sequence[ReadSource]
    meter: Meter
    sentences: list[Sentence] = field(default_factory=list)
    _instead: tuple[Sentence, ...] = ()  # what is said where there is no answer
    _wording: Wording = field(default_factory=Wording)
    _route: Route = "retrieval"

    def run(self) -> Generator[TaskEvent, None, None]:
        """Answer; yields sentences as they are found to be carried by the documents."""
        self.services.engine.load(self.model.spec)
        if self.request.read_everything:
            self._route = "read-everything"
            yield from self._read_everything()
        else:
            text = self._whole_text()
            if text:
                self._route = "whole"
            yield from self._ask(text or self._passages_text())
        if self.services.stopped():
            return
        if not self.sentences:
            yield from self._give_up()

    # What is looked at

    @cached_property
    def _question(self) -> str:
        return " ".join(_FILLERS.sub(" ", self.request.question).split()) or self.request.question

    @cached_property
    def _found(self) -> list[retrieve.Passage]:
        """The passages nearest to the question, best first."""
        named = [(source.label, source.document) for source in self.sources]
        return retrieve.retrieve(self._question, named, _PASSAGES, self._wording.stemmer)

    @cached_property
    def _nearest(self) -> Nearest:
        """The sentences of those passages; of all of the text when the search finds none."""
        found = self._found or [
            passage for source in self.sources for passage in retrieve.passages(source.label, source.document)
        ]
        return Nearest(self._question, found, self._wording)

    @cached_property
    def _checkers(self) -> list[Checker]:
        return [
            Checker(source.document, label=source.label, strict=self.model.tiny, wording=self._wording)
            for source in self.sources
        ]

    @cached_property
    def _language(self) -> str:
        code = detect(self.request.question) or self.sources[0].document.language
        return LANGUAGES.get(code, "the language of the question")

    def _whole_text(self) -> str:
        """Return all of the text when this model can make use of it at once, else nothing."""
        text = "\n\n".join(reading_text(source.document) for source in self.sources)
        if len(text) > 6 * self._budget():
            return ""
        return text if self._count(text) <= self._budget() else ""

    def _passages_text(self) -> str:
        """Return the best passages that fit, in the order of the documents."""
        chosen: list[retrieve.Passage] = []
        left = self._budget()
        for passage in self._found:
            left -= self._count(passage.text)
            if left < 0 and chosen:
                break
            chosen.append(passage)
        order = {source.label: index for index, source in enumerate(self.sources)}
        chosen.sort(key=lambda passage: (order[passage.document], passage.blocks))
        return "\n\n".join(_with_section(passage) for passage in chosen)

    def _budget(self) -> int:
        loaded = self.services.engine.loaded()
        room = (loaded.n_ctx if loaded else 4096) - _ANSWER_TOKENS - 300
        if self.model.tiny:
            return min(room, _TINY_TOKENS)
        return min(room, _SMALL_TOKENS) if self.model.small else room

    def _count(self, text: str) -> int:
        return self.services.engine.count_tokens(self.model.spec, [text])[0]

    def _hopeless(self) -> bool:
        """Tell whether the documents cannot hold the answer: they lack the question's words or numbers."""
        if asked := facts.numbers(self.request.question):
            pages = [page for source in self.sources for page in source.document.pages]
            stated = set().union(*(facts.number_values(page.text) for page in pages))
            if any(not facts.states(value, stated) for value in asked):
                return True
        if not self.model.tiny and self._route != "retrieval":
            return False
        return not self._found or self._found[0].coverage < _COVERAGE

    # Asking

    def _ask(self, text: str) -> Generator[TaskEvent, None, None]:
        if not text or self._hopeless():
            return
        yield from self._stream(self._request(text))
        if not self.sentences and not self.services.stopped():
            for sentence in self._quotes():
                yield from self._accept(sentence)

    def _request(self, text: str) -> GenerateRequest:
        tiny = self.model.tiny
        values = {"text": text, "question": self.request.question}
        if not tiny:
            values["language"] = self._language
        return GenerateRequest(
            model=self.model.spec,
            messages=prompts.messages("answer", tiny=tiny, **values),
            max_tokens=_TINY_ANSWER_TOKENS if tiny else _ANSWER_TOKENS,
            sampling=Sampling(
                temperature=0.0, seed=self.request.seed if self.request.seed is not None else 0
            ),
            reasoning=False,
        )

    def _stream(self, request: GenerateRequest) -> Generator[TaskEvent, None, None]:
        stream = SentenceStream()
        clock: Clock | None = None
        with closing(self.services.engine.generate(request)) as events:
            for event in events:
                found: list[str] = []
                match event:
                    case Text(kind="answer"):
                        found = stream.add(event.text)
                    case Finished():
                        self.meter.add(event.usage)
                        found = stream.end(complete=event.reason == "stop")
                    case PromptProgress():
                        clock = clock or Clock(event.total)
                    case _:
                        pass
                for text in found:
                    yield from self._offer(text)
                if self.services.stopped():
                    return
                if clock is not None and clock.due():
                    yield Progress(done=0, total=1, unit="chunks", stage="answering")

    def _prepare(self) -> Generator[TaskEvent, None, None]:
        """Index the documents, step by step, so that a stop is heard in long ones."""
        clock = Clock(1.0)
        for checker in self._checkers:
            for _ in checker.prepare():
                if self.services.stopped():
                    return
                if clock.due():
                    yield Progress(done=0, total=1, unit="chunks", stage="answering")

    def _offer(self, text: str) -> Generator[TaskEvent, None, None]:
        """Take a sentence of the model if the documents carry it and it concerns the question."""
        if _DOES_NOT_SAY.search(text) or copies(text, prompts.instruction_text()):
            return
        yield from self._prepare()  # while the model writes on
        if self.services.stopped():
            return
        sentence = self._check(text)
        if sentence.supported and self._concerns(sentence):
            yield from self._accept(sentence)

    def _check(self, text: str) -> Sentence:
        found = [checker.check(text) for checker in self._checkers]
        return next(
            (sentence for sentence in found if sentence.supported), Sentence(text=text, supported=False)
        )

    def _concerns(self, sentence: Sentence) -> bool:
        """Tell whether a sentence is about what is asked, and not only about the same subject."""
        if self._relevance(sentence) < _RELEVANT:
            return False
        return self._nearest.share(self._around(sentence)) >= _RARE

    def _relevance(self, sentence: Sentence) -> float:
        """Return the share of the question's words in a sentence, its quotes and the heading above them."""
        return self._wording.overlap(self._question, self._around(sentence))

    def _around(self, sentence: Sentence) -> str:
        around = [sentence.text, *(citation.quote for citation in sentence.citations)]
        around += [
            passage.section
            for passage in self._found
            if any(citation.quote in passage.text for citation in sentence.citations)
        ]
        return " ".join(around)

    def _accept(self, sentence: Sentence) -> Generator[TaskEvent, None, None]:
        if len(self.sentences) >= _MOST_SENTENCES or any(
            self._wording.same(sentence.text, old.text) for old in self.sentences
        ):
            return
        self.sentences.append(sentence)
        yield Piece(text=sentence.text + " ")
        yield SentenceReady(sentence=sentence)

    def _quotes(self) -> list[Sentence]:
        """Return the sentence of the passages that holds most of the question, if it holds enough."""
        for near in self._nearest.ranked():
            about = f"{near.text} {near.passage.section}"
            if len(terms(near.text)) < 4 or self._wording.overlap(self._question, about) < _QUOTABLE:
                continue
            return self._quoted([near])
        return []

    def _quoted(self, found: Sequence[NearSentence]) -> list[Sentence]:
        """Return sentences of the documents as quotes with their pages."""
        quotes: list[Sentence] = []
        for near in found:
            if page := self._page_of(near.passage, near.text):
                cited = Cited(page=page, quote=near.text, document=near.passage.document)
                quotes.append(Sentence(text=near.text, citations=(cited,), quoted=True))
        return quotes

    def _page_of(self, passage: retrieve.Passage, quote: str) -> int:
        source = next(source for source in self.sources if source.label == passage.document)
        for page in source.document.pages:
            if any(block.id in passage.blocks and quote in block.text for block in page.blocks):
                return page.number
        return 0

    def _give_up(self) -> Generator[TaskEvent, None, None]:
        quotes = self._quoted(self._nearest.best(_NEAREST))
        one = len(self.sources) == 1
        if quotes:
            whose = "the document" if one else "the documents"
            text = f"This model found no answer it can prove. The nearest sentences of {whose}:"
        else:
            text = "The document does not say." if one else "The documents do not say."
        self._instead = (Sentence(text=text), *quotes)
        for sentence in self._instead:
            yield Piece(text=sentence.text + " ")
            yield SentenceReady(sentence=sentence)
        if self._route == "retrieval":
            yield Warned(
                text="Only the passages nearest to the question were looked at; you can have everything read."
            )

    # Reading everything

    def _read_everything(self) -> Generator[TaskEvent, None, None]:
        cut = [
            chunks(
                source.document,
                budget_tokens=_TINY_CHUNK_TOKENS if self.model.tiny else _CHUNK_TOKENS,
                count_tokens=lambda texts: self.services.engine.count_tokens(self.model.spec, list(texts)),
            )
            for source in self.sources
        ]
        yield from self._prepare()
        if self.services.stopped():
            return
        total = sum(len(own) for own in cut)
        done = 0
        found: list[Sentence] = []
        for source, checker, own in zip(self.sources, self._checkers, cut, strict=True):
            taker = NoteTaker(
                self.services,
                self.keeper,
                self.model,
                checker,
                self.meter,
                section="facts",
                subject=self.request.question,
                document=source.id,
                seed=self.request.seed,
            )
            yield from taker.run(own, done_before=done, work_after=total - done - len(own) + 1)
            done += len(own)
            notes = [note.sentence for _, taken in sorted(taker.taken.items()) for note in taken]
            found += [sentence for sentence in notes if self._concerns(sentence)]
            if self.services.stopped():
                break
        if not found and not self._hopeless():
            found = self._quotes()
        yield from self._write(sorted(found, key=lambda sentence: -self._relevance(sentence)))

    def _write(self, found: list[Sentence]) -> Generator[TaskEvent, None, None]:
        """Merge many facts into an answer, give few as they are."""
        if len(found) >= _MERGE_FROM and not self.model.tiny and not self.services.stopped():
            merger = Merger(
                self.services,
                self.model,
                self.meter,
                self._check,
                self._wording,
                title=self.sources[0].document.title,
                language=self._language,
                focus=self.request.question,
                seed=self.request.seed,
            )
            group = merger.packed(found)[0]
            for merged in merger.run([MergeJob(group, 4)]):
                if merged is not None and merged.sentence is not None:
                    yield from self._offer(merged.sentence.text)
        if not self.sentences:
            for sentence in found:
                yield from self._accept(sentence)

    # Results

    @property
    def answered(self) -> bool:
        """Whether an answer was found that the documents carry."""
        return bool(self.sentences)

    def result(self, reason: FinishReason) -> AnswerDone:
        """Return the answer as it stands."""
        return AnswerDone(
            sentences=tuple(self.sentences) or self._instead,
            answered=self.answered,
            route=self._route,
            passages=tuple(
                Passage(document=p.document, page=p.page, text=p.text, score=p.score) for p in self._found
            ),
            reason=reason,
            model=self.model.id,
            seconds=self.meter.seconds,
            usage=self.meter.usage,
        )


def _with_section(passage: retrieve.Passage) -> str:
    if passage.section and not passage.text.startswith(passage.section):
        return f"{passage.section}\n{passage.text}"
    return passage.text
