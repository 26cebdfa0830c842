"""The scheduler against a context that computes nothing but checks everything; see `engine_checking`."""

import pytest
from engine_checking import Run, expected, job
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.engine.api import PromptProgress, Text
from desktop_slm.engine.prefix import common_length
from desktop_slm.engine.scheduler import RECURRENT_SEQUENCES, RUNNING_MAX, SEQUENCES


def test_one_job():
    run = Run()
    run.scheduler.submit(job(1, range(50)))
    run.finish()
    answer, end = run.result(1)
    assert (answer, end.reason) == expected(range(50), 30, 600)
    assert end.usage.prompt_tokens == 50
    assert end.usage.completion_tokens == len(answer)
    assert end.usage.reused_tokens == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mix_of_jobs_gives_each_its_own_answer(data):
    n_ctx = data.draw(st.sampled_from([120, 300, 2000]))
    memory = data.draw(st.sampled_from(["", "forgets", "windowed"]))
    run = Run(
        n_ctx,
        abort_every=data.draw(st.sampled_from([0, 11] if memory == "forgets" else [0, 3, 7])),
        parking_bytes=data.draw(st.sampled_from([0, 300, 10**6])),
        **({memory: True} if memory else {}),
    )
    shared = [list(range(100, 100 + data.draw(st.integers(0, 60)))) for _ in range(2)]
    jobs = []
    for number in range(data.draw(st.integers(1, 14))):
        own = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
        tokens = data.draw(st.sampled_from(shared)) + own
        limit = data.draw(st.integers(0, 40))
        seed = data.draw(st.sampled_from([None, None, 1]))
        background = data.draw(st.booleans())
        made = job(number, tokens, background=background, max_tokens=limit, seed=seed)
        jobs.append((made, tokens, limit))
    cancelled = set()
    for made, _, _ in jobs:
        run.scheduler.submit(made)
        for _ in range(data.draw(st.integers(0, 6))):
            run.scheduler.step()
        if data.draw(st.integers(0, 9)) == 0:
            made.cancelled = True
            cancelled.add(made.id)
    run.finish()
    for made, tokens, limit in jobs:
        answer, end = run.result(made.id)
        assert made.sampler.closed
        run.check_reuse(made.id, len(tokens))
        whole, reason = expected(tokens, limit, n_ctx)
        if end.reason == "cancelled":
            assert made.id in cancelled
            assert whole[: len(answer)] == answer
        elif end.reason == "repetition":
            assert whole[: len(answer)] == answer
        else:
            assert (answer, end.reason) == (whole, reason)


def test_the_second_turn_reads_only_what_is_new():
    run = Run()
    first = list(range(200))
    run.scheduler.submit(job(1, first))
    run.finish()
    answer, _ = run.result(1)
    before = run.context.decoded
    second = [*first, *answer, 1, 2, 3]
    run.scheduler.submit(job(2, second, max_tokens=1))
    run.finish()
    _, end = run.result(2)
    assert end.usage.reused_tokens >= 200 + len(answer) - 1
    assert run.context.decoded - before == len(second) - end.usage.reused_tokens


def test_a_shared_prefix_is_read_once():
    run = Run(n_ctx=2000)
    shared = list(range(300))
    for number in range(8):
        run.scheduler.submit(job(number, [*shared, 500 + number], background=True, max_tokens=1))
    run.finish()
    assert run.context.decoded < 300 + 8 * 3
    assert sum(run.result(number)[1].usage.reused_tokens >= 299 for number in range(8)) == 7


def test_a_memory_that_cannot_forget_reads_again_instead():
    run = Run(forgets=True)
    run.scheduler.submit(job(1, range(100)))
    run.finish()
    run.scheduler.submit(job(2, [*range(50), 7, 8]))
    run.finish()
    answer, end = run.result(2)
    assert (answer, end.reason) == expected([*range(50), 7, 8], 30, 600)
    assert end.usage.reused_tokens == 0


