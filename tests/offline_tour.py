"""The tour of the offline proof: commands one after the other, in one tree of processes.

``offline_tour.py REPORT`` prints one JSON object: the last event of each command, by a name of the tour, and
whether this tree of processes could reach a network at all.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

QUESTION = "How much did the building of the Mill Street clinic cost?"


def interfaces() -> list[str]:
    """Return the network interfaces that are there and not the loopback."""
    return [name for _, name in socket.if_nameindex() if name != "lo"]


def run(*arguments: str) -> dict[str, Any]:
    """Run one command; return its last event."""
    done = subprocess.run(
        [sys.executable, "-m", "desktop_slm", *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"{arguments[0]}: exit code {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def main(report: str) -> None:
    """Do what README shows."""
    short = ("--pages", "3", "--length", "short", "--seed", "1")
    results = {
        "init": run("vault", "init"),
        "doctor": run("doctor"),
        "models": run("models", "list"),
        "summarize": run("summarize", report, *short),
        "ask": run("ask", report, "-q", QUESTION),
        "chat": run("chat", "-p", "Name a color.", "--max-tokens", "12", "--temperature", "0", "--seed", "1"),
        "translate": run("translate", os.environ["TOUR_TEXT"], "--to", "fr"),
        "search": run("history", "search", "Riverside"),
    }
    print(json.dumps({"interfaces": interfaces(), "user": os.getuid(), "results": results}))


main(sys.argv[1])
