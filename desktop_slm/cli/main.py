"""The command line: parses, calls one file per topic, and turns every expected error into one sentence."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from desktop_slm import __version__
from desktop_slm.cli import ask, bench, chat, classify, doctor, history, models, summarize, translate, vault
from desktop_slm.cli.output import Output
from desktop_slm.cli.session import STOPPED, Session
from desktop_slm.errors import DesktopSlmError

_EPILOG = """\
DESKTOP_SLM_HOME moves everything the program writes; DESKTOP_SLM_PASSPHRASE opens the vault.
Without a command the window opens. Results go to stdout, progress to stderr.
Exit codes: 0 done, 1 it could not be done (one sentence says why), 2 wrong usage, 130 stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parsed = parser().parse_args(arguments)
    session: Session | None = None
    try:
        session = Session(parsed)
        code: int = parsed.run(parsed, session)
        return STOPPED if session.stopped else code
    except DesktopSlmError as error:
        out = session.out if session else Output(as_json=parsed.json, quiet=parsed.quiet)
        out.error(error)
        return 1
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        if session is not None:
            with contextlib.suppress(KeyboardInterrupt):
                session.close()


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = argparse.ArgumentParser(
        prog="desktop-slm",
        description="Private assistants on this computer: chat, summaries with page citations, translation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"desktop-slm {__version__}")
    _add_common(root, suppress=False)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_common(common, suppress=True)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for topic in (chat, summarize, ask, translate, classify, models, history, vault, bench, doctor):
        topic.add(commands, common)
    return root


def _add_common(target: argparse.ArgumentParser, *, suppress: bool) -> None:
    """Add what every command takes, before or after its name."""

    def default(value: object) -> object:
        return argparse.SUPPRESS if suppress else value

    target.add_argument("--home", metavar="DIR", default=default(""), help="keep everything below DIR")
    target.add_argument(
        "--passphrase-file", metavar="FILE", default=default(""), help="take the vault's passphrase from FILE"
    )
    target.add_argument(
        "--incognito", action="store_true", default=default(False), help="save nothing, whatever there is"
    )
    target.add_argument(
        "--model", metavar="NAME", default=default(""), help="id on the shelf or path of a .gguf file"
    )
    target.add_argument(
        "--json", action="store_true", default=default(False), help="one JSON object per line on stdout"
    )
    target.add_argument(
        "--quiet", action="store_true", default=default(False), help="no progress and messages on stderr"
    )
