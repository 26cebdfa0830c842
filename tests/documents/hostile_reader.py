"""Runs the real document reader with a parser that tries what a captured one would; prints the outcome."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from desktop_slm.documents import reader_main
from desktop_slm.documents.messages import Bytes, Open, Read
from desktop_slm.errors import DocumentError

SECRET, TARGET = sys.argv[1:3]


def attempt(action) -> str:
    try:
        action()
    except OSError as error:
        return f"refused: {type(error).__name__}"
    return "done"


def captured(name: str, data: bytes, password: str = "") -> None:
    found = {
        "inet": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        "inet6": attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
        "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "read": attempt(lambda: Path(SECRET).read_bytes()),
        "passwords": attempt(lambda: Path("/etc/passwd").read_bytes()),
        "list": attempt(lambda: list(Path(SECRET).parent.iterdir())),
        "write": attempt(lambda: Path(TARGET).write_bytes(b"x")),
        "program": attempt(lambda: subprocess.run(["/bin/true"], check=True)),
        "received": data.decode(),
    }
    print(json.dumps(found), flush=True)
    raise DocumentError("tried")


class Pipe:
    """Stands in for the channel: one document, no thread."""

    def __init__(self) -> None:
        self.messages = [Open("x.txt", 5), Bytes(b"hello"), Read()]

    def watch(self) -> None:
        pass

    def send(self, message) -> None:
        print(
            json.dumps({"sent": type(message).__name__, "sandbox": getattr(message, "sandbox", "")}),
            flush=True,
        )

    def receive(self, types):
        return self.messages.pop(0)


reader_main.read = captured
reader_main.main(Pipe())
