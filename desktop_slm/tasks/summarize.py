"""Summarizes whole documents: chunks, notes, anchors, merge, and key sentences where the model falls short.

Every sentence of the result is carried by a quote that stands literally on the page it names. Nothing is
stored here; `tasks.run` does that.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from desktop_slm.documents.keysentences import in_steps, key_sentences
from desktop_slm.documents.language import LANGUAGES
from desktop_slm.documents.model import KeySentence
from desktop_slm.documents.split import Chunk, chunks, reading_blocks, sentences
from desktop_slm.engine.api import FinishReason
from desktop_slm.tasks.checking import Checker
from desktop_slm.tasks.events import (
    Coverage,
    Piece,
    Progress,
    Section,
    Sentence,
    SentenceReady,
    Skipped,
    SummaryDone,
    TaskEvent,
    Warned,
)
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.merge import MergeJob, Merger
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.notes import NoteTaker
from desktop_slm.tasks.outline import DocumentSection, sections_of
from desktop_slm.tasks.requests import Length, Summarize
from desktop_slm.tasks.selecting import Candidate, Weigher, choose, section_of
from desktop_slm.tasks.services import ChosenModel, Services
from desktop_slm.tasks.sources import ReadSource, sentences_of_pages

_TARGET: dict[Length, int] = {"short": 3, "medium": 7, "long": 14}
_MOST_SECTIONS: dict[Length, int] = {"short": 10, "medium": 20, "long": 40}
_TARGET_PER_SECTION: dict[Length, int] = {"short": 1, "medium": 2, "long": 4}
_MERGE_SHARE = 0.15
_MAX_CHUNK_TOKENS = 1200
_MIN_CHUNK_TOKENS = 250
_TINY_CHUNK_TOKENS = 320
_CHUNKS_PER_CONTEXT = 12
_NOTES_PER_SECTION = 6
_MOST_QUOTABLE = 60


@dataclass
class DocumentSummary:
    """The summary of one document while it is being made; readable at any moment.

    Attributes:
        sentences: The result so far, all supported.
        finished: Everything was read.
    """

    request: Summarize
    services: Services
    keeper: Keeper
    model: ChosenModel
    source: ReadSource
    meter: Meter
    label: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    finished: bool = False
    _chunks: list[Chunk] = field(default_factory=list)
    _heard: dict[Sentence, int] = field(default_factory=dict)  # section of each, in the style sections
    _merged: float = 0.0  # share of the merging that is done,
    _weight_of_run: float = 1.0  # and share of the rest that the present run makes up

    @cached_property
    def key_sentences(self) -> tuple[KeySentence, ...]:
        """The key sentences of the pages asked for."""
        return sentences_of_pages(self.source, self.request.pages)

    @cached_property
    def _weights(self) -> list[KeySentence]:
        """The weight of many sentences, to choose among notes."""
        return key_sentences(self.source.document, self._many(), self.checker.wording.stemmer)

    def _many(self) -> int:
        return min(300, max(60, 3 * len(self._chunks)))

    @cached_property
    def _weigher(self) -> Weigher:
        """Weighs notes by the key sentences and the focus."""
        return Weigher(self.checker.wording, self._weights, self.request.focus)

    @cached_property
    def checker(self) -> Checker:
        """Finds the sources of sentences in the pages asked for."""
        blocks = None
        if self.request.pages is not None:
            readable = reading_blocks(self.source.document, self.request.pages)
            blocks = {block.id for _, block in readable}
        return Checker(self.source.document, label=self.label, strict=self.model.tiny, blocks=blocks)

    @cached_property
    def sections(self) -> list[DocumentSection]:
        """The sections of the pages asked for."""
        return sections_of(self.source.document, self.request.pages)

    @cached_property
    def _taker(self) -> NoteTaker:
        return NoteTaker(
            self.services,
            self.keeper,
            self.model,
            self.checker,
            self.meter,
            subject=self.request.focus,
            document=self.source.id,
            seed=self.request.seed,
        )

    @cached_property
    def _merger(self) -> Merger:
        document = self.source.document
        return Merger(
            self.services,
            self.model,
            self.meter,
            self.checker.check,
            self.checker.wording,
            title=document.title,
            language=LANGUAGES.get(document.language, "the language of the notes"),
            focus=self.request.focus,
            seed=self.request.seed,
        )

    def run(self) -> Generator[TaskEvent, None, None]:
        """Read, note, merge; yields progress and the sentences as they are found good."""
        self._chunks = chunks(
            self.source.document,
            budget_tokens=self._chunk_tokens(),
            count_tokens=lambda texts: self.services.engine.count_tokens(self.model.spec, list(texts)),
            pages=self.request.pages,
        )
        yield from self._prepare()
        if not self.services.stopped():
            yield from self._taker.run(self._chunks, work_after=self._after())
        if not self.services.stopped():
            self.finished = True
            if self.request.style == "sections":
                yield from self._merge_sections()
            else:
                yield from self._merge_whole()
        yield from self._fill_up()

    def _prepare(self) -> Generator[TaskEvent, None, None]:
        """Index the document, step by step, so that a stop is heard in a long one."""
        clock = Clock(1.0)
        for _ in chain(self.checker.prepare(), self._weigh()):
            if self.services.stopped():
                return
            if clock.due():
                total = len(self._chunks) + self._after()
                yield Progress(done=0, total=total, unit="chunks", stage="reading")

    def _weigh(self) -> Generator[None, None, None]:
        checker = self.checker
        self._weights = yield from in_steps(
            self.source.document, self._many(), checker.wording.stemmer, checker.spans
        )

    def _after(self) -> float:
        """Return the work after reading, in chunks."""
        return max(1.0, round(len(self._chunks) * _MERGE_SHARE, 1))

    def _chunk_tokens(self) -> int:
        loaded = self.services.engine.loaded() or self.services.engine.load(self.model.spec)
        if self.model.tiny:
            return min(_TINY_CHUNK_TOKENS, max(_MIN_CHUNK_TOKENS // 2, loaded.n_ctx // 4))
        return max(_MIN_CHUNK_TOKENS, min(_MAX_CHUNK_TOKENS, loaded.n_ctx // _CHUNKS_PER_CONTEXT))

    # Merging

    def _notes(self) -> list[Candidate]:
        """Return all supported notes in the order of the document; about the focus, if there is one."""
        notes = [
            Candidate(note.sentence, note.block)
            for _, taken in sorted(self._taker.taken.items())
            for note in taken
        ]
        if self.request.focus:
            overlap = self.checker.wording.overlap
            return [note for note in notes if overlap(self.request.focus, note.sentence.text) > 0]
        return notes

    def _merge_whole(self) -> Generator[TaskEvent, None, None]:
        if self.model.tiny:
            return  # rephrasing, it invents: its notes are chosen from instead
        items = [note.sentence for note in self._notes()]
        target = self._target()
        while len(items) > target and not self._merger.fits(items):
            fewer = yield from self._merge_groups(items)
            if len(fewer) >= len(items) or self.services.stopped():
                break
            items = fewer
        if len(items) < 2 or not self._merger.fits(items):
            return
        for merged in self._merger.run([MergeJob(tuple(items), target)]):
            if merged is None:
                yield self._merging()
            elif merged.sentence is not None and len(self.sentences) < target:
                yield from self._accept(merged.sentence)

    def _merge_groups(self, items: Sequence[Sentence]) -> Generator[TaskEvent, None, list[Sentence]]:
        """Merge groups of notes into about a third as many; a group the model spoils keeps its best notes."""
        groups = self._merger.packed(items)
        jobs = [MergeJob(group, max(2, len(group) // 3)) for group in groups]
        found: list[list[Sentence]] = [[] for _ in jobs]
        self._weight_of_run = 0.5  # how many levels follow is not known
        for merged in self._merger.run(jobs):
            if merged is None:
                yield self._merging()
            elif merged.sentence is not None:
                found[merged.job].append(merged.sentence)
        self._merged += (1.0 - self._merged) * self._weight_of_run
        self._weight_of_run = 1.0
        for job, own in zip(jobs, found, strict=True):
            if len(own) * 2 < job.count:
                known = [Candidate(item, self.checker.block_of(item)) for item in job.items]
                own[:] = [c.sentence for c in choose(known, job.count, self._weigher, sections=self.sections)]
        return [sentence for own in found for sentence in own]

    def _merge_sections(self) -> Generator[TaskEvent, None, None]:
        """Merge the notes of each section, all sections together, and give them out in order."""
        wanted = _TARGET_PER_SECTION[self.request.length]
        notes: list[list[Candidate]] = [[] for _ in self.sections]
        for note in self._notes():
            notes[max(0, section_of(note.block, self.sections))].append(note)
        jobs: dict[int, MergeJob] = {}
        for index, own in enumerate(notes):
            best = choose(own, 2 * wanted + 2, self._weigher)
            if len(best) > wanted and not self.model.tiny:
                ordered = sorted(best, key=lambda candidate: candidate.block)
                jobs[index] = MergeJob(tuple(candidate.sentence for candidate in ordered), wanted)
        found: dict[int, list[Sentence]] = {index: [] for index in jobs}
        order = list(jobs)
        for merged in self._merger.run(list(jobs.values())):
            if merged is None:
                yield self._merging()
            elif merged.sentence is not None:
                found[order[merged.job]].append(merged.sentence)
        plain = Weigher(self.checker.wording, self._weights)
        written: dict[int, list[Sentence]] = {}
        for index, own in enumerate(notes):
            own_sentences = found.get(index, [])[:wanted]
            have = [Candidate(s, self.checker.block_of(s)) for s in own_sentences]
            have += choose(own, wanted - len(have), plain, chosen=have)
            have.sort(key=lambda candidate: candidate.block)
            written[index] = [candidate.sentence for candidate in have]
            if not have and not self.request.focus:
                written[index] = self._quote_of(self.sections[index])
        for index in self._weightiest(written, plain):
            for sentence in written[index]:
                self._heard[sentence] = index
                self.sentences.append(sentence)
                yield Piece(text=sentence.text + " ")
                yield SentenceReady(sentence=sentence, section=self.sections[index].title)

    def _weightiest(self, written: dict[int, list[Sentence]], weigher: Weigher) -> list[int]:
        """Return the sections that are heard at this length, in order."""
        worth = {
            index: max(weigher.weight(sentence.text) for sentence in own)
            for index, own in written.items()
            if own
        }
        best = sorted(worth, key=lambda index: (-worth[index], index))
        return sorted(best[: _MOST_SECTIONS[self.request.length]])

    def _accept(self, sentence: Sentence) -> Generator[TaskEvent, None, None]:
        self.sentences.append(sentence)
        yield Piece(text=sentence.text + " ")
        yield SentenceReady(sentence=sentence)

    def _merging(self) -> Progress:
        count, after = len(self._chunks), self._after()
        share = self._merged + (1.0 - self._merged) * self._merger.share * self._weight_of_run
        return Progress(
            done=round(count + after * share, 2),
            total=count + after,
            unit="chunks",
            left_s=self._merger.left_s,
            stage="writing",
        )

    # Filling up

    def _target(self) -> int:
        return _TARGET[self.request.length]

    def _fill_up(self) -> Generator[TaskEvent, None, None]:
        """Bring the summary to its length with notes, then with quotes, and say so when the model failed."""
        if not self.started:
            return  # nothing was read: what stood here would only look like a summary
        if self.request.style == "sections" and self.sentences:
            return
        shown = list(self.sentences)
        self.fill_up()
        for sentence in self.sentences:
            if sentence not in shown:
                yield Piece(text=sentence.text + " ")
                yield SentenceReady(sentence=sentence)
        if not self.sentences and self.request.focus:
            yield Warned(text=f"The document says nothing about “{self.request.focus}”.")
        elif any(sentence.quoted for sentence in self.sentences):
            yield Warned(
                text="Some of the model's words are not in the document; sentences of the document stand in."
            )

    def fill_up(self) -> None:
        """Add supported notes, then key sentences as quotes, until the wanted length; needs no model."""
        target = self._target()
        have = [Candidate(sentence, self.checker.block_of(sentence)) for sentence in self.sentences]
        have += choose(
            self._notes(),
            target - len(have),
            self._weigher,
            chosen=have,
            sections=self.sections,
        )
        if len(have) * 2 < target:
            have += self._quotes(target - len(have), have)
        if not self.sentences:
            have.sort(key=lambda candidate: candidate.block)
        self.sentences = [candidate.sentence for candidate in have]

    def _quotes(self, count: int, have: Sequence[Candidate]) -> list[Candidate]:
        focus = self.request.focus
        wording = self.checker.wording
        quotes = [
            Candidate(self.checker.quoted(sentence.text, sentence.page), sentence.block)
            for sentence in self._quotable()
            if not focus or wording.overlap(focus, sentence.text) > 0
        ]
        weigher = Weigher(wording, focus=focus)
        chosen = choose(quotes, count, weigher, chosen=have, sections=self.sections)
        return sorted(chosen, key=quotes.index)

    def _quotable(self) -> Sequence[KeySentence]:
        """Return the key sentences; of a document hardly longer than its summary, all of its sentences."""
        blocks = reading_blocks(self.source.document, self.request.pages)
        blocks = [item for item in blocks if item[1].kind != "heading"] or blocks
        every: list[KeySentence] = []
        for page, block in blocks:
            for start, end in self.checker.spans.get(block.id) or sentences(block.text):
                if text := block.text[start:end].strip():
                    every.append(KeySentence(text=text, page=page, block=block.id, score=0.0))
            if self.key_sentences and len(every) > self._target():
                return self.key_sentences
            if len(every) > _MOST_QUOTABLE:
                break
        return every

    # Results

    @property
    def started(self) -> bool:
        """Whether anything has been read."""
        return bool(self._taker.taken)

    def outline(self) -> tuple[Section, ...]:
        """Return the sections with the notes taken of them.

        In the style ``sections`` they are the summary itself, sentence by sentence.
        """
        if self.request.style == "sections":
            return self._heard_sections()
        notes: list[list[Sentence]] = [[] for _ in self.sections]
        same = self.checker.wording.same
        for note in self._notes():
            index = section_of(note.block, self.sections)
            own = notes[index] if index >= 0 else []
            if len(own) < _NOTES_PER_SECTION and not any(
                same(note.sentence.text, other.text) for other in own
            ):
                own.append(note.sentence)
        for index, section in enumerate(self.sections):
            if not notes[index] and not self.request.focus and self.finished:
                notes[index] = self._quote_of(section)
        return tuple(
            Section(title=section.title, page=section.page, notes=tuple(own))
            for section, own in zip(self.sections, notes, strict=True)
        )

    def _heard_sections(self) -> tuple[Section, ...]:
        heard: list[list[Sentence]] = [[] for _ in self.sections]
        for sentence in self.sentences:
            index = self._heard.get(sentence)
            if index is None:
                index = max(0, section_of(self.checker.block_of(sentence), self.sections))
            heard[index].append(sentence)
        return tuple(
            Section(title=section.title, page=section.page, notes=tuple(own))
            for section, own in zip(self.sections, heard, strict=True)
            if own
        )

    def _quote_of(self, section: DocumentSection) -> list[Sentence]:
        """Return the weightiest sentence of a section the model took no usable notes of, as a quote."""
        own = [sentence for sentence in self._weights if sentence.block in section.blocks]
        if not own:
            return []
        best = max(own, key=lambda sentence: sentence.score)
        return [self.checker.quoted(best.text, best.page)]

    def coverage(self) -> Coverage:
        """Return which pages were read, and why the others were not."""
        pages = self.source.document.pages
        first, last = self.request.pages or (1, len(pages))
        readable = {page for page, _ in reading_blocks(self.source.document)}
        unread = {
            page for chunk in self._chunks if chunk.index not in self._taker.taken for page in chunk.pages
        }
        reached = {page for chunk in self._chunks for page in chunk.pages} - unread
        read: list[int] = []
        skipped: list[Skipped] = []
        for page in pages:
            listed_only = bool(page.blocks) and page.number not in readable and not page.is_image
            if page.number in reached or (listed_only and self.finished and first <= page.number <= last):
                read.append(page.number)  # a table of contents is read, and has nothing to note
            elif not first <= page.number <= last:
                skipped.append(Skipped(page.number, "not asked for"))
            elif page.is_image:
                skipped.append(Skipped(page.number, "a scan without text"))
            elif not page.blocks:
                skipped.append(Skipped(page.number, "no text"))
            else:
                skipped.append(Skipped(page.number, "not reached"))
        return Coverage(pages=len(pages), read=tuple(read), skipped=tuple(skipped))

    def result(self, reason: FinishReason) -> SummaryDone:
        """Return the summary as it stands; stopped early, it is filled up from the notes taken so far."""
        if reason == "cancelled" and self.started and not self.sentences:
            self.fill_up()
        return SummaryDone(
            sentences=tuple(self.sentences),
            key_sentences=self.key_sentences,
            outline=self.outline(),
            coverage=self.coverage(),
            reason=reason,
            documents=(self.source.label,),
            model=self.model.id,
            seconds=self.meter.seconds,
            usage=self.meter.usage,
        )
