"""Sorts texts under labels: each gets exactly one, and the model cannot answer anything else.

A text that fits is read whole. A longer one is read part by part, and the label that most of it got wins;
that this happened, and how many parts agreed, is told. There is no figure of confidence: what a small model's
probabilities say of a label is not what people would take it for.

Very small models name the same label whatever they read. What they have read shows all the same in how much
more probable each label is than without a text, so theirs are weighed that way ("contextual calibration",
Zhao et al. 2021, Calibrate Before Use). Of twelve mails under three labels in two orders, the starter model
got 9 of 24 right before and 14 so; by chance it would be 8.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from desktop_slm.engine.api import Finished, FinishReason, GenerateRequest, Message, Sampling, Text
from desktop_slm.errors import ContextExceeded, DocumentEmpty, EngineError, InvalidRequest
from desktop_slm.tasks import prompts
from desktop_slm.tasks.events import ChoiceDone, Labeled, Progress, TaskEvent, TextLabeled, Warned
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.requests import Choice
from desktop_slm.tasks.segments import split_to_fit
from desktop_slm.tasks.services import ChosenModel, Services

_TOGETHER = 32
_INTERACTIVE_TEXTS = 8
_LABELS = range(2, 51)
_LONGEST_LABEL = 200
_LEAST_TOKENS = 64  # of a text that a prompt must have room for
_MARGIN_TOKENS = 16
_NO_TEXTS = ("", "N/A", "This is a text.")  # what the labels are compared with


@dataclass(frozen=True)
class NamedText:
    """A text to be sorted; ``name`` is that of its document, else empty."""

    name: str
    text: str


@dataclass
class _Votes:
    """What the parts of one text were labeled, by how much of it they are."""

    parts: int
    weights: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, label: str, weight: int) -> None:
        self.weights[label] += weight
        self.counts[label] += 1

    @property
    def complete(self) -> bool:
        return self.counts.total() == self.parts


@dataclass
class ChoiceTask:
    """The labels of some texts; readable at any moment through `result`."""

    request: Choice
    services: Services
    meter: Meter
    texts: Sequence[NamedText]
    model: ChosenModel
    _votes: list[_Votes] = field(default_factory=list)
    _labeled: list[Labeled] = field(default_factory=list)
    _usual: list[float] = field(default_factory=list)

    def run(self) -> Generator[TaskEvent, None, None]:
        """Label the texts, many at once; yields the labels in the order of the texts.

        Raises:
            DocumentEmpty: Not one of them has words.
            ContextExceeded: Labels and question leave no room for a text.
            EngineError: As the engine says.
        """
        if not any(text.text.strip() for text in self.texts):
            raise DocumentEmpty("There is no text to sort", "Give texts or documents with words.")
        jobs = self._jobs(self.services.engine.load(self.model.spec).n_ctx)
        for number, votes in enumerate(self._votes, 1):
            if votes.parts > 1:
                yield Warned(text=f"{self._name(number)} is longer than what the model can read at once: "
                                  f"it is read in {votes.parts} parts.")  # fmt: skip
            elif not votes.parts:
                yield Warned(text=f"{self._name(number)} has no text and gets no label.")
        if self.model.tiny:
            yield Warned(text="This model is very small and often chooses wrongly: check the labels.")
        clock = Clock(len(jobs))
        together = max(1, _TOGETHER // len(self.request.labels)) if self.model.tiny else _TOGETHER
        for start in range(0, len(jobs), together):
            self._label(jobs[start : start + together])
            yield from self._give_out()
            if self.services.stopped():
                return
            done = min(start + together, len(jobs))
            yield Progress(
                done=done, total=len(jobs), unit="chunks", left_s=clock.left_s(done), stage="sorting"
            )

    def _name(self, number: int) -> str:
        name = self.texts[number - 1].name
        return f"“{name}”" if name else f"Text {number}"

    def _jobs(self, n_ctx: int) -> list[tuple[int, str]]:
        """Return the parts to be read, each with the index of its text."""
        engine, spec = self.services.engine, self.model.spec
        answer = max(engine.count_tokens(spec, self.request.labels)) * 2 + _MARGIN_TOKENS
        taken = engine.count_prompt(spec, self._messages("")) + answer
        if taken + _LEAST_TOKENS > n_ctx:
            raise ContextExceeded(taken + _LEAST_TOKENS, n_ctx)
        jobs = []
        for index, item in enumerate(self.texts):
            parts = split_to_fit(
                prompts.seen(item.text), n_ctx - taken, lambda texts: engine.count_tokens(spec, texts)
            )
            parts = [part for part in parts if part.strip()]
            self._votes.append(_Votes(len(parts)))
            jobs += [(index, part) for part in parts]
        return jobs

    def _label(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Let the model label some parts together."""
        if self.model.tiny:
            found = self._weighed([part for _, part in jobs])
        else:
            ends = self._answers([self._ask(part, self.request.labels) for _, part in jobs])
            found = {place: label for place, (label, _) in ends.items()}
        for place, label in found.items():
            index, part = jobs[place]
            self._votes[index].add(label, len(part))

    def _weighed(self, parts: Sequence[str]) -> dict[int, str]:
        """Return the label of each part that a text makes more probable than any other label."""
        labels = self.request.labels
        if not self._usual:
            scores = self._scores(_NO_TEXTS)
            if len(scores) < len(_NO_TEXTS):
                return {}
            self._usual = [sum(column) / len(scores) for column in zip(*scores.values(), strict=True)]
        gains = {
            place: [score - usual for score, usual in zip(row, self._usual, strict=True)]
            for place, row in self._scores(parts).items()
        }
        return {place: labels[row.index(max(row))] for place, row in gains.items()}

    def _scores(self, texts: Sequence[str]) -> dict[int, list[float]]:
        """Return how probable each label is after each text, as logarithms; stopped, fewer than all."""
        labels = self.request.labels
        ends = self._answers([self._ask(text, (label,)) for text in texts for label in labels])
        rows = {place: range(place * len(labels), (place + 1) * len(labels)) for place in range(len(texts))}
        return {
            place: [ends[one][1] for one in row]
            for place, row in rows.items()
            if all(one in ends for one in row)
        }

    def _answers(self, requests: Sequence[GenerateRequest]) -> dict[int, tuple[str, float]]:
        """Return each label that came to its end, with the logarithm of its probability."""
        answers = [""] * len(requests)
        ends: dict[int, tuple[str, float]] = {}
        with closing(self.services.engine.generate_many(requests)) as events:
            for place, event in events:
                if isinstance(event, Text) and event.kind == "answer":
                    answers[place] += event.text
                elif isinstance(event, Finished):
                    self.meter.add(event.usage)
                    if answers[place] not in requests[place].choices:
                        raise EngineError(
                            "The model did not come to a label", "Try again, or choose another model."
                        )
                    ends[place] = answers[place], event.logprob
                if self.services.stopped():
                    break
        return ends

    def _give_out(self) -> Generator[TaskEvent, None, None]:
        """Give out the labels that are complete, in order."""
        while len(self._labeled) < len(self.texts):
            votes = self._votes[len(self._labeled)]
            if not votes.complete:
                return
            label = max(votes.weights, key=lambda one: votes.weights[one], default="")
            number = len(self._labeled) + 1
            labeled = Labeled(
                number=number,
                source=self.texts[number - 1].name,
                label=label,
                parts=votes.parts,
                agreeing=votes.counts[label],
            )
            self._labeled.append(labeled)
            yield TextLabeled(labeled=labeled)

    def _messages(self, text: str) -> tuple[Message, ...]:
        question = self.request.question.strip() or prompts.fill("choice", "question")
        labels = "\n".join(f"- {label}" for label in self.request.labels)
        return prompts.messages("choice", tiny=self.model.tiny, text=text, question=question, labels=labels)

    def _ask(self, part: str, labels: tuple[str, ...]) -> GenerateRequest:
        return GenerateRequest(
            model=self.model.spec,
            messages=self._messages(part),
            choices=labels,
            sampling=Sampling(temperature=0.0, seed=self.request.seed),
            reasoning=False,
            priority="interactive" if len(self.texts) <= _INTERACTIVE_TEXTS else "background",
        )

    def result(self, reason: FinishReason) -> ChoiceDone:
        """Return the labels as they stand."""
        return ChoiceDone(
            labels=tuple(self._labeled),
            reason=reason,
            model=self.model.id,
            seconds=self.meter.seconds,
            usage=self.meter.usage,
        )


def check_labels(request: Choice) -> None:
    """Refuse labels that cannot be told apart.

    Raises:
        InvalidRequest: Too few or too many, an empty one, two alike.
    """
    labels = request.labels
    if len(labels) not in _LABELS:
        raise InvalidRequest(f"Labels given: {len(labels)}", f"Give {_LABELS[0]} to {_LABELS[-1]} of them.")
    if any(not label.strip() or len(label) > _LONGEST_LABEL or not _is_line(label) for label in labels):
        raise InvalidRequest(
            "One of the labels is empty, too long or no text",
            f"Write each in one line of up to {_LONGEST_LABEL} characters.",
        )
    if len({label.strip().casefold() for label in labels}) < len(labels):
        raise InvalidRequest("Two labels are alike", "Name each of them once.")


def _is_line(label: str) -> bool:
    """Tell whether a label is text in one line: no control characters, no halves of characters."""
    return not {"Cc", "Cs"} & {unicodedata.category(character) for character in label}
