"""On disk nothing is readable: a marker goes through everything, the power goes, and every file is searched.

Proven from outside: the real window and the real command line in processes of their own, with a home, a
configuration and a temp folder of their own, ended by SIGKILL while an answer streams in.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import driving
import pytest

from desktop_slm.app import App
from desktop_slm.paths import HOME_VARIABLE, Paths

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them"),
]

MARKER = "Quillbrook7261"
PASSPHRASE = driving.PASSPHRASE
HERE = Path(__file__).resolve().parent
STORY = f"{MARKER} is a tower by the sea. Old Ferguson guards {MARKER} day and night. It has nine bells. "
KEPT_WITHIN_S = 2.0  # what the last save may lack
SLACK_S = 1.0  # between an event in one process and its report in the other


@dataclass(frozen=True)
class Place:
    """Folders of a person of this test's own; ``desk`` is where the person's own files lie, outside."""

    root: Path
    desk: Path
    environment: dict[str, str]

    @property
    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if not path.is_dir()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home, XDG folders and a temp folder, named in the environment, with nothing in them."""
    root, desk = tmp_path / "person", tmp_path / f"desk of {MARKER}"
    folders = {
        "HOME": root / "home",
        "XDG_CONFIG_HOME": root / "home" / ".config",
        "XDG_DATA_HOME": root / "home" / ".local" / "share",
        "XDG_STATE_HOME": root / "home" / ".local" / "state",
        "XDG_CACHE_HOME": root / "home" / ".cache",
        "XDG_RUNTIME_DIR": root / "run",
        "TMPDIR": root / "tmp",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    (root / "run").chmod(0o700)
    (desk / f"folder of {MARKER}").mkdir(parents=True)
    (desk / f"{MARKER}.txt").write_text(STORY * 3)
    (desk / f"folder of {MARKER}" / f"second {MARKER}.md").write_text(f"# {MARKER}\n\n{STORY * 2}")
    values = {name: str(folder) for name, folder in folders.items()}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(HOME_VARIABLE)
    environment = {**os.environ, **values, "QT_QPA_PLATFORM": "offscreen"}
    return Place(root, desk, environment)


# The scanner


def forms(marker: str) -> list[re.Pattern[bytes]]:
    """Return what the marker may look like in a file, in any case, and in base64 at each alignment."""
    plain = [
        re.compile(re.escape(marker.encode(code)), re.IGNORECASE)
        for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
    ]
    coded = []
    for text in (marker, marker.lower()):
        for code in ("utf-8", "utf-16-le"):
            for shift in range(3):
                whole = base64.b64encode(b"\0" * shift + text.encode(code))
                inner = whole[4 if shift else 0 : -4]  # ends depend on what stands beside it
                coded.append(re.compile(re.escape(inner)))
    return plain + coded


def hits(files: Sequence[Path], marker: str = MARKER) -> list[str]:
    """Return the files with the marker in their content, their name, or where they point to."""
    patterns = forms(marker)
    found = []
    for path in files:
        names = os.fsencode(path.name) + (os.fsencode(path.readlink()) if path.is_symlink() else b"")
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if any(pattern.search(data) or pattern.search(names) for pattern in patterns):
            found.append(str(path))
    return found


def changed(place: Place, before: dict[Path, tuple[int, int]]) -> list[Path]:
    """Return the files that are not as they were: all but the model's, which nobody wrote to."""
    return [path for path in place.files if before.get(path) != _look(path)]


def _look(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns


def snapshot(place: Place) -> dict[Path, tuple[int, int]]:
    """Return what the files look like now."""
    return {path: _look(path) for path in place.files}


def test_the_scanner_finds_what_is_there(tmp_path: Path) -> None:
    planted = {
        "plain": f"xx{MARKER}yy".encode(),
        "little": MARKER.encode("utf-16-le"),
        "big": b"\0" + MARKER.encode("utf-16-be"),
        "case": MARKER.upper().encode(),
        "base64-0": base64.b64encode(MARKER.encode() + b" and more"),
        "base64-1": base64.b64encode(b"1" + MARKER.encode() + b" and more"),
        "base64-2": base64.b64encode(b"12" + MARKER.encode("utf-16-le") + b" and more"),
        f"name {MARKER}": b"nothing in it",
        "database": b"SQLite format 3\0" + b"\xff" * 4000 + MARKER.encode() + b"\xff" * 4000,
    }
    (tmp_path / "clean").write_bytes(os.urandom(100_000) + MARKER[:-1].encode())
    for name, data in planted.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to(f"/nowhere/{MARKER}")
    found = {Path(path).name for path in hits(sorted(tmp_path.iterdir()))}
    assert found == {*planted, "link"}


# The window


class PrivateWindow:
    """The window's process: its steps, and its violent end."""

    def __init__(self, place: Place, how: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "private_window.py"), MARKER, str(place.desk), how],
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place.root,
        )
        self.steps: list[dict[str, Any]] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.steps.append(json.loads(line))
            yield self.steps[-1]
        _, said = self.process.communicate(timeout=10)
        raise AssertionError(f"the window ended by itself ({self.process.returncode}): {said[-4000:]}")

    def kill_while_streaming(self, after_s: float) -> set[int]:
        """Kill it once words of one answer have been coming for so long; return the ids of its children."""
        began, conversation = 0.0, ""
        for step in self:
            if step["step"] != "streaming":
                continue
            if step["conversation"] != conversation:
                began, conversation = step["at"], step["conversation"]
            if step["at"] - began >= after_s and len(step["shown"]) > 100:
                break
        processes = driving.children(self.process.pid)
        assert processes, "there was no worker"
        self.process.send_signal(signal.SIGKILL)
        return processes

    def finish(self) -> str:
        """Read what else it said, and return its stderr."""
        out, said = self.process.communicate(timeout=10)
        for line in out.splitlines():
            if line.endswith("}"):
                self.steps.append(json.loads(line))
        return said


