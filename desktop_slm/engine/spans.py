"""Where the tokens of a text begin and end in it, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from desktop_slm.engine import protocol as p


class Tokenizer(Protocol):
    """What is asked of `llama.Model`."""

    def tokenize(self, text: str) -> list[int]: ...  # noqa: D102 - see llama.Model
    def piece(self, token: int) -> bytes: ...  # noqa: D102


def about_text(model: Tokenizer, order: p.CountTexts | p.FindSpans) -> p.Counts | p.Spans:
    """Answer an order about the tokens of texts."""
    if isinstance(order, p.CountTexts):
        return p.Counts(id=order.id, counts=tuple(len(model.tokenize(text)) for text in order.texts))
    pieces = [model.piece(token) for token in model.tokenize(order.text)]
    return p.Spans(id=order.id, ends=tuple(span_ends(order.text, pieces)))


def span_ends(text: str, pieces: Sequence[bytes]) -> list[int]:
    """Return where each piece ends in ``text``, in code points; a cut character belongs to its last piece.

    Tokenizers may put a blank in front of the text, or change it (case, accents): then the ends are spread
    in proportion, so that the spans cover the text in any case.
    """
    data = text.encode("utf-8", "replace")
    joined = b"".join(pieces)
    shift = 1 if joined == b" " + data else 0
    total = len(joined) or 1
    exact = joined[shift:] == data
    whole = [0] * (len(data) + 1)  # code points that are complete after so many bytes
    count = 0
    for index in range(1, len(data) + 1):
        count += index == len(data) or data[index] & 0xC0 != 0x80
        whole[index] = count
    ends = []
    position = 0
    for piece in pieces:
        position += len(piece)
        at = max(0, position - shift) if exact else position * len(data) // total
        ends.append(whole[at])
    if ends:
        ends[-1] = len(text)
    return ends
