from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from desktop_slm.engine.api import Usage
from desktop_slm.errors import EngineCrashed
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.gui.widgets.message_actions import cost_in_words
from desktop_slm.gui.widgets.message_view import UserMessage
from desktop_slm.gui.widgets.transcript import Transcript
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Cited

ANSWER = "An answer with **words**.\n\n- one\n- two\n\n```py\nx = 1\n```\n"


def _pair(number: int, **changes: object) -> list[MessageRecord]:
    user = MessageRecord(
        id=f"m{2 * number}", conversation="c1", parent="", role="user", text=f"Question {number}"
    )
    answer = MessageRecord(
        id=f"m{2 * number + 1}", conversation="c1", parent=user.id, role="assistant", text=ANSWER, **changes
    )
    return [user, answer]


def _many(pairs: int) -> list[MessageRecord]:
    return [record for number in range(pairs) for record in _pair(number)]


@pytest.fixture
def transcript(qtbot: QtBot) -> Iterator[Transcript]:
    made = Transcript()
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    QApplication.processEvents()
    return made


def _views(transcript: Transcript) -> list[AssistantMessage | UserMessage]:
    found = transcript.viewport().findChildren(AssistantMessage) + transcript.viewport().findChildren(
        UserMessage
    )
    return sorted(found, key=lambda view: view.y())


def _live(text: str = "") -> MessageRecord:
    return MessageRecord(id="", conversation="c1", parent="", role="assistant", text=text, state="streaming")


def test_only_messages_in_sight_are_made(transcript: Transcript) -> None:
    transcript.show_messages(_many(1_000))
    assert 0 < transcript.built() < 20
    last = _views(transcript)[-1]
    assert last.record.id == "m1999", "a conversation opens at its end"
    bar = transcript.verticalScrollBar()
    for share in (0.0, 0.3, 0.7):
        bar.setValue(int(bar.maximum() * share))
        assert 0 < transcript.built() < 60
    bar.setValue(0)
    assert any(view.record.id == "m0" for view in _views(transcript))


def test_messages_stand_below_each_other_without_overlap(transcript: Transcript) -> None:
    transcript.show_messages(_many(30))
    bar = transcript.verticalScrollBar()
    for value in range(bar.maximum(), -1, -150):
        bar.setValue(value)
        views = [view for view in _views(transcript) if not view.isHidden()]
        for above, below in itertools.pairwise(views):
            assert above.geometry().bottom() < below.y()


def test_what_is_read_stays_in_place_while_heights_become_known(transcript: Transcript) -> None:
    transcript.show_messages(_many(300))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    for _ in range(40):
        before = {view.record.id: view.y() for view in _views(transcript) if -50 < view.y() < 500}
        value = bar.value()
        bar.setValue(value - 60)
        moved = {view.record.id: view.y() for view in _views(transcript)}
        for id_, y in before.items():
            assert abs(moved[id_] - (y + 60)) <= 2, (
                "scrolling moves what is in sight by as much as was scrolled"
            )


def test_the_view_follows_only_at_the_end(transcript: Transcript) -> None:
    transcript.show_messages(_many(10))
    transcript.append(_live(), live=True)
    bar = transcript.verticalScrollBar()
    for _ in range(10):
        transcript.feed("A paragraph of some words.\n\n")
        transcript.advance_live()
        assert bar.value() == bar.maximum()
    bar.setValue(bar.value() - 300)
    assert not transcript.follows()
    place = bar.value()
    for _ in range(10):
        transcript.feed("More words come in below.\n\n")
        transcript.advance_live()
    assert bar.value() == place, "nothing jumps while text streams"
    assert bar.maximum() > place + 300
    transcript.scroll_to_end()
    assert bar.value() == bar.maximum()
    assert transcript.follows()


def test_a_refresh_keeps_the_widgets(transcript: Transcript) -> None:
    records = _many(3)
    transcript.show_messages(records)
    before = set(map(id, _views(transcript)))
    usage = Usage(completion_tokens=100, decode_s=5.0, first_token_s=0.4)
    records[-1] = MessageRecord(
        id="m5",
        conversation="c1",
        parent="m4",
        role="assistant",
        text=ANSWER,
        usage=usage,
        position=2,
        siblings=3,
    )
    transcript.show_messages(records, keep_place=True)
    assert set(map(id, _views(transcript))) == before
    row = _views(transcript)[-1].actions_row
    assert row.place.text() == "2 / 3"
    assert row.cost.text() == "20 tok/s · first word after 0.4 s"


