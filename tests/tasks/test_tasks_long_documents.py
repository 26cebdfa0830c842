"""Two hundred pages: every sentence is checked, a stop is asked for often, events are no flood."""

from __future__ import annotations

import random
import re

import pytest
from task_desk import Desk, make_document

from desktop_slm.documents.model import Document
from desktop_slm.documents.split import sentences
from desktop_slm.engine.api import GenerateRequest
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.tasks.events import AnswerDone, Progress, SummaryDone
from desktop_slm.tasks.requests import Ask, Summarize

_STARTS = ("b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl")
_SYLLABLES = [start + end for start in _STARTS for end in ("a", "e", "i", "o", "u", "ar", "en", "il")]
_PAGES = 200
_LEAST_ASKED = 200  # times that a stop is asked for; the work takes seconds
_MOST_EVENTS = 600


def _sentence(chance: random.Random, words: list[str]) -> str:
    chosen = [words[int(len(words) ** chance.random()) - 1] for _ in range(chance.randint(12, 28))]
    chosen[5] = f"{chance.randint(2, 900)},{chance.randint(100, 999)}"
    chosen[8] = chosen[8].capitalize()
    chosen[3] = chosen[7] = "the"
    return " ".join(chosen).capitalize() + "."


@pytest.fixture(scope="module")
def long_document() -> Document:
    """Return 120,000 words of no language, under 40 headings."""
    chance = random.Random(7)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 3))) for _ in range(9000)]
    pages = []
    for number in range(_PAGES):
        blocks: list[tuple[str, str] | str] = []
        if number % 5 == 0:
            blocks.append(("heading", " ".join(chance.choices(words, k=3)).capitalize()))
        blocks += [" ".join(_sentence(chance, words) for _ in range(5)) for _ in range(6)]
        pages.append(blocks)
    return make_document(pages, name="long.pdf")  # type: ignore[arg-type]


def _notes(request: GenerateRequest) -> str:
    """Answer with copies, paraphrases and inventions of what the prompt holds."""
    text = request.messages[-1].content
    chance = random.Random(text)
    known = [text[a:b] for a, b in sentences(text) if len(text[a:b].split()) > 9]
    rows = []
    for kind in (0, 1, 2, 3) if known else ():
        words = re.sub(r"^- | \[source:.*", "", chance.choice(known)).rstrip(".").split()
        if kind == 1:
            words = [word for word in words if chance.random() > 0.15]
        elif kind == 2:
            words.insert(6, "77,777,777")
        elif kind == 3:
            words = [*words[:4], "Atlantis", "never", "sold", "any", "submarines"]
        rows.append(" ".join(words) + ".")
    return "\n".join(f"{number}. {row}" for number, row in enumerate(rows, 1))


def test_two_hundred_pages_are_checked_whole(desk: Desk, long_document: Document) -> None:
    asked: list[None] = []

    def stopped() -> bool:
        asked.append(None)
        return False

    source = desk.add(long_document)
    pages = {page.number: page.text for page in long_document.pages}
    for _cached in (False, True):
        asked.clear()
        events = desk.run(Summarize(sources=(source,)), FakeEngine(_notes, n_ctx=14_400), stopped=stopped)
        assert len(events) < _MOST_EVENTS
        assert len(asked) > _LEAST_ASKED
        done = events[-1]
        assert isinstance(done, SummaryDone)
        assert len(done.sentences) == 7
        assert done.coverage.read == tuple(range(1, _PAGES + 1))
        shown = [*done.sentences, *(note for section in done.outline for note in section.notes)]
        assert len(shown) > 200
        for sentence in shown:
            assert "77,777,777" not in sentence.text
            assert "Atlantis" not in sentence.text
            assert sentence.citations
            assert all(cited.quote in pages[cited.page] for cited in sentence.citations)
        told = [event for event in events if isinstance(event, Progress)]
        assert all(-1.0 <= event.left_s < 600 and event.done <= event.total for event in told)
        assert [event.done for event in told] == sorted(event.done for event in told)


def test_reading_everything_for_a_question(desk: Desk, long_document: Document) -> None:
    text = long_document.pages[99].blocks[0].text
    start, end = sentences(text)[0]
    question = " ".join(word for word in text[start:end].rstrip(".").split() if not word[0].isdigit())
    events = desk.run(
        Ask(sources=(desk.add(long_document),), question=question, read_everything=True),
        FakeEngine(_notes, n_ctx=14_400),
    )
    done = events[-1]
    assert isinstance(done, AnswerDone)
    assert done.route == "read-everything"
