#!/usr/bin/env python3
"""The one menu of the project: set up, run, test, check, bench, package, screenshots.

Needs Python 3.11 or newer and nothing else: the first command makes ``.venv`` from ``requirements.lock``
(exact versions, hash-checked) and later ones refresh it when the lock or ``pyproject.toml`` changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".desktop-slm-stamp"
SETUP_LOG = VENV / "setup.log"
TEMPLATES = ROOT / ".cache" / "chat-templates"
SAMPLE = ROOT / "resources" / "samples" / "riverside-annual-report-2025.pdf"
BUILT_HERE = "llama-cpp-python"
MENU = """usage: python3 dev.py COMMAND [ARGUMENTS]

  run [ARGUMENTS]   start the application; ARGUMENTS go to the command line
                    (no screen and no ARGUMENTS: summarize the bundled sample in the terminal)
  test [ARGUMENTS]  run the tests; --slow adds the long proofs; other ARGUMENTS go to pytest
  check             lint, types, import rules and the tests: what has to be green before a change lands
  bench [ARGUMENTS] measure speed against a bare llama.cpp loop
  screenshots [DIR] draw every page, light and dark (default: docs/screenshots)
  package           build installers (not yet)
"""


class SetupError(Exception):
    """Something on this machine is missing; the text says what to do."""


def say(text: str) -> None:
    """Tell what is being done, on stderr: stdout belongs to the command's result."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def fingerprint() -> str:
    """Return what the environment depends on as one hash."""
    parts = [
        LOCK.read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        sys.version.encode(),
        str(ROOT).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run_logged(command: list[str], what: str) -> None:
    """Run a step of the set-up, its output to the log, a line every ten seconds to the terminal."""
    started = time.monotonic()
    with SETUP_LOG.open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try:
                code = process.wait(timeout=10)
                break
            except subprocess.TimeoutExpired:
                say(f"{what}: {int(time.monotonic() - started)} s")
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
    if code:
        tail = SETUP_LOG.read_text(errors="replace").splitlines()[-25:]
        raise SetupError(f"{what} failed. The end of {SETUP_LOG.relative_to(ROOT)}:\n  " + "\n  ".join(tail))


def locked(name: str) -> str:
    """Return the lock's entry of one package, hashes included, as a requirements file."""
    lines = LOCK.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def pip(*arguments: str) -> list[str]:
    """Return a pip command of the environment."""
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]


def build_engine() -> None:
    """Build llama.cpp's wheel; pip keeps it, so that a second environment takes it from the cache."""
    requirement = VENV / "engine.txt"
    requirement.write_text(locked(BUILT_HERE))
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        raise SetupError(
            "No C++ compiler found; llama.cpp is built on this machine once. Install one "
            "(Debian: build-essential; macOS: xcode-select --install; Windows: Visual Studio Build Tools)."
        )
    say("installing the inference engine; when it has to be built this takes about five minutes on two cores")
    run_logged(
        pip("install", "--require-hashes", "--no-deps", "-r", str(requirement)), "building llama.cpp, once"
    )


@contextlib.contextmanager
def setup_lock():
    """Let one set-up run at a time; a second dev.py waits for it."""
    handle = (ROOT / ".venv.lock").open("w")
    try:
        if os.name != "nt":
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("another dev.py is setting up; waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        handle.close()


def set_up() -> None:
    """Make or refresh the environment when it is not the one the lock describes."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file alone may meet an older Python
        raise SetupError(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and PYTHON.exists():
        return
    with setup_lock():
        if STAMP.exists() and STAMP.read_text() == wanted and PYTHON.exists():
            return
        started = time.monotonic()
        say("setting up .venv from requirements.lock")
        STAMP.unlink(missing_ok=True)
        if not PYTHON.exists():
            make_venv()
        run_logged(
            pip("install", "--require-hashes", "--no-deps", "-r", str(rest_of_lock())), "installing packages"
        )
        build_engine()
        run_logged(pip("install", "--no-deps", "--no-build-isolation", "-e", "."), "installing the project")
        check_qt()
        STAMP.write_text(wanted)
        say(f"ready after {int(time.monotonic() - started)} s")


def fetch_templates() -> None:
    """Take llama.cpp's chat templates, which the tests render, out of the locked source archive, once.

    Without them (no network) only the tests that need them fail, and say so.
    """
    entry = locked(BUILT_HERE)
    version = entry.split("==")[1].split()[0]
    target = TEMPLATES / version
    if target.exists():
        return
    with setup_lock(), tempfile.TemporaryDirectory(prefix="templates-", dir=VENV) as folder:
        if target.exists():
            return
        say("fetching the chat templates that the tests render")
        requirement = Path(folder, "source.txt")
        requirement.write_text(entry)
        options = [
            "--require-hashes",
            "--no-deps",
            "--no-binary",
            BUILT_HERE,
            "--dest",
            folder,
            "--retries",
            "1",
        ]
        try:
            run_logged(pip("download", *options, "-r", str(requirement)), "fetching llama.cpp's sources")
        except SetupError as error:
            say(str(error))
            return
        unfinished = Path(folder, "templates")
        unfinished.mkdir()
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            for member in archive:
                name = Path(member.name)
                if name.suffix == ".jinja" and name.parts[-3:-1] == ("models", "templates"):
                    with archive.extractfile(member) as source:
                        (unfinished / name.name).write_bytes(source.read())
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(unfinished, target)


def check_qt() -> None:
    """Say which system libraries a bare machine lacks for Qt; the command line works without them."""
    tried = subprocess.run(
        [str(PYTHON), "-c", "import PySide6.QtWidgets"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or ["unknown"])[-1]
        say(
            f"the window cannot start on this machine yet ({reason}). "
            "Debian: apt install libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libfontconfig1 libdbus-1-3"
        )


def make_venv() -> None:
    """Make an empty environment."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise SetupError(
            "The virtual environment could not be made (Debian: apt install python3-venv).\n"
            + made.stdout
            + made.stderr
        )


