"""How much of a prompt is known: as tokens, and as the text that they spell."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common start, by halving: slices compare at the speed of C."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def spelled_alike(known: Sequence[int], tokens: Sequence[int], spelling: Callable[[int], bytes]) -> list[int]:
    """Return ``tokens`` with the longest start that says the same as a start of ``known`` spelled like there.

    A model may write "hel|lo" where its tokenizer reads "hello": the same bytes, but a cache knows tokens.
    What the model wrote itself is then taken as it wrote it.

    Args:
        spelling: The bytes of a token; none for one that steers, which equals only itself.
    """
    here = there = common_length(known, tokens)
    same = (here, there)
    lead = b""  # what one side spells more than the other; the known side when ``ahead``
    ahead = False
    while True:
        if not lead:
            same = (here, there)
        behind, at = (tokens, there) if ahead and lead else (known, here)
        if at >= len(behind):
            break
        token = behind[at]
        more = spelling(token)
        if not lead:
            if there < len(tokens) and tokens[there] == token:
                here, there = here + 1, there + 1
                continue
            if not more:
                break
            here, lead, ahead = here + 1, more, True
            continue
        shared = min(len(more), len(lead))
        if not more or more[:shared] != lead[:shared]:
            break
        here, there = (here, there + 1) if ahead else (here + 1, there)
        if len(more) > len(lead):
            ahead = not ahead
        lead = lead[shared:] or more[shared:]
    return [*known[: same[0]], *tokens[same[1] :]]