def test_removed_messages_go(transcript: Transcript) -> None:
    transcript.show_messages(_many(4))
    transcript.show_messages(_many(1))
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    assert [view.record.id for view in _views(transcript)] == ["m0", "m1"]
    transcript.show_messages([])
    assert transcript.built() == 0


def test_a_turn_that_was_never_kept_leaves_nothing(transcript: Transcript) -> None:
    question = MessageRecord(id="", conversation="c1", parent="", role="user", text="Go on")
    transcript.show_messages(_many(1))
    transcript.append(question)
    transcript.append(_live(), live=True)
    transcript.show_messages(_many(1))
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    assert [view.record.id for view in _views(transcript)] == ["m0", "m1"]


def test_branches_and_buttons_tell_their_message(qtbot: QtBot, transcript: Transcript) -> None:
    transcript.show_messages(_pair(1, position=2, siblings=3))
    row = _views(transcript)[-1].actions_row
    for button, signal, args in (
        (row.before, transcript.branch_requested, ["m3", -1]),
        (row.after, transcript.branch_requested, ["m3", 1]),
        (row.regenerate, transcript.regenerate_requested, ["m3"]),
        (row.edit, transcript.edit_requested, ["m3"]),
    ):
        with qtbot.waitSignal(signal) as told:
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert told.args == args
    qtbot.mouseClick(row.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == ANSWER


def test_arrows_end_at_the_ends_and_hide_without_branches(transcript: Transcript) -> None:
    transcript.show_messages([*_pair(0, position=1, siblings=2), *_pair(1)])
    first, second = (view.actions_row for view in _views(transcript)[1::2])
    assert not first.before.isEnabled()
    assert first.after.isEnabled()
    assert second.before.isHidden()
    assert second.place.isHidden()


@pytest.mark.parametrize(
    ("state", "reason", "words", "can_continue"),
    [
        ("complete", "stop", "", False),
        ("complete", "length", "length limit", True),
        ("complete", "repetition", "repeat itself", False),
        ("stopped", "cancelled", "Stopped", True),
        ("interrupted", "", "Interrupted", True),
        ("complete", "context", "cannot see more", False),
    ],
)
def test_how_an_answer_ended_is_said(
    transcript: Transcript, state: str, reason: str, words: str, can_continue: bool
) -> None:
    transcript.show_messages(_pair(0, state=state, reason=reason))
    view = _views(transcript)[-1]
    assert isinstance(view, AssistantMessage)
    assert words in view.notice.text()
    assert view.notice.isHidden() is (not words)
    assert view.actions_row.go_on.isHidden() is (not can_continue)


def test_only_the_last_answer_can_be_continued(transcript: Transcript) -> None:
    transcript.show_messages([*_pair(0, state="stopped"), *_pair(1, state="stopped")])
    first, second = (view.actions_row for view in _views(transcript)[1::2])
    assert first.go_on.isHidden()
    assert not second.go_on.isHidden()


def test_thoughts_are_folded_away(qtbot: QtBot, transcript: Transcript) -> None:
    transcript.show_messages(_pair(0, reasoning="First I look at **clause 12**."))
    view = _views(transcript)[-1]
    assert isinstance(view, AssistantMessage)
    assert view.thoughts.isHidden()
    before = view.height()
    top = view.y()
    qtbot.mouseClick(view.thoughts_toggle, Qt.MouseButton.LeftButton)
    assert not view.thoughts.isHidden()
    assert "clause 12" in view.thoughts.toPlainText()
    assert view.height() > before
    assert view.y() == top, "the answer opens downwards"


def test_thinking_is_shown_and_timed(transcript: Transcript) -> None:
    transcript.append(_live(), live=True)
    view = transcript.live_view()
    assert view is not None
    transcript.feed("hmm", reasoning=True)
    transcript.advance_live()
    assert "Thinking" in view.thoughts_toggle.text()
    transcript.feed("So: 4.")
    transcript.advance_live()
    record = MessageRecord(
        id="m9", conversation="c1", parent="", role="assistant", text="So: 4.", reasoning="hmm"
    )
    transcript.finish(record, thought_s=6.2)
    assert view.thoughts_toggle.text().endswith("Thought for 6 s")


def test_an_error_keeps_the_text_and_stays_after_a_refresh(transcript: Transcript) -> None:
    records = _pair(0)[:1]
    transcript.show_messages(records)
    transcript.append(_live(), live=True)
    transcript.name_last("c1", "m0", "m1")
    transcript.feed("Half an ans")
    transcript.show_error(EngineCrashed("The model stopped working", "Send it again."))
    kept = MessageRecord(
        id="m1", conversation="c1", parent="m0", role="assistant", text="Half an ans", state="interrupted"
    )
    transcript.show_messages([*records, kept], keep_place=True)
    transcript.settle()
    view = _views(transcript)[-1]
    assert isinstance(view, AssistantMessage)
    assert view.body.toPlainText().strip() == "Half an ans"
    assert view.notice.text() == "The model stopped working. Send it again."


def test_sources_are_pills_that_tell_their_place(qtbot: QtBot, transcript: Transcript) -> None:
    transcript.show_messages(_pair(0))
    cited = (
        Cited(page=7, quote="a", document="d1"),
        Cited(page=7, quote="b", document="d1"),
        Cited(page=8, quote="c"),
    )
    transcript.show_citations(cited)
    view = _views(transcript)[-1]
    assert isinstance(view, AssistantMessage)
    pills = view.sources.findChildren(QPushButton)
    assert [pill.text() for pill in pills] == ["p. 7", "p. 8"]
    with qtbot.waitSignal(transcript.citation_chosen) as told:
        qtbot.mouseClick(pills[0], Qt.MouseButton.LeftButton)
    assert told.args[0].page == 7


def test_tab_goes_through_messages_from_top_to_bottom(transcript: Transcript) -> None:
    transcript.show_messages(_many(40))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    views = _views(transcript)
    order, widget = [], transcript.nextInFocusChain()
    for _ in range(2_000):
        owner = next((view for view in views if view is widget or view.isAncestorOf(widget)), None)
        if owner is not None and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and owner.y() not in order:
            order.append(owner.y())
        widget = widget.nextInFocusChain()
        if widget is transcript:
            break
    assert len(order) >= 4
    assert order == sorted(order)


def test_every_control_has_a_name(transcript: Transcript) -> None:
    transcript.show_messages([*_pair(0, position=2, siblings=3, reasoning="x"), *_pair(1)])
    for button in transcript.viewport().findChildren(QPushButton):
        assert button.accessibleName() or button.text().strip("‹›▸▾ "), button.text()


def test_text_is_scrolled_by_wheel_and_keys(transcript: Transcript) -> None:
    transcript.show_messages(_many(30))
    bar = transcript.verticalScrollBar()
    transcript.setFocus()
    before = bar.value()
    QTest.keyClick(transcript, Qt.Key.Key_PageUp)
    assert bar.value() < before
    QTest.keyClick(transcript, Qt.Key.Key_Home)
    assert bar.value() == 0
    QTest.keyClick(transcript, Qt.Key.Key_End)
    assert bar.value() == bar.maximum()
    body = _views(transcript)[-1].body
    QTest.keyClick(body, Qt.Key.Key_PageUp)
    assert bar.value() < bar.maximum(), "keys in a text scroll the conversation"


def test_arabic_and_chinese_are_shown(transcript: Transcript) -> None:
    words = "ملخص الاجتماع\n\n你好，世界"
    records = _pair(0)
    records[0] = MessageRecord(id="m0", conversation="c1", parent="", role="user", text="ماذا؟")
    records[1] = MessageRecord(id="m1", conversation="c1", parent="m0", role="assistant", text=words)
    transcript.show_messages(records)
    user, answer = _views(transcript)
    assert "ماذا؟" in user.body.toPlainText()
    assert "你好，世界" in answer.body.toPlainText()
    blocks = [answer.body.document().findBlockByNumber(number) for number in (1, 2)]
    assert [block.textDirection() for block in blocks] == [
        Qt.LayoutDirection.RightToLeft,
        Qt.LayoutDirection.LeftToRight,
    ]


def test_the_column_is_never_wider_than_is_good_to_read(transcript: Transcript) -> None:
    transcript.show_messages(_many(3))
    for width in (400, 900, 1_600):
        transcript.resize(width, 600)
        QApplication.processEvents()
        for view in _views(transcript):
            assert view.width() <= theme.READING_WIDTH_PX
            assert view.x() >= 0
            assert view.geometry().right() <= transcript.viewport().width()


def test_cost_in_words() -> None:
    assert cost_in_words(None) == ""
    assert cost_in_words(Usage(completion_tokens=30, decode_s=20, first_token_s=1.25)) == (
        "1.5 tok/s · first word after 1.2 s"
    )
    assert cost_in_words(Usage(completion_tokens=1)) == ""
    assert cost_in_words(Usage(first_token_s=0.01)) == "first word at once"
