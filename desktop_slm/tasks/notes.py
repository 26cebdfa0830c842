"""The map step: notes of every chunk, decoded together, each one anchored to the sentences it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.documents.split import Chunk
from desktop_slm.engine.api import Finished, GenerateRequest, PromptProgress, Sampling, Text
from desktop_slm.tasks import prompts
from desktop_slm.tasks.checking import Checker, copies, lines
from desktop_slm.tasks.events import Progress, Sentence
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.services import ChosenModel, Services

_PROMPT_VERSION = "1"
_READING_SHARE = 0.5
_NOTES = 4
_TINY_NOTES = 4  # asked for three, it rarely stops there


@dataclass(frozen=True)
class Note:
    """A supported sentence about a chunk, and the block its first citation stands in."""

    sentence: Sentence
    block: int
    chunk: int


@dataclass
class NoteTaker:
    """Takes notes of the chunks of one document.

    Attributes:
        section: Prompt: ``notes`` for a summary, ``facts`` for a question.
        subject: The focus, or the question; may be empty for notes.
        document: Library id under which notes are cached, empty for no cache.
        taken: Supported notes by chunk, filled while it runs; a chunk that is not in it has not been read.
        dropped: How many sentences were left out because the text does not carry them.
    """

    services: Services
    keeper: Keeper
    model: ChosenModel
    checker: Checker
    meter: Meter
    section: str = "notes"
    subject: str = ""
    document: str = ""
    seed: int | None = None
    taken: dict[int, tuple[Note, ...]] = field(default_factory=dict)
    dropped: int = 0

    def run(
        self, chunks: Sequence[Chunk], *, done_before: float = 0.0, work_after: float = 0.0
    ) -> Generator[Progress, None, None]:
        """Read the chunks that have no cached notes, all together, and yield how far it is.

        Args:
            chunks: What to read.
            done_before: Work of other stages that is done, in chunks.
            work_after: Work of other stages to come, in chunks.
        """
        waiting: list[Chunk] = []
        total = done_before + len(chunks) + work_after
        clock = Clock(total)
        for chunk in chunks:
            if self.services.stopped():
                return
            cached = self.keeper.notes(self._key(chunk))
            if cached is None:
                waiting.append(chunk)
            else:
                self._check(chunk, msgspec.json.decode(cached, type=list[str]))
                if clock.due():
                    done = done_before + len(self.taken)
                    yield Progress(done=round(done, 2), total=total, unit="chunks", stage="reading")
        done = done_before + len(chunks) - len(waiting)
        yield Progress(done=round(done, 2), total=total, unit="chunks", stage="reading")
        if waiting:
            yield from self._read(waiting, done, total)

    def _read(
        self, waiting: list[Chunk], done_already: float, total: float
    ) -> Generator[Progress, None, None]:
        texts = [""] * len(waiting)
        parts = [0.0] * len(waiting)
        clock = Clock(total - done_already)
        requests = [self._request(chunk) for chunk in waiting]
        with closing(self.services.engine.generate_many(requests)) as events:
            for index, event in events:
                match event:
                    case Text():
                        if event.kind == "answer":
                            texts[index] += event.text
                        parts[index] = min(
                            0.98, max(_READING_SHARE, parts[index]) + 0.5 / requests[index].max_tokens
                        )
                    case PromptProgress():
                        parts[index] = _READING_SHARE * event.done / max(1, event.total)
                    case Finished():
                        parts[index] = 1.0
                        self.meter.add(event.usage)
                        if event.reason != "cancelled":
                            self._finish(waiting[index], texts[index], event)
                if self.services.stopped():
                    return
                if clock.due():
                    done = sum(parts)
                    yield Progress(
                        done=round(done_already + done, 2),
                        total=total,
                        unit="chunks",
                        left_s=clock.left_s(done),
                        stage="reading",
                    )

    def _request(self, chunk: Chunk) -> GenerateRequest:
        tiny = self.model.tiny
        values = {
            "text": chunk.text.strip(),
            "count": prompts.in_words(3 if tiny else _NOTES),
            "language": LANGUAGES.get(self.checker.document.language, "the language of the text"),
        }
        if self.section == "facts":
            del values["count"]
            values["question"] = self.subject
            user = "user"
        elif self.subject:
            values["focus"] = self.subject
            user = "user_focus"
        else:
            user = "user"
        return GenerateRequest(
            model=self.model.spec,
            messages=prompts.messages(self.section, tiny=tiny, user=user, **values),
            prefill="1."
            if tiny
            else "",  # a space after it would end a token early: numbers would be all that fits
            max_tokens=110 if tiny else 220,
            sampling=Sampling(temperature=0.0, seed=self.seed if self.seed is not None else 0),
            stop=("\n\n", f"\n{_TINY_NOTES + 1}.") if tiny else (),
            reasoning=False,
            priority="background",
        )

    def _finish(self, chunk: Chunk, text: str, finished: Finished) -> None:
        instruction = prompts.instruction_text()
        found = [
            line
            for line in lines(text, complete=finished.reason == "stop")
            if line.casefold().strip(" .") != "none" and not copies(line, instruction)
        ]
        unique: list[str] = []
        for line in found:
            if not any(self.checker.wording.same(line, other) for other in unique):
                unique.append(line)
        self.keeper.put_notes(self._key(chunk), self.document, msgspec.json.encode(unique))
        self._check(chunk, unique)

    def _check(self, chunk: Chunk, sentences: Sequence[str]) -> None:
        notes = []
        for text in sentences:
            sentence = self.checker.check(text, blocks=set(chunk.blocks))
            if sentence.supported:
                notes.append(Note(sentence, self.checker.block_of(sentence), chunk.index))
            else:
                self.dropped += 1
        self.taken[chunk.index] = tuple(notes)

    def _key(self, chunk: Chunk) -> str:
        """Name the notes of a chunk: the same text, model, prompt and subject give the same notes."""
        parts = (
            _PROMPT_VERSION,
            self.section,
            self.subject,
            self.checker.document.sha256,
            self.model.sha256 or self.model.spec.path,
            str(self.seed or 0),
            chunk.text,
        )
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()
