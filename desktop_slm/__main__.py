"""The light entry: a child, the window or the command line. Nothing heavy is imported at the top."""

from __future__ import annotations

import sys


def main() -> int:
    """Run what the command line asks for: a child process, the window (no arguments) or a command."""
    if getattr(sys, "frozen", False):
        from multiprocessing import freeze_support

        freeze_support()
    if len(sys.argv) == 3 and sys.argv[1] == "--child":
        from desktop_slm.processes.child import run_child

        run_child(sys.argv[2])
    if len(sys.argv) == 1:
        return window()
    from desktop_slm.cli.main import main as run_command

    return run_command(sys.argv[1:])


def window() -> int:
    """Open the window."""
    from desktop_slm.gui.run import main as run_window

    return run_window()


if __name__ == "__main__":
    sys.exit(main())
