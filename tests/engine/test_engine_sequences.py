"""What is kept of conversations: in the cache, parked, saved, brought back; against a checking context."""

import array
import itertools
import struct

import pytest
from engine_checking import Run, expected, job, packed
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.engine.prefix import spelled_alike
from desktop_slm.engine.states import Parked, Parking, fingerprint, fits

MEMORIES = [{}, {"forgets": True}, {"windowed": True}]


def prompt_of_a_long_answer(length, seed=0):
    prompts = ([seed, *range(1, length - 1), last] for last in range(1000))
    return next(prompt for prompt in prompts if len(expected(prompt, 30, 10**6)[0]) == 30)


@pytest.mark.parametrize("memory", MEMORIES)
def test_conversations_that_take_turns_are_each_read_once(memory):
    run = Run(n_ctx=4000, **memory)
    texts = {name: [ord(name)] * 100 + list(range(ord(name), ord(name) + 300)) for name in "abc"}
    number = 0
    for turn in range(3):
        for name in texts:
            number += 1
            tokens = texts[name] = [*texts[name], 7, 8, turn]
            answer, usage = run.ask(job(number, tokens, conversation=name))
            run.check_reuse(number, len(tokens))
            assert usage.reused_tokens >= (len(tokens) - 5 if turn else 0)
            texts[name] = [*tokens, *answer]


def test_only_what_runs_lies_in_the_cache():
    run = Run(n_ctx=4000)
    run.ask(job(1, range(500), conversation="a"))
    run.scheduler.submit(job(2, [1] * 100, conversation="b"))
    run.scheduler.step()
    assert len(run.context.cells) == 100
    run.finish()
    assert run.scheduler.kept_tokens("a") >= 500
    assert run.scheduler.kept_tokens("b") >= 100
    assert run.scheduler.kept_tokens("") == run.scheduler.kept_tokens("c") == 0


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_is_forgotten_while_it_is_answered_is_dropped_at_its_end(memory):
    run = Run(n_ctx=4000, **memory)
    run.ask(job(1, range(300), conversation="b"))
    run.scheduler.submit(job(2, [1] * 500, conversation="a"))
    run.scheduler.submit(job(3, [2] * 500, conversation="c"))  # waits, or runs beside it
    run.scheduler.step()
    for name in "ac":
        run.scheduler.forget(name)
    run.finish()
    for number, start in ((2, 1), (3, 2)):
        assert run.result(number)[0] == expected([start] * 500, 30, 4000)[0]
    assert [bool(run.scheduler.kept_tokens(name)) for name in "abc"] == [False, True, False]
    assert run.context.cells == []
    _, usage = run.ask(job(4, [1] * 500))
    assert usage.reused_tokens == 0


def test_without_memory_to_park_in_conversations_stay_where_they_are():
    run = Run(n_ctx=4000, parking_bytes=0)
    run.ask(job(1, range(500), conversation="a"))
    run.ask(job(2, [1] * 100, conversation="b"))
    _, usage = run.ask(job(3, [*range(500), 1], conversation="a"))
    assert usage.reused_tokens == 500


def test_the_least_recently_used_is_forgotten_first():
    run = Run(n_ctx=4000, parking_bytes=4 * 1200)
    for number, name in enumerate("abcd"):
        run.ask(job(number, [ord(name)] * 500, conversation=name, max_tokens=1))
    assert [bool(run.scheduler.kept_tokens(name)) for name in "abcd"] == [False, True, True, True]


def test_background_leftovers_go_before_conversations():
    parking = Parking(100)
    chat = Parked(tokens=[1], chat=True, used=1, data=b"x" * 50)
    leftover = Parked(tokens=[2], used=2, data=b"x" * 50)
    assert parking.add(chat)
    assert parking.add(leftover)
    assert parking.add(Parked(tokens=[3], chat=True, used=3, data=b"x" * 50))
    assert leftover not in list(parking)
    assert chat in list(parking)
    assert not parking.add(Parked(tokens=[4], data=b"x" * 101))