def test_a_chat_starts_within_one_slice_while_a_document_is_read():
    run = Run(n_ctx=20_000)
    for number in range(3):
        run.scheduler.submit(job(number, [number] * 1100, background=True, max_tokens=20))
    for _ in range(3):
        run.scheduler.step()
    run.scheduler.submit(job(100, range(50), max_tokens=10))
    run.scheduler.step()
    run.scheduler.flush(force=True)
    assert any(i == 100 and isinstance(e, Text) for i, e in run.events)
    run.finish()


def test_the_conversation_survives_a_summary_in_the_cache():
    run = Run(n_ctx=2000)
    run.scheduler.submit(job(1, range(200)))
    run.finish()
    for number in range(10, 30):
        run.scheduler.submit(job(number, [number] * 100, background=True))
    run.finish()
    run.scheduler.submit(job(2, [*range(200), 5]))
    run.finish()
    assert run.result(2)[1].usage.reused_tokens == 200


def test_progress_of_a_long_prompt_is_told():
    run = Run(n_ctx=4000)
    run.scheduler.submit(job(1, [5] * 1500, max_tokens=1))
    run.finish()
    progress = [e for _, e in run.events if isinstance(e, PromptProgress)]
    assert [e.done for e in progress] == [128, 640, 1152, 1500]
    assert {e.total for e in progress} == {1500}


def test_a_seeded_prompt_is_read_alone_from_its_beginning_in_equal_slices():
    run = Run(n_ctx=6000)
    shapes = []
    plain = run.context.decode

    def decode():
        shapes.append([(position, sequence) for _, position, sequence, _ in run.context.batch])
        return plain()

    run.context.decode = decode
    run.scheduler.submit(job(1, range(600), max_tokens=3))
    run.finish()
    run.scheduler.submit(job(2, range(10), background=True, max_tokens=40))
    run.scheduler.step()
    shapes.clear()
    run.scheduler.submit(job(3, range(600), max_tokens=2, seed=7))
    run.finish()
    assert [len(shape) for shape in shapes[:2]] == [512, 88]
    assert [position for shape in shapes[:2] for position, _ in shape] == list(range(600))
    assert run.result(3)[1].usage.reused_tokens == 0


def test_stop_texts_end_a_job():
    run = Run()
    whole, _ = expected(range(50), 30, 600)
    stop = f",{whole[2]},"
    run.scheduler.submit(job(1, range(50), stops=[stop]))
    run.finish()
    answer, end = run.result(1)
    assert (answer, end.reason) == (whole[:2], "stop")


def test_cancelled_before_it_starts():
    run = Run()
    made = job(1, range(50))
    run.scheduler.submit(made)
    made.cancelled = True
    run.finish()
    assert run.result(1)[1].reason == "cancelled"
    assert run.context.calls == 0


@pytest.mark.parametrize("forgets", [False, True])
def test_a_cancel_ends_the_step_under_way_unless_others_would_lose_what_they_read(forgets):
    run = Run(forgets=forgets)
    run.scheduler.submit(job(1, range(50)))
    run.scheduler.step()
    assert run.scheduler.worth_aborting() is not forgets  # a single token
    run.scheduler.submit(job(2, range(400, 800)))
    run.scheduler.step()
    assert run.scheduler.worth_aborting()  # a slice of a prompt


def test_close_finishes_everything():
    run = Run()
    for number in range(RUNNING_MAX + 4):
        run.scheduler.submit(job(number, [number] * 20))
    run.scheduler.step()
    run.scheduler.close()
    assert {run.result(number)[1].reason for number in range(RUNNING_MAX + 4)} == {"cancelled"}
    assert run.scheduler.idle


def test_a_failed_decode_is_not_hidden():
    run = Run()
    run.context.decode = lambda: -3
    run.scheduler.submit(job(1, range(5)))
    with pytest.raises(RuntimeError, match="-3"):
        run.scheduler.step()


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_length(one, other):
    length = common_length(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


def test_there_are_sequences_beside_the_running_jobs():
    assert SEQUENCES >= RUNNING_MAX + 4
    assert RECURRENT_SEQUENCES // 2 + 2 < RECURRENT_SEQUENCES
