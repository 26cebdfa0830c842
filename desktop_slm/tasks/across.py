"""Several documents at once: one summary each, and one across them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.engine.api import FinishReason
from desktop_slm.tasks.events import (
    Coverage,
    Piece,
    Section,
    Sentence,
    SentenceReady,
    Skipped,
    SummaryDone,
    TaskEvent,
)
from desktop_slm.tasks.merge import MergeJob, Merger
from desktop_slm.tasks.metering import Meter
from desktop_slm.tasks.requests import Length
from desktop_slm.tasks.summarize import DocumentSummary

ACROSS = "Across all documents"
_TARGET: dict[Length, int] = {"short": 3, "medium": 6, "long": 10}


@dataclass
class AcrossSummary:
    """The summary across the summaries of several documents."""

    parts: Sequence[DocumentSummary]
    meter: Meter
    sentences: list[Sentence] = field(default_factory=list)

    def run(self) -> Generator[TaskEvent, None, None]:
        """Merge the documents' sentences, and see to it that each document is heard."""
        first = self.parts[0]
        target = max(_TARGET[first.request.length], len(self.parts))
        items = [sentence for part in self.parts for sentence in part.sentences]
        language = first.source.document.language
        merger = Merger(
            first.services,
            first.model,
            self.meter,
            self._check,
            first.checker.wording,
            title=f"{len(self.parts)} documents",
            language=LANGUAGES.get(language, "the language of the notes"),
            focus=first.request.focus,
            seed=first.request.seed,
        )
        if len(items) > 1 and not first.services.stopped():
            group = merger.packed(items)[0] if not merger.fits(items) else tuple(items)
            for merged in merger.run([MergeJob(group, target)]):
                if merged is not None and merged.sentence is not None and len(self.sentences) < target:
                    yield from self._add(merged.sentence)
        for sentence in self._missing(target):
            yield from self._add(sentence)

    def _check(self, text: str) -> Sentence:
        found = [part.checker.check(text) for part in self.parts]
        return next(
            (sentence for sentence in found if sentence.supported), Sentence(text=text, supported=False)
        )

    def _add(self, sentence: Sentence) -> Generator[TaskEvent, None, None]:
        self.sentences.append(sentence)
        yield Piece(text=sentence.text + " ")
        yield SentenceReady(sentence=sentence, section=ACROSS)

    def _missing(self, target: int) -> list[Sentence]:
        """Take sentences of the documents in turn, beginning with those not heard yet, up to ``target``."""
        heard = {citation.document for sentence in self.sentences for citation in sentence.citations}
        silent = [part for part in self.parts if part.label not in heard]
        rest = [part for part in self.parts if part.label in heard]
        same = self.parts[0].checker.wording.same
        found: list[Sentence] = []
        for rank in range(target):
            for part in [*silent, *rest]:
                if rank >= len(part.sentences) or (
                    part in rest and len(self.sentences) + len(found) >= target
                ):
                    continue
                sentence = part.sentences[rank]
                if not any(same(sentence.text, other.text) for other in [*self.sentences, *found]):
                    found.append(sentence)
            if len(self.sentences) + len(found) >= target:
                break
        return found

    def result(self, reason: FinishReason) -> SummaryDone:
        """Return all of it: sentences across, one outline section per document, pages numbered throughout.

        The coverage counts pages through the documents in order; reasons of skipped pages name theirs.
        """
        read: list[int] = []
        skipped: list[Skipped] = []
        offset = 0
        for part in self.parts:
            coverage = part.coverage()
            read += [offset + page for page in coverage.read]
            name = part.source.document.name
            skipped += [
                Skipped(offset + item.page, f"{name}, page {item.page}: {item.reason}")
                for item in coverage.skipped
            ]
            offset += coverage.pages
        return SummaryDone(
            sentences=tuple(self.sentences),
            key_sentences=tuple(sentence for part in self.parts for sentence in part.key_sentences),
            outline=tuple(
                Section(title=part.source.document.title, page=1, notes=tuple(part.sentences))
                for part in self.parts
            ),
            coverage=Coverage(pages=offset, read=tuple(read), skipped=tuple(skipped)),
            reason=reason,
            documents=tuple(part.source.label for part in self.parts),
            model=self.parts[0].model.id,
            seconds=self.meter.seconds,
            usage=self.meter.usage,
        )