def wait_for_the_end(processes: set[int]) -> None:
    """Workers end with the app, however that ends."""
    end = time.monotonic() + 5
    while left := {pid for pid in processes if Path(f"/proc/{pid}").exists() and not _is_dead(pid)}:
        assert time.monotonic() < end, f"these outlived the app: {left}"
        time.sleep(0.05)


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def test_nothing_of_the_window_is_readable_after_a_kill(place: Place, furnish: Callable[..., Paths]) -> None:
    paths = furnish(Paths.default())
    assert paths.data.is_relative_to(place.root)
    before = snapshot(place)
    window = PrivateWindow(place, "passphrase")
    processes = window.kill_while_streaming(KEPT_WITHIN_S + 0.6)
    told = window.finish()
    wait_for_the_end(processes)
    assert MARKER.lower() not in told.lower()
    assert {"entered", "chatted", "summarized", "opened", "found"} <= {step["step"] for step in window.steps}
    assert window.steps[0]["saving"]

    new = changed(place, before)
    assert paths.vault / "vault.db" in new
    assert hits(new) == []
    assert not [path for path in new if b"SQLite format 3" in path.read_bytes()]
    assert not [path for path in new if path.is_relative_to(place.root / "tmp")]
    for path in new:  # nobody else on this computer may even try
        if path.is_relative_to(paths.data):
            assert path.stat().st_mode & 0o077 == 0, path

    check_what_was_kept(paths, window.steps)
    assert hits(changed(place, before)) == []


def check_what_was_kept(paths: Paths, steps: list[dict[str, Any]]) -> None:
    """Open the vault again: what the window showed as saved is there, and it can be found."""
    app = App(paths, passphrase=PASSPHRASE)
    try:
        assert app.open().kind == "open"
        found = app.search.search(MARKER)
        assert {item.kind for item in found} >= {"conversation", "document", "translation"}
        assert {record.name for record in app.library.documents()} == {
            f"{MARKER}.txt",
            f"second {MARKER}.md",
        }
        assert [item for item in found if item.kind == "summary"]

        last = [step for step in steps if step["step"] == "streaming"][-1]
        streaming = [step for step in steps if step.get("conversation") == last["conversation"]]
        question, answer = app.history.messages(last["conversation"])
        assert MARKER in question.text
        assert answer.state == "interrupted"
        assert answer.text
        shown = plain(last["shown"])
        assert shown.startswith(plain(answer.text)[:200])
        # All that had been on screen for two seconds is there.
        old = [s["shown"] for s in streaming if s["at"] < last["at"] - KEPT_WITHIN_S - SLACK_S]
        if old:
            assert len(plain(answer.text)) >= len(plain(old[-1]))
        assert app.history.draft(last["conversation"]) == last["draft"]
        assert MARKER in last["draft"]
    finally:
        app.close()


def plain(text: str) -> str:
    """Return letters and digits alone: marks of Markdown are not on the screen."""
    return re.sub(r"[\W_]+", "", text)


def test_nothing_of_a_window_without_saving_is_kept(place: Place, furnish: Callable[..., Paths]) -> None:
    paths = furnish(Paths.default())
    before = snapshot(place)
    window = PrivateWindow(place, "memory")
    processes = window.kill_while_streaming(0.5)
    told = window.finish()
    wait_for_the_end(processes)
    assert MARKER.lower() not in told.lower()
    (entered,) = [step for step in window.steps if step["step"] == "entered"]
    assert not entered["saving"]
    (found,) = [step for step in window.steps if step["step"] == "found"]
    assert set(found["kinds"]) >= {"conversation", "document", "translation"}  # in memory it was all there
    assert hits(changed(place, before)) == []
    assert not paths.vault.exists()


# The command line


