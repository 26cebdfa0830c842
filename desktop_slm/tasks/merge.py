"""The merge step: notes and their sources become sentences, each of which is checked and cited again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from desktop_slm.engine.api import Finished, GenerateRequest, Sampling, Text
from desktop_slm.tasks import prompts
from desktop_slm.tasks.checking import SentenceStream, copies, repeats
from desktop_slm.tasks.events import Sentence
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.services import ChosenModel, Services
from desktop_slm.tasks.wording import Wording

_TOKENS_PER_SENTENCE = 45
_QUOTE_WORTH_SHOWING = 0.9
_MOST_CHARACTERS_PER_TOKEN = 12

Check = Callable[[str], Sentence]


@dataclass(frozen=True)
class MergeJob:
    """Sentences to merge into about ``count`` others."""

    items: tuple[Sentence, ...]
    count: int


@dataclass(frozen=True)
class Merged:
    """A sentence of job ``job`` that the source carries; None when the job is over."""

    job: int
    sentence: Sentence | None


@dataclass
class Merger:
    """Merges notes with the model.

    Attributes:
        check: Gives a sentence its citations.
        wording: Knows the words of the task.
        title, language, focus: For the prompt.
        degenerated: A model answer ran into a loop or copied its instructions.
        dropped: Sentences left out because the source does not carry them.
        share: How much of the present run is done, 0 to 1.
        left_s: Seconds the present run still takes, -1 while unknown.
    """

    services: Services
    model: ChosenModel
    meter: Meter
    check: Check
    wording: Wording
    title: str
    language: str
    focus: str = ""
    seed: int | None = None
    degenerated: bool = False
    dropped: int = 0
    share: float = 0.0
    left_s: float = -1.0

    @property
    def budget_tokens(self) -> int:
        """Tokens of notes that one merge may be given."""
        if self.model.tiny:
            return 600
        loaded = self.services.engine.loaded()
        room = (loaded.n_ctx if loaded else 4096) // 3
        return min(room, 1500 if self.model.small else 4000)

    def fits(self, items: Sequence[Sentence]) -> bool:
        """Tell whether one merge may take all of ``items``."""
        text = self.shown(items)
        if len(text) > _MOST_CHARACTERS_PER_TOKEN * self.budget_tokens:
            return False  # plainly: the text of a long document is not sent to be counted
        return self._tokens([text])[0] <= self.budget_tokens

    def packed(self, items: Sequence[Sentence]) -> list[tuple[Sentence, ...]]:
        """Divide ``items`` into groups that fit one merge each."""
        counts = self._tokens([self.shown([item]) for item in items])
        groups: list[list[Sentence]] = [[]]
        used = 0
        for item, count in zip(items, counts, strict=True):
            if groups[-1] and used + count > self.budget_tokens:
                groups.append([])
                used = 0
            groups[-1].append(item)
            used += count
        return [tuple(group) for group in groups if group]

    def shown(self, items: Iterable[Sentence]) -> str:
        """Return notes as the model sees them: a list, each with its source where the two differ."""
        rows = []
        for item in items:
            quote = " ".join(citation.quote for citation in item.citations)
            if self.model.tiny:
                rows.append(item.text)
            elif not quote or self._alike(item.text, quote):
                rows.append(f"- {item.text}")
            else:
                rows.append(f'- {item.text} [source: "{quote}"]')
        return "\n".join(rows)

    def run(self, jobs: Sequence[MergeJob]) -> Generator[Merged | None, None, None]:
        """Merge all jobs together and yield their supported sentences as they come (None: still working)."""
        self.share, self.left_s = 0.0, -1.0
        if not jobs:
            return
        clock = Clock(len(jobs))
        parts = [0.0] * len(jobs)
        streams = [SentenceStream() for _ in jobs]
        raw = [""] * len(jobs)
        kept: list[list[Sentence]] = [[] for _ in jobs]
        requests = [self._request(job) for job in jobs]
        with closing(self.services.engine.generate_many(requests)) as events:
            for index, event in events:
                match event:
                    case Text(kind="answer"):
                        raw[index] += event.text
                        parts[index] = min(0.98, parts[index] + 1 / requests[index].max_tokens)
                        for text in streams[index].add(event.text):
                            yield from self._offer(index, text, kept[index])
                    case Finished():
                        parts[index] = 1.0
                        self.meter.add(event.usage)
                        for text in streams[index].end(complete=event.reason == "stop"):
                            yield from self._offer(index, text, kept[index])
                        if event.reason == "repetition" or repeats(raw[index]):
                            self.degenerated = True
                        yield Merged(index, None)
                    case _:
                        pass
                if self.services.stopped():
                    return
                if clock.due():
                    self.share, self.left_s = sum(parts) / len(jobs), clock.left_s(sum(parts))
                    yield None

    def _offer(self, job: int, text: str, kept: list[Sentence]) -> Generator[Merged, None, None]:
        if copies(text, prompts.instruction_text()):
            self.degenerated = True
            return
        sentence = self.check(text)
        if not sentence.supported:
            self.dropped += 1
        elif not any(self.wording.same(text, other.text) for other in kept):
            kept.append(sentence)
            yield Merged(job, sentence)

    def _request(self, job: MergeJob) -> GenerateRequest:
        tiny = self.model.tiny
        name = "merge_tiny" if tiny else "merge"
        values = {"notes": self.shown(job.items), "count": prompts.in_words(job.count)}
        if not tiny:
            wish = (
                prompts.fill(name, "wish_focus", focus=self.focus)
                if self.focus
                else prompts.fill(name, "wish")
            )
            values |= {"title": self.title, "language": self.language, "wish": wish}
        return GenerateRequest(
            model=self.model.spec,
            messages=prompts.messages("merge", tiny=tiny, **values),
            max_tokens=_TOKENS_PER_SENTENCE * (job.count + 1),
            sampling=Sampling(temperature=0.0, seed=self.seed if self.seed is not None else 0),
            reasoning=False,
            priority="background",
        )

    def _tokens(self, texts: Sequence[str]) -> list[int]:
        return self.services.engine.count_tokens(self.model.spec, list(texts))

    def _alike(self, first: str, second: str) -> bool:
        shorter, longer = sorted((len(first), len(second)))
        return shorter >= _QUOTE_WORTH_SHOWING * longer and self.wording.same(first, second)
