"""Printing HTML to PDF in a child process, for the window and the command line.

The child is ``desktop_slm.gui.print_pdf``: HTML in UTF-8 on stdin, the PDF's bytes on stdout. Only the
window's room may load Qt, and Qt wants its application on the main thread: so both of them print this way.
"""

from __future__ import annotations

import os
import subprocess
import sys

from desktop_slm.errors import DesktopSlmError

LIMIT_S = 120.0
_ENTRY = "desktop_slm.gui.print_pdf"


def command() -> list[str]:
    """Return the words that start the printer."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--child", _ENTRY]
    return [sys.executable, "-I", "-m", _ENTRY]


def print_in_child(html: bytes) -> bytes:
    """Return ``html`` as a PDF.

    Raises:
        DesktopSlmError: The child failed or took too long.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "QT_"))
    }
    failed = DesktopSlmError("The PDF could not be printed", "Write it as HTML and print that.")
    try:
        done = subprocess.run(
            command(), input=html, capture_output=True, timeout=LIMIT_S, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise failed from error
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        raise failed
    return done.stdout
