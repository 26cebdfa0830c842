"""What the command line writes: results on stdout, progress on stderr, or one JSON object per line."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from desktop_slm.errors import DesktopSlmError

_MOST_COLUMNS = 100
_BAR = 24
_PLAIN_STEP = 0.1


class Output:
    """The two streams and how to write on them.

    Args:
        as_json: One JSON object per line on stdout.
        quiet: No progress and no messages; errors are still told.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        for stream in (self._out, self._err):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(encoding="utf-8", errors="replace")
        self._bar = self._err.isatty() and not quiet and not as_json
        self._bar_shown = False
        self._stage = ""
        self._told = 0.0
        self._styled = (
            self._out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )

    # Results

    @property
    def columns(self) -> int:
        """Width of the text, at most 100 columns."""
        return max(30, min(_MOST_COLUMNS, shutil.get_terminal_size((80, 24)).columns))

    def event(self, name: str, values: Mapping[str, Any]) -> None:
        """Write one JSON line; nothing in the human form."""
        if self.as_json:
            line = json.dumps({"event": name, **values}, ensure_ascii=False, separators=(",", ":"))
            print(_encodable(line), file=self._out, flush=True)

    def text(self, text: str = "", *, end: str = "\n") -> None:
        """Write text of the result as it is; nothing with ``--json``."""
        if not self.as_json:
            self.clear()
            print(_encodable(text), end=end, file=self._out, flush=True)

    def paragraph(self, text: str, *, indent: str = "", first: str | None = None) -> None:
        """Write wrapped text."""
        lines = textwrap.wrap(
            re.sub(r"[ \t\n]+", " ", text.strip()),  # a no-break space stays one
            width=self.columns,
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        self.text("\n".join(lines) if lines else "")

    def heading(self, text: str) -> None:
        """Write a heading, bold on a terminal."""
        self.text(self.bold(visible(text)))

    def bold(self, text: str) -> str:
        """Return text in bold on a terminal."""
        return f"\033[1m{text}\033[0m" if self._styled else text

    def dim(self, text: str) -> str:
        """Return text dimmed on a terminal."""
        return f"\033[2m{text}\033[0m" if self._styled else text

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write names and values in two columns."""
        pairs = list(rows)
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.paragraph(visible(value) or "-", indent=" " * (width + 2), first=f"{name:<{width}}  ")

    # Progress and messages

    def message(self, text: str) -> None:
        """Tell something on stderr."""
        if not self.quiet:
            self.clear()
            print(_encodable(text), file=self._err, flush=True)

    def error(self, error: DesktopSlmError) -> None:
        """Tell why it failed: one line on stderr, and an event with ``--json``."""
        self.event("error", {"code": error.code, "title": error.title, "message": error.message})
        self.clear()
        print(f"desktop-slm: {_encodable(visible(str(error)))}", file=self._err, flush=True)

    def progress(
        self, stage: str, done: float, total: float, left_s: float = -1.0, figures: str = ""
    ) -> None:
        """Show how far it is: a bar on a terminal, else a line now and then."""
        if self.quiet or self.as_json:
            return
        share = min(1.0, done / total) if total else 0.0
        left = f", {_duration(left_s)} left" if left_s >= 0 else ""
        if self._bar:
            filled = round(_BAR * share)
            line = (
                f"{stage or 'working'} [{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}{left} {figures}"
            )
            print(f"\r\033[K{line[: self.columns]}", end="", file=self._err, flush=True)
            self._bar_shown = True
        elif stage != self._stage or share - self._told >= _PLAIN_STEP:
            self._stage, self._told = stage, share
            print(f"{stage or 'working'} {share:.0%}{left}", file=self._err, flush=True)

    def clear(self) -> None:
        """Take the bar off the screen before something else is written."""
        if self._bar_shown:
            print("\r\033[K", end="", file=self._err, flush=True)
            self._bar_shown = False


def visible(text: str) -> str:
    """Return foreign text without control and direction characters: a terminal would obey them."""
    return "".join(
        c
        for c in text
        if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} or c in "\u200c\u200d"
    )


def size(count: int) -> str:
    """Return bytes in words: ``98 MB``."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return str(count)


def moment(when_s: float) -> str:
    """Return a time (seconds since the epoch) in words; 0 means that it has not happened."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when_s)) if when_s else "never"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
