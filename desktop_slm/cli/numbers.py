"""Numbers of the command line, checked where they are typed: what no room below could hold is wrong usage."""

from __future__ import annotations

import argparse

_MOST = 2**31 - 1


def positive(text: str) -> int:
    """Parse a count."""
    value = int(text)
    if not 1 <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"give a number from 1 to {_MOST:,}")
    return value


def seed(text: str) -> int:
    """Parse the seed of a random choice."""
    value = int(text)
    if not 0 <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"give a number from 0 to {_MOST:,}")
    return value
