"""Translates plain text segment by segment, checks each, and loses none.

A segment that fails its checks twice is kept as it came, and named for a person to look at.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from desktop_slm.documents.language import LANGUAGES, detect
from desktop_slm.engine.api import Finished, FinishReason, GenerateRequest, Message, Sampling, Text
from desktop_slm.errors import InvalidRequest
from desktop_slm.tasks import prompts
from desktop_slm.tasks.events import Piece, Progress, Review, TaskEvent, TranslationDone, Warned
from desktop_slm.tasks.metering import Clock, Meter
from desktop_slm.tasks.requests import Translate
from desktop_slm.tasks.segments import Protected, Segment, protect, segments, split_to_fit
from desktop_slm.tasks.services import ChosenModel, Services
from desktop_slm.tasks.translation_checks import DENSE, SegmentChecks

_TOGETHER = 8
_INTERACTIVE_SEGMENTS = 8
_BUDGET_TOKENS = 400
_TINY_BUDGET_TOKENS = 200

Fault = str


@dataclass(frozen=True)
class _Attempt:
    text: str
    faults: tuple[Fault, ...]


@dataclass
class TranslateTask:
    """One translation; readable at any moment through `result`."""

    request: Translate
    services: Services
    meter: Meter
    _model: ChosenModel | None = None
    _source: str = ""
    _segments: list[Segment] = field(default_factory=list)
    _known: dict[str, _Attempt] = field(default_factory=dict)
    _done: int = 0
    _text: str = ""
    _reviews: list[Review] = field(default_factory=list)

    def run(self) -> Generator[TaskEvent, None, None]:
        """Translate; yields the text piece by piece, in order, each checked.

        Raises:
            InvalidRequest: No text, or a language that is not known.
            ModelError, EngineError: As their rooms say.
        """
        self._check_request()
        self._source = self.request.source or detect(self.request.text)
        self._segments = segments(self.request.text)
        if self._source == self.request.target:
            yield Warned(text=f"The text is already {LANGUAGES[self._source]}.")
        self._model = yield from self.services.choose_model(self.request.model, "translate")
        self.services.engine.load(self._model.spec)
        clock = Clock(len(self._segments))
        yield self._progress(clock)
        for start in range(0, len(self._segments), _TOGETHER):
            group = self._segments[start : start + _TOGETHER]
            yield from self._translate_group(group, clock)
            if self.services.stopped():
                return
            yield from self._give_out(group, clock)

    def _check_request(self) -> None:
        if not self.request.text.strip():
            raise InvalidRequest("There is no text to translate", "Give some text.")
        for code in (self.request.target, self.request.source):
            if code and code not in LANGUAGES:
                raise InvalidRequest(
                    f"The language {code} is not known", "Use a code such as en, de, fr, es or zh."
                )
        if not self.request.target:
            raise InvalidRequest("No language to translate into", "Choose one, such as en, de, fr, es or zh.")

    def _give_out(self, group: Sequence[Segment], clock: Clock) -> Generator[TaskEvent, None, None]:
        for segment in group:
            attempt = self._known.get(segment.text, _Attempt(segment.text, ()))
            text = f"{segment.lead}{attempt.text}{segment.gap}"
            self._text += text
            self._done += 1
            if reasons := attempt.faults or self._doubts(segment, attempt):
                self._reviews.append(
                    Review(id=self._done, source=segment.text, target=attempt.text, reasons=reasons)
                )
            yield Piece(text=text)
            yield self._progress(clock)

    def _doubts(self, segment: Segment, attempt: _Attempt) -> tuple[Fault, ...]:
        """Say that a translation cannot be vouched for: nobody knows from which language, or into which."""
        if self._source or segment.wordless or not segment.text:
            return ()
        if detect(attempt.text) == self.request.target:
            return ()
        return ("its language is unknown; choose the language to translate from",)

    def _progress(self, clock: Clock) -> Progress:
        return Progress(
            done=self._done,
            total=len(self._segments),
            unit="chunks",
            left_s=clock.left_s(self._done),
            stage="translating",
        )

    # One group of segments

    def _translate_group(self, group: Sequence[Segment], clock: Clock) -> Generator[TaskEvent, None, None]:
        """Translate the segments that are new and have words; identical ones once."""
        new = [s.text for s in group if s.text and not s.wordless and s.text not in self._known]
        new = list(dict.fromkeys(new))
        parts = {text: self._parts(text) for text in new}
        jobs = [(text, index) for text in new for index in range(len(parts[text]))]
        first = yield from self._attempts([parts[text][index] for text, index in jobs], None, clock)
        if self.services.stopped():
            return
        wrong = [i for i, attempt in enumerate(first) if attempt.faults]
        if wrong:
            again = [parts[jobs[i][0]][jobs[i][1]] for i in wrong]
            second = yield from self._attempts(again, [first[i].faults for i in wrong], clock)
            if self.services.stopped():
                return
            for i, attempt in zip(wrong, second, strict=True):
                if len(attempt.faults) <= len(first[i].faults):
                    first[i] = attempt
        for text in new:
            own = [attempt for (owner, _), attempt in zip(jobs, first, strict=True) if owner == text]
            faults = tuple(dict.fromkeys(fault for attempt in own for fault in attempt.faults))
            joiner = "" if self.request.target in DENSE else " "
            self._known[text] = _Attempt(joiner.join(attempt.text for attempt in own), faults)

    def _parts(self, text: str) -> list[Protected]:
        model = self._chosen()
        budget = _TINY_BUDGET_TOKENS if model.tiny else _BUDGET_TOKENS
        engine = self.services.engine
        found = split_to_fit(text, budget, lambda texts: engine.count_tokens(model.spec, list(texts)))
        return [protect(part.strip()) for part in found if part.strip()]

    def _attempts(
        self, parts: Sequence[Protected], faults: Sequence[tuple[Fault, ...]] | None, clock: Clock
    ) -> Generator[TaskEvent, None, list[_Attempt]]:
        """Translate parts together; with ``faults``, say what was wrong with the last translation."""
        if not parts:
            return []
        texts = [""] * len(parts)
        cut = [False] * len(parts)
        requests = [self._request(part, faults[index] if faults else ()) for index, part in enumerate(parts)]
        with closing(self.services.engine.generate_many(requests)) as events:
            for index, event in events:
                if isinstance(event, Text) and event.kind == "answer":
                    texts[index] += event.text
                elif isinstance(event, Finished):
                    self.meter.add(event.usage)
                    cut[index] = event.reason in ("length", "repetition", "context")
                if self.services.stopped():
                    return []
                if clock.due():
                    yield self._progress(clock)
        return [
            self._checked(part, text, was_cut, _told(request))
            for part, text, was_cut, request in zip(parts, texts, cut, requests, strict=True)
        ]

    def _request(self, part: Protected, faults: tuple[Fault, ...]) -> GenerateRequest:
        model = self._chosen()
        names = {
            "source": LANGUAGES.get(self._source, "its language"),
            "target": LANGUAGES[self.request.target],
        }
        user = prompts.fill("translate", "user", text=prompts.seen(part.text))
        if faults:
            user = prompts.fill(
                "translate",
                "retry",
                text=prompts.seen(part.text),
                fault=" and ".join(faults),
                target=names["target"],
            )
        engine = self.services.engine
        tokens = engine.count_tokens(model.spec, [part.text])[0]
        seed = self.request.seed if self.request.seed is not None else 0
        return GenerateRequest(
            model=model.spec,
            messages=(Message("system", prompts.fill("translate", "system", **names)), Message("user", user)),
            max_tokens=3 * tokens + 40,
            sampling=Sampling(temperature=0.0 if not faults else 0.2, seed=seed),
            stop=("</text>",),
            reasoning=False,
            priority="interactive" if len(self._segments) <= _INTERACTIVE_SEGMENTS else "background",
        )

    def _chosen(self) -> ChosenModel:
        assert self._model is not None, "run() chooses the model first"  # noqa: S101
        return self._model

    # Checks

    def _checked(self, part: Protected, raw: str, was_cut: bool, told: str) -> _Attempt:
        """Clean what came back, put the protected parts in, and name every fault."""
        text = " ".join(raw.replace("<text>", "").split("</text>")[0].strip().split())
        source = part.restore(part.text)
        if not text:
            return _Attempt(source, ("it came back empty",))
        faults = []
        if not part.marks_kept(text):
            faults.append("an address, placeholder or tag was lost")
        if was_cut:
            faults.append("it did not come to an end")
        result = part.restore(text)
        faults += SegmentChecks(self._source, self.request.target).faults(source, result, told)
        return _Attempt(result, tuple(dict.fromkeys(faults)))

    # Results

    @property
    def started(self) -> bool:
        """Whether anything has been translated."""
        return self._done > 0

    def result(self, reason: FinishReason) -> TranslationDone:
        """Return the translation as it stands."""
        return TranslationDone(
            text=self._text,
            source_language=self._source,
            target_language=self.request.target,
            segments=len(self._segments),
            translated=self._done - len(self._reviews),
            needs_review=tuple(self._reviews),
            reason=reason,
            model=self._model.id if self._model else "",
            seconds=self.meter.seconds,
            usage=self.meter.usage,
        )


def _told(request: GenerateRequest) -> str:
    """Return what the model was told, without the text to translate."""
    words = (str(message.content).split("<text>\n")[0] for message in request.messages)
    after = str(request.messages[-1].content).rpartition("</text>")[2]
    return " ".join([*words, after])