def test_what_was_preempted_is_brought_back_not_read_again():
    run = Run(n_ctx=1000)
    for number in range(2):
        run.scheduler.submit(job(number, prompt_of_a_long_answer(150, number)))
    for _ in range(5):
        run.scheduler.step()
    run.context.n_ctx = 2 * 150 + 20
    run.finish()
    for number in range(2):
        run.check_reuse(number, 150)
        assert run.result(number)[1].usage.reused_tokens == 0
    assert run.context.loads
    answers = sum(run.result(number)[1].usage.completion_tokens for number in range(2))
    assert run.context.decoded <= 2 * 150 + answers


def test_what_was_lost_on_the_way_is_not_called_reused():
    run = Run(n_ctx=1000, parking_bytes=0)
    run.ask(job(1, range(200), conversation="a", max_tokens=1))
    run.scheduler.submit(job(2, prompt_of_a_long_answer(150, 7)))
    again = job(3, [*range(200), *prompt_of_a_long_answer(20, 8)], conversation="a")
    run.scheduler.submit(again)
    for _ in range(5):
        run.scheduler.step()
    assert again.reused == 200
    run.context.n_ctx = 150 + 220 + 20
    run.finish()
    run.check_reuse(3, 220)
    assert run.result(3)[1].usage.reused_tokens == 0


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_chat_moves_to_the_front_when_the_others_are_gone(memory):
    run = Run(n_ctx=4000, **memory)
    run.scheduler.submit(job(1, [1] * 700, background=True))
    run.scheduler.step()
    answer, _ = run.ask(job(2, range(300), conversation="a"))
    run.finish()
    loads = run.context.loads
    _, usage = run.ask(job(3, [*range(300), *answer, 5], conversation="a"))
    assert run.context.loads == loads + 1
    assert usage.reused_tokens >= 300 + len(answer) - 1
    _, usage = run.ask(job(4, [*range(300), *answer, 5, 6], conversation="a"))
    assert run.context.loads == loads + 1  # it is there now


@pytest.mark.parametrize("settled", [300, 302])
@pytest.mark.parametrize("memory", MEMORIES)
def test_a_regenerated_answer_reads_next_to_nothing(memory, settled):
    run = Run(n_ctx=4000, **memory)
    prompt = [*range(300), 50, 51]
    run.ask(job(1, prompt, conversation="a", settled=settled))
    run.ask(job(2, [9] * 50, conversation="b"))
    _, usage = run.ask(job(3, prompt, conversation="a", settled=settled))
    assert usage.reused_tokens >= 300
    _, usage = run.ask(job(4, prompt, conversation="a", settled=settled))
    assert usage.reused_tokens >= 300


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_thought_that_is_left_out_costs_only_the_answer(memory):
    """The next prompt goes on from where the thought began: a memory that cannot be cut has a checkpoint."""
    run = Run(n_ctx=4000, **memory)
    prompt = prompt_of_a_long_answer(302)
    answer, _ = run.ask(job(1, prompt, conversation="a", settled=300))
    after = [*prompt[:301], *answer[5:], 52, 53]
    _, usage = run.ask(job(2, after, conversation="a", settled=len(after) - 2))
    run.check_reuse(2, len(after))
    assert usage.reused_tokens >= 300


@pytest.mark.parametrize("memory", MEMORIES)
def test_instructions_that_jobs_share_are_read_once(memory):
    run = Run(n_ctx=4000, **memory)
    for number in range(6):
        run.scheduler.submit(job(number, [*range(300), 50 * number], background=True, max_tokens=1))
    run.finish()
    assert run.context.decoded <= 300 + 6 * 14
    for number in range(6):
        run.check_reuse(number, 301)


