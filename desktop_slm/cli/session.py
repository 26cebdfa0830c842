"""One run of the command line: the application, the output, and Ctrl+C."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from desktop_slm.cli.output import Output
from desktop_slm.cli.secrets_given import secret_in
from desktop_slm.errors import KeyringUnavailable, VaultInUse, VaultLocked
from desktop_slm.paths import Paths

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.tasks.events import TaskEvent
    from desktop_slm.tasks.requests import Request
    from desktop_slm.tasks.services import ChosenModel

PASSPHRASE_VARIABLE = "DESKTOP_SLM_PASSPHRASE"  # noqa: S105 - a name, no passphrase
STOPPED = 130


class Session:
    """What every command is given.

    Args:
        arguments: As parsed.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from desktop_slm.app import App

        self.out = Output(as_json=arguments.json, quiet=arguments.quiet)
        self.passphrase = _passphrase(arguments)
        self._password_file: str | None = getattr(arguments, "password_file", None)
        self._stopping = False
        self._said_so = False
        paths = Paths.under(Path(arguments.home)) if arguments.home else Paths.default()
        self.app: App = App(paths, incognito=arguments.incognito, passphrase=self.passphrase)
        self._open = False

    def open(self, *, required: bool = False) -> None:
        """Open the vault, or go on in memory and say so.

        Args:
            required: The command is about what is kept; without it, it cannot go on.

        Raises:
            VaultError: The vault is there and cannot be opened.
        """
        if self._open:
            return
        self._open = True
        try:
            state = self.app.open(create=not required)
        except (VaultInUse, KeyringUnavailable) as error:
            if required:
                raise
            self.app.use_memory()
            self.out.message(f"Nothing is saved: {error}")
            return
        if state.kind == "locked" and self._asked_for_passphrase():
            return
        if required and state.kind in ("locked", "none"):
            raise VaultLocked(*_why_nothing_is_open(state.kind))
        if state.kind == "locked":
            self.app.use_memory()
            self.out.message(f"Nothing is saved: the vault is locked. Set {PASSPHRASE_VARIABLE} to open it.")
        elif state.sentence:
            self.out.message(state.sentence)

    def _asked_for_passphrase(self) -> bool:
        if not (sys.stdin.isatty() and sys.stderr.isatty()) or self.out.as_json:
            return False
        passphrase = ask_secretly("Passphrase of the vault (empty: go on without saving): ")
        if not passphrase:
            return False
        self.app.unlock(passphrase)
        return True

    def run(self, request: Request) -> Iterator[TaskEvent]:
        """Run a request; Ctrl+C lets it wind up, a second one ends it at once."""
        return self.app.run(request, self.winds_up)

    @cached_property
    def document_password(self) -> str:
        """The password for protected documents, empty without one.

        Raises:
            InvalidRequest: Its file cannot be used.
        """
        return secret_in(self._password_file, "password") if self._password_file else ""

    def choose_model(self, name: str, task: str) -> ChosenModel:
        """Find a model, showing how the starter is prepared."""
        steps = self.app.choose_model(name, task)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                model: ChosenModel = end.value
                return model
            self.out.progress(step.stage, step.done, step.total)

    @property
    def stopped(self) -> bool:
        """Whether Ctrl+C was pressed during the work."""
        return self._stopping

    def winds_up(self) -> bool:
        """Tell whether to stop, asked between the steps of the work; the first time it says so."""
        if self._stopping and not self._said_so:
            self._said_so = True
            self.out.message("Stopping; what is done is kept.")
        return self._stopping

    def go_on(self) -> None:
        """Forget Ctrl+C, for the next question."""
        self._stopping = self._said_so = False

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let Ctrl+C set a flag instead of ending the program, as long as this lasts.

        The handler writes nothing: it may run in the middle of another write.
        """

        def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True

        before = signal.signal(signal.SIGINT, on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def close(self) -> None:
        """End everything."""
        self.out.clear()
        self.app.close()


def ask_secretly(question: str) -> str:
    """Ask for a passphrase on the terminal; the end of the input (Ctrl+D) is an empty answer."""
    try:
        return getpass.getpass(question, sys.stderr)
    except EOFError:
        sys.stderr.write("\n")
        return ""


def _why_nothing_is_open(kind: str) -> tuple[str, str]:
    if kind == "locked":
        return "The vault is locked", f"Set {PASSPHRASE_VARIABLE} or use --passphrase-file."
    return "There is no vault yet", "Make one with desktop-slm vault init."


def _passphrase(arguments: argparse.Namespace) -> str | None:
    """Return the passphrase given by file or environment, None without one."""
    if not arguments.passphrase_file:
        return os.environ.get(PASSPHRASE_VARIABLE) or None
    return secret_in(arguments.passphrase_file, "passphrase")
