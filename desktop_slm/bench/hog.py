"""A program that uses a processor and nothing else; it ends with the benchmark that started it."""

from __future__ import annotations

from desktop_slm.processes.child import Channel


def main(channel: Channel) -> None:
    """Spin."""
    channel.watch()
    while True:
        pass