def test_a_thought_is_not_saved():
    run = Run(n_ctx=4000)
    prompt = prompt_of_a_long_answer(302)
    made = job(1, prompt, conversation="a", settled=300)
    made.thought = True
    run.ask(made)
    tokens, data = run.scheduler.save_state("a", 1_000_000)
    assert tokens == prompt[:300]
    assert data == packed(prompt[:300])
    assert run.scheduler.kept_tokens("a") > 300  # until the next turn, which may be the same again


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_saved_conversation_goes_on_after_a_restart(memory):
    run = Run(n_ctx=4000, **memory)
    prompt = [*range(300), 50, 51]
    answer, _ = run.ask(job(1, prompt, conversation="a", settled=300))
    assert run.scheduler.save_state("a", 1_000) is None
    tokens, data = run.scheduler.save_state("a", 1_000_000)
    assert tokens == [*prompt, *answer][: len(tokens)]
    assert len(tokens) >= 300
    after = Run(n_ctx=4000, **memory)
    assert after.scheduler.restore_state("a", tokens, bytes(data)) == len(tokens)
    assert after.scheduler.kept_tokens("a") == len(tokens)
    second = [*prompt, *answer, 3, 4]
    _, usage = after.ask(job(1, second, conversation="a"))
    after.check_reuse(1, len(second))
    assert usage.reused_tokens == len(tokens)


def test_a_busy_or_unknown_conversation_is_not_saved():
    run = Run(n_ctx=4000)
    run.scheduler.submit(job(1, range(300), conversation="a"))
    run.scheduler.step()
    assert run.scheduler.save_state("a", 10**9) is None
    run.finish()
    assert run.scheduler.save_state("a", 10**9) is not None
    assert run.scheduler.save_state("b", 10**9) is None
    assert run.scheduler.save_state("", 10**9) is None


def test_a_state_that_the_memory_refuses_leaves_nothing():
    run = Run(n_ctx=4000)
    assert run.scheduler.restore_state("a", [1, 2, 3], bytes(packed([1, 2]))) == 0
    assert run.scheduler.restore_state("a", list(range(5000)), bytes(packed(range(5000)))) == 0
    assert not run.context.cells
    assert not run.scheduler.kept_tokens("a")
    run.ask(job(1, [1, 2, 3, 4], conversation="a"))


def test_a_conversation_that_lives_is_not_replaced_by_what_was_saved():
    run = Run(n_ctx=4000)
    run.ask(job(1, range(300), conversation="a", max_tokens=5))
    assert run.scheduler.restore_state("a", [*range(200), 7], bytes(packed([*range(200), 7]))) == 200
    assert run.scheduler.kept_tokens("a") >= 300


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_what_is_said_to_be_reused_was_not_read(data):
    """Turns, edits, batches, cancels, aborts, small caches, parking, saving and restoring in any order."""
    memory = data.draw(st.sampled_from(MEMORIES))
    run = Run(
        data.draw(st.sampled_from([150, 400, 3000])),
        n_seq=data.draw(st.sampled_from([8, 16])),
        parking_bytes=data.draw(st.sampled_from([0, 600, 10**6])),
        abort_every=data.draw(st.sampled_from([0, 13])),
        **memory,
    )
    n_ctx = run.context.n_ctx
    start = list(range(100, 100 + data.draw(st.integers(1, 60))))
    said = {name: [*start, ord(name)] for name in "abc"}
    saved = {}
    made = {}
    for number in range(data.draw(st.integers(2, 12))):
        name = data.draw(st.sampled_from("abc"))
        match data.draw(st.sampled_from(["turn", "turn", "turn", "batch", "save", "restore", "cancel"])):
            case "turn" if len(said[name]) < n_ctx // 3:
                cut = data.draw(st.integers(0, len(said[name])))
                tokens = said[name][: cut or None] + data.draw(st.lists(st.integers(0, 3), min_size=1))
                settled = data.draw(st.integers(0, len(tokens)))
                made[number] = job(number, tokens, conversation=name, settled=settled, max_tokens=20)
                run.scheduler.submit(made[number])
                if data.draw(st.booleans()):
                    run.finish()
                    answer, _ = run.result(number)
                    said[name] = [*tokens, *answer]
            case "batch":
                made[number] = job(number, [*start, number], background=True, max_tokens=9)
                run.scheduler.submit(made[number])
            case "save":
                saved[name] = run.scheduler.save_state(name, 10**6) or saved.get(name)
            case "restore" if saved.get(name):
                run.scheduler.restore_state(name, saved[name][0], bytes(saved[name][1]))
            case "cancel" if made:
                made[data.draw(st.sampled_from(sorted(made)))].cancelled = True
        for _ in range(data.draw(st.integers(0, 4))):
            run.scheduler.step()
    run.finish()
    for number, one in made.items():
        run.check_reuse(number, one.n_prompt)
        answer, end = run.result(number)
        whole, _ = expected(one.tokens[: one.n_prompt], one.max_tokens, n_ctx)
        assert answer == (whole if end.reason in ("stop", "length") else whole[: len(answer)])


