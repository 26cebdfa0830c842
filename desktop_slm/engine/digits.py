"""Integers within bounds as GBNF."""

from __future__ import annotations

from desktop_slm.errors import InvalidRequest

_MOST_DIGITS = 15  # what every reader of JSON keeps exactly


def integers(low: int | None, high: int | None) -> str:
    """Return the body of a rule for the integers from ``low`` to ``high``; None is no bound on that side.

    Raises:
        InvalidRequest: The bounds are beyond 15 digits.
    """
    most = 10**_MOST_DIGITS - 1
    if any(bound is not None and abs(bound) > most for bound in (low, high)):
        raise InvalidRequest(
            "The schema has a bound that is too large", f"Use at most {_MOST_DIGITS} digits."
        )
    low, high = -most if low is None else low, most if high is None else high
    parts = []
    if low < 0:
        parts.append(f'"-" ({_unsigned(max(1, -high), -low)})')
    if high >= 0:
        parts.append(_unsigned(max(0, low), high))
    return " | ".join(parts)


def _unsigned(low: int, high: int) -> str:
    """Return alternatives, one per number of digits."""
    parts = []
    for size in range(len(str(low)), len(str(high)) + 1):
        least, most = (10 ** (size - 1) if size > 1 else 0), 10**size - 1
        parts.append(_between(str(max(low, least)), str(min(high, most))))
    return " | ".join(parts)


def _between(low: str, high: str) -> str:
    """Return the digits from ``low`` to ``high``, two numbers of the same length."""
    if not low:
        return '""'
    rest = len(low) - 1
    if low == "0" * len(low) and high == "9" * len(high):
        return f"[0-9]{{{len(low)}}}"
    if low[0] == high[0]:
        return f'"{low[0]}" {_between(low[1:], high[1:])}' if rest else f'"{low}"'
    if not rest:
        return f"[{low}-{high}]"
    first, last = int(low[0]), int(high[0])
    parts = []
    if low[1:] != "0" * rest:
        parts.append(f'"{first}" {_between(low[1:], "9" * rest)}')
        first += 1
    tail = ""
    if high[1:] != "9" * rest:
        tail = f'"{last}" {_between("0" * rest, high[1:])}'
        last -= 1
    if first <= last:
        parts.append(f"[{first}-{last}] [0-9]{{{rest}}}")
    return "(" + " | ".join([*parts, *([tail] if tail else [])]) + ")"
