"""Frames: what is sent arrives, and nothing else passes."""

import contextlib
import os
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.processes import wire


class Number(msgspec.Struct, frozen=True, tag="number"):
    value: int


class Words(msgspec.Struct, frozen=True, tag="words"):
    words: tuple[str, ...]
    data: bytes = b""


messages = st.one_of(
    st.builds(Number, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Words, st.lists(st.text()).map(tuple), st.binary()),
)


def read_all(data: bytes) -> list[bytes]:
    """Push ``data`` through a pipe and read frames until its end."""
    read, write = os.pipe()

    def push() -> None:
        with contextlib.suppress(OSError):
            wire.write_all(write, data)
        os.close(write)

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        frames = []
        while (frame := wire.read_frame(read)) is not None:
            frames.append(frame)
        return frames
    finally:
        os.close(read)
        pusher.join()


@given(st.lists(messages, max_size=8))
def test_what_is_sent_arrives_in_order(sent):
    decoder = wire.Decoder(Number | Words)
    frames = read_all(b"".join(wire.encode(message) for message in sent))
    assert [decoder.decode(frame) for frame in frames] == sent


def test_text_that_is_no_unicode_arrives_readable():
    """As Python gives it for a file name or a terminal's line that is not UTF-8."""
    (frame,) = read_all(wire.encode(Words(("caf\udce9", "whole", "\ud83d\ude00"), b"\xff\0")))
    assert wire.Decoder(Number | Words).decode(frame) == Words(
        ("caf\ufffd", "whole", "\U0001f600"), b"\xff\0"
    )


@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_a_cut_stream_never_gives_a_wrong_message(sent, data):
    whole = b"".join(wire.encode(message) for message in sent)
    cut = data.draw(st.integers(1, len(whole) - 1))
    borders = {0}
    for message in sent:
        borders.add(max(borders) + len(wire.encode(message)))
    if cut in borders:
        assert len(read_all(whole[:cut])) < len(sent)
    else:
        with pytest.raises(wire.FrameError):
            read_all(whole[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_frame_error(data):
    decoder = wire.Decoder(Number | Words)
    try:
        message = decoder.decode(data)
    except wire.FrameError:
        return
    assert isinstance(message, Number | Words)


@given(st.binary(min_size=1, max_size=100))
def test_an_error_does_not_quote_the_payload(data):
    secret = b"private words " + data
    with pytest.raises(wire.FrameError) as caught:
        wire.Decoder(Number).decode(wire.encode(Words((), secret))[4:])
    assert "private" not in str(caught.value)


@pytest.mark.parametrize("size", [0, wire.MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_lengths_out_of_range_are_refused_before_reading(size):
    with pytest.raises(wire.FrameError, match="not allowed"):
        read_all(size.to_bytes(4, "big") + b"x" * 10)


def test_a_message_over_the_limit_is_not_sent(monkeypatch):
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 1000)
    with pytest.raises(wire.FrameError, match="over the limit"):
        wire.encode(Words((), b"x" * 1001))
    assert wire.encode(Words((), b"x" * 900))


def test_a_pipe_may_have_a_limit_of_its_own():
    read, write = os.pipe()
    wire.widen(write)
    os.write(write, wire.encode(Words((), b"x" * 1001), 1100))
    with pytest.raises(wire.FrameError, match="not allowed"):
        wire.read_frame(read, 900)
    with pytest.raises(wire.FrameError, match="over the limit of 900"):
        wire.encode(Words((), b"x" * 1001), 900)
    os.close(read)
    os.close(write)


def test_a_frame_of_many_megabytes_passes():
    message = Words(("a",), os.urandom(5_000_000))
    (frame,) = read_all(wire.encode(message))
    assert wire.Decoder(Words).decode(frame) == message