def command(place: Place, *arguments: str) -> subprocess.Popen[str]:
    """Start a command with the passphrase in the environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "desktop_slm", *arguments],
        env={**place.environment, "DESKTOP_SLM_PASSPHRASE": PASSPHRASE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place.root,
    )


def done(place: Place, *arguments: str) -> dict[str, Any]:
    """Run a command to its end; return its last event."""
    out, said = (process := command(place, *arguments, "--json")).communicate(timeout=120)
    assert process.returncode == 0, out[-500:] + said[-2000:]
    assert MARKER.lower() not in said.lower()
    last: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert last["event"] == "done"
    return last


def long_answer(place: Place) -> tuple[subprocess.Popen[str], list[tuple[float, str]]] | None:
    """Start a chat and read along until its first save is past; None when it ended before."""
    process = command(place, "chat", "-p", f"Tell a very long story about {MARKER}.", "--json")
    assert process.stdout is not None
    pieces: list[tuple[float, str]] = []
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "piece":
            pieces.append((time.monotonic(), event["text"]))
            if time.monotonic() - pieces[0][0] > KEPT_WITHIN_S + 0.6:
                return process, pieces
    process.communicate(timeout=30)
    assert process.returncode == 0
    return None


def kill_while_it_answers(place: Place) -> str:
    """Kill a chat after its first save; return what it had written by then, two seconds before."""
    for _attempt in range(12):  # the model decides how long its story is
        started = long_answer(place)
        if started is not None:
            break
    else:
        raise AssertionError("twelve answers were too short for this proof")
    process, pieces = started
    processes = driving.children(process.pid)
    process.kill()
    killed_at = time.monotonic()
    process.communicate(timeout=10)
    wait_for_the_end(processes)
    return "".join(text for at, text in pieces if at < killed_at - KEPT_WITHIN_S - SLACK_S / 2)


def test_nothing_of_the_command_line_is_readable_after_a_kill(
    place: Place, furnish: Callable[..., Paths]
) -> None:
    paths = furnish(Paths.default())
    before = snapshot(place)
    file = str(place.desk / f"{MARKER}.txt")
    assert done(place, "summarize", file, "--length", "short")["sentences"]
    done(place, "ask", file, "-q", f"Who guards {MARKER}?")
    done(place, "translate", str(place.desk / f"folder of {MARKER}" / f"second {MARKER}.md"), "--to", "de")
    told = kill_while_it_answers(place)
    assert hits(changed(place, before)) == []
    assert not [path for path in changed(place, before) if path.is_relative_to(place.root / "tmp")]

    items = done(place, "history", "search", MARKER)["items"]
    assert {item["kind"] for item in items} >= {"conversation", "document", "summary", "translation"}
    app = App(paths, passphrase=PASSPHRASE)
    app.open()
    newest = app.history.conversations()[0]
    answer = app.history.messages(newest.id)[-1]
    app.close()
    assert (answer.role, answer.state) == ("assistant", "interrupted")
    assert answer.text.startswith(told)
    assert answer.text
    assert hits(changed(place, before)) == []


def test_nothing_of_an_incognito_command_is_kept(place: Place, furnish: Callable[..., Paths]) -> None:
    paths = furnish(Paths.default())
    done(place, "vault", "init")
    vault = {path: path.read_bytes() for path in paths.vault.iterdir() if path.is_file()}
    before = snapshot(place)
    chat = done(place, "chat", "-p", f"Say {MARKER}.", "--max-tokens", "12", "--incognito")
    assert chat["text"]
    done(place, "ask", str(place.desk / f"{MARKER}.txt"), "-q", f"Who guards {MARKER}?", "--incognito")
    assert hits(changed(place, before)) == []
    assert {path: path.read_bytes() for path in paths.vault.iterdir() if path.is_file()} == vault
    assert done(place, "history", "search", MARKER)["items"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux shows them")
def test_no_process_leaves_its_memory_in_a_core_file(place: Place, furnish: Callable[..., Paths]) -> None:
    """Text and keys would lie in it, readable."""
    furnish(Paths.default())
    script = "import resource, runpy, sys\n"
    script += "most = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
    script += "resource.setrlimit(resource.RLIMIT_CORE, (most, most))\n"
    script += "sys.argv = ['desktop-slm', 'chat', '-p', 'Tell a long story.', '--json']\n"
    script += "runpy.run_module('desktop_slm', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**place.environment, "DESKTOP_SLM_PASSPHRASE": PASSPHRASE},
        stdout=subprocess.PIPE,
        text=True,
        cwd=place.root,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "piece":
            break
    everyone = {process.pid, *driving.children(process.pid)}
    assert len(everyone) >= 2
    for pid in everyone:
        (limit,) = re.findall(r"Max core file size\s+(\S+)", Path(f"/proc/{pid}/limits").read_text())
        assert limit == "0", pid
    process.kill()
    process.communicate(timeout=10)
