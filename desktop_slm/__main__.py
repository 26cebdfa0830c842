"""The light entry: a child, the window or the command line. Nothing heavy is imported at the top."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run what the command line asks for: a child process, the window (no command) or a command."""
    leave_no_core_file()
    if getattr(sys, "frozen", False):
        from multiprocessing import freeze_support

        freeze_support()
    if len(sys.argv) == 3 and sys.argv[1] == "--child":
        if sys.argv[2] == "desktop_slm.gui.print_pdf":  # speaks plain bytes: a page in, a PDF out
            from desktop_slm.gui.print_pdf import main as print_pdf

            return print_pdf()
        from desktop_slm.processes.child import run_child

        run_child(sys.argv[2])
    if len(sys.argv) == 1:
        return window()
    if len(sys.argv) == 3 and sys.argv[1] == "--home" and sys.argv[2]:
        from desktop_slm.paths import HOME_VARIABLE

        os.environ[HOME_VARIABLE] = sys.argv[2]  # whoever names a folder means the window, too
        return window()
    from desktop_slm.cli.main import main as run_command

    return run_command(sys.argv[1:])


def window() -> int:
    """Open the window."""
    leave_no_core_file()
    from desktop_slm.gui.run import main as run_window

    return run_window()


def leave_no_core_file() -> None:
    """Let no crash write memory, with a user's texts and the key in it, to a disk. Children inherit this."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