@given(st.text("abc", max_size=12), st.data())
def test_the_same_text_in_other_pieces_is_taken_as_it_lies_in_the_cache(text, data):
    def pieces(text):
        cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=8))})
        return [text[a:b] for a, b in itertools.pairwise(cuts)]

    tokens = {}

    def spelled(parts):
        return [tokens.setdefault(part, len(tokens) + 2) for part in parts]

    def spelling(token):
        return b"" if token == 1 else next(t for t, n in tokens.items() if n == token).encode()

    known = [1, *spelled(pieces(text)), 1]
    ends = spelled(pieces(data.draw(st.text("abc", max_size=5))))
    wanted = [1, *spelled(pieces(text)), 1, *ends]
    found = spelled_alike(known, wanted, spelling)
    assert found[: len(known)] == known
    assert found[len(known) :] == ends
    other = spelled_alike(known, [*spelled(pieces(text)), 1], spelling)
    assert b"".join(map(spelling, other)) == text.encode()


def test_a_token_that_steers_equals_only_itself():
    def spelling(token):
        return {1: b"<x>", 2: b"", 3: b"<", 4: b"x>"}[token]

    assert spelled_alike([2], [3, 4], spelling) == [3, 4]
    assert spelled_alike([3, 4, 2], [1, 2], spelling) == [3, 4, 2]


def state(positions, n_seq_id=1, extra=(), magic=0xAF143CD8, streams=1):
    cells = [n for position in positions for n in (position, n_seq_id, *extra, 0)]
    head = struct.pack("<IiII", magic, 0, streams, len(positions))
    return head + array.array("i", cells).tobytes() + bytes(64)


def test_the_outline_of_a_state_is_looked_at():
    assert fits(state([0, 1, 2]), 3, attends=True)
    assert fits(state([2, 0, 1]), 3, attends=True)  # cells lie in any order
    assert fits(state([0, 1, 2], extra=(0, 0, 5)), 3, attends=True)
    for wrong in ([0, 1, 1], [0, 1, 3], [-1, 0, 1], [0, 1], [0, 1, 2, 3], [0, 1, 2**31 - 1]):
        assert not fits(state(wrong), 3, attends=True)
    assert not fits(state([0, 1, 2], magic=1), 3, attends=True)
    assert not fits(state([0, 1, 2], streams=2), 3, attends=True)
    assert not fits(state([0, 1, 2], n_seq_id=9), 3, attends=True)
    whole = state([0, 1, 2])
    assert not any(fits(whole[:size], 3, attends=True) for size in range(16 + 36))
    assert not fits(b"", 0, attends=True)
    recurrent = struct.pack("<IiIiI", 0xAF143CD8, 0, 1, 2, 0) + bytes(64)
    assert fits(recurrent, 3, attends=False)
    assert not fits(recurrent, 4, attends=False)


def test_states_belong_to_one_file_and_one_engine(tmp_path):
    model = tmp_path / "model.gguf"
    model.write_bytes(bytes(3_000_000))
    key = fingerprint(str(model), "engine 1")
    assert key == fingerprint(str(model), "engine 1")
    assert key != fingerprint(str(model), "engine 2")
    for change in (5, 1_500_000 - 10, 2_999_999):
        data = bytearray(3_000_000)
        data[change] = 1
        model.write_bytes(data)
        assert fingerprint(str(model), "engine 1") != key
    parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(b"part")
    key = fingerprint(str(parts[0]))
    parts[1].write_bytes(b"other")
    assert fingerprint(str(parts[0])) != key
