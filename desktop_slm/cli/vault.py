"""``desktop-slm vault``: the encrypted store itself."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.cli.output import moment
from desktop_slm.cli.session import ask_secretly
from desktop_slm.errors import InvalidRequest, KeyringUnavailable, NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session

_LATER = ("passphrase", "recovery", "backup", "restore", "check", "rotate", "wipe")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    topic = commands.add_parser("vault", parents=[common], help="the encrypted store", allow_abbrev=False)
    topic.set_defaults(run=run, action="status")
    actions = topic.add_subparsers(metavar="ACTION")
    init = actions.add_parser("init", parents=[common], help="make a vault", allow_abbrev=False)
    status = actions.add_parser("status", parents=[common], help="how things stand", allow_abbrev=False)
    init.set_defaults(run=run, action="init")
    status.set_defaults(run=run, action="status")
    for name in _LATER:
        later = actions.add_parser(name, parents=[common], help="not yet", allow_abbrev=False)
        later.add_argument("rest", nargs="*", metavar="PATH")
        later.set_defaults(run=run, action=name)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Do what the action says."""
    if arguments.action in _LATER:
        raise NotYet(f"vault {arguments.action} is not there yet", "It comes with a later version.")
    began = time.monotonic()
    if arguments.action == "init":
        _make(session)
    elif session.app.vault.state() != "none":
        # A wrong passphrase or a vanished database is told; a vault that is merely locked or in use is shown.
        _look_inside(session)
    status = session.app.vault.status()
    fields = msgspec.to_builtins(status)
    session.out.event("done", {**fields, "model": "", "seconds": round(time.monotonic() - began, 3)})
    session.out.table(
        [
            ("state", status.state),
            ("opened by", ", ".join(status.slots)),
            ("cipher", status.cipher_version or "known once it is open"),
            ("folder", status.path),
            ("size", f"{status.bytes:,} bytes"),
            ("model states", f"{status.state_bytes:,} bytes"),
            ("last backup", moment(status.last_backup)),
        ]
    )
    return 0


def _look_inside(session: Session) -> None:
    from desktop_slm.errors import VaultInUse

    try:
        session.app.open()
    except (VaultInUse, KeyringUnavailable) as error:
        session.out.message(str(error))


def _make(session: Session) -> None:
    """Make a vault: with the passphrase given, else the keychain, else a passphrase that is asked for."""
    app = session.app
    if session.passphrase is not None:
        app.create_vault(session.passphrase)
        return
    if app.vault.state() != "none":
        raise InvalidRequest("There is a vault already", "Use another --home for a second one.")
    if app.keyring.probe().usable:
        app.create_vault(None)
        return
    if not sys.stdin.isatty():
        raise KeyringUnavailable(
            "There is no usable keychain here",
            "Give a passphrase with --passphrase-file or DESKTOP_SLM_PASSPHRASE.",
        )
    first = ask_secretly("New passphrase: ")
    if not first or first != ask_secretly("The same once more: "):
        raise InvalidRequest("The two did not match, or were empty", "Try again.")
    app.create_vault(first)