def rest_of_lock() -> Path:
    """Write the lock without the package that is built here, so that the quick part fails first."""
    path = VENV / "packages.txt"
    path.write_text(LOCK.read_text().replace(locked(BUILT_HERE), ""))
    return path


def has_screen() -> bool:
    """Tell whether a window can be shown."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def call(*command: str, environment: dict[str, str] | None = None) -> int:
    """Run a command of the environment in the foreground; Ctrl+C is the command's own business."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def run(arguments: list[str]) -> int:
    """Start the window, or the command line when there are arguments or no screen."""
    if not arguments and not has_screen():
        say("no screen here: summarizing the bundled sample instead of opening the window")
        arguments = ["summarize", str(SAMPLE)]
    # The caller's folder stays the working folder, so that relative file names mean what they say.
    process = subprocess.Popen([str(PYTHON), "-P", "-m", "desktop_slm", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def test(arguments: list[str]) -> int:
    """Run the tests; without ``--slow`` the long proofs are left out."""
    fetch_templates()
    slow = "--slow" in arguments
    rest = [argument for argument in arguments if argument != "--slow"]
    command = [str(PYTHON), "-m", "pytest", *([] if slow else ["-m", "not slow"])]
    if not any(argument.startswith(("-n", "tests/")) for argument in rest):
        command += ["-n", "2", "--dist", "loadgroup"]
    return call(*command, *rest, environment={"QT_QPA_PLATFORM": "offscreen"})


def check(arguments: list[str]) -> int:
    """Run what has to be green: lint, format, types, then the tests with the import rules among them."""
    del arguments
    steps = {
        "lint": [str(PYTHON), "-m", "ruff", "check", "."],
        "format": [str(PYTHON), "-m", "ruff", "format", "--check", "."],
        "types": [str(PYTHON), "-m", "mypy"],
    }
    for name, command in steps.items():
        say(name)
        if code := call(*command):
            return code
    say("tests")
    return test([])


def bench(arguments: list[str]) -> int:
    """Measure, with the application's own command."""
    return call(str(PYTHON), "-P", "-m", "desktop_slm", "bench", *arguments)


def screenshots(arguments: list[str]) -> int:
    """Draw every page of the real window."""
    folder = arguments[0] if arguments else str(ROOT / "docs" / "screenshots")
    return call(
        str(PYTHON),
        "-P",
        "-m",
        "desktop_slm.gui.screenshots",
        folder,
        environment={"QT_QPA_PLATFORM": "offscreen"},
    )


def package(arguments: list[str]) -> int:
    """Say that installers come later."""
    del arguments
    say("installers are not built yet; run from source with `python3 dev.py run`")
    return 1


COMMANDS = {
    "run": run,
    "test": test,
    "check": check,
    "bench": bench,
    "screenshots": screenshots,
    "package": package,
}


def main() -> int:
    """Set up, then do what the first argument says."""
    name, *arguments = sys.argv[1:] or ["help"]
    command = COMMANDS.get(name)
    if command is None:
        print(MENU, end="", file=sys.stderr if name not in ("help", "-h", "--help") else sys.stdout)
        return 0 if name in ("help", "-h", "--help") else 2
    try:
        set_up()
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    return command(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
