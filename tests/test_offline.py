"""Everything works without a network, and nothing tries to use one.

The workers' own walls are tried from within in ``tests/engine`` and ``tests/documents`` (a captured worker
can open no INET socket); here is the whole of it from outside: a kernel without a network, and a witness of
every socket that any process of ours asks for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import driving
import pytest

from desktop_slm.paths import HOME_VARIABLE, Paths

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "resources" / "samples" / "riverside-annual-report-2025.pdf"
NO_NETWORK = ("unshare", "--user", "--map-root-user", "--net")
INTERNET = re.compile(r"\bAF_INET6?\b|\bAF_NETLINK\b|\bAF_PACKET\b")
VARIES = {
    *("seconds", "usage", "first_token_s", "decode_s", "updated", "created", "verified_at"),
    *("memory", "free_bytes", "threads"),
    *("path", "prepared_from"),
}
"""Fields that differ between any two runs: times, what else the computer does, folders."""


def works(*command: str) -> str:
    """Return "" when a command can be run here, else why not."""
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]}"
    try:
        done = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or "it does not work here"


needs_unshare = pytest.mark.skipif(bool(works(*NO_NETWORK)), reason=f"unshare: {works(*NO_NETWORK)}")
needs_strace = pytest.mark.skipif(
    bool(works("strace", "-f", "-o", os.devnull)), reason=f"strace: {works('strace', '-f', '-o', os.devnull)}"
)


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment with a home of its own and a passphrase."""
    return {
        **os.environ,
        "HOME": str(home),
        HOME_VARIABLE: str(home),
        "DESKTOP_SLM_PASSPHRASE": driving.PASSPHRASE,
        "QT_QPA_PLATFORM": "offscreen",
        **more,
    }


def tour(prefix: Sequence[str], home: Path) -> dict[str, Any]:
    """Go on the tour, all of it below ``prefix``."""
    text = home / "text.txt"
    text.write_text("The clinic opens at eight.\n")
    done = subprocess.run(
        [*prefix, sys.executable, str(HERE / "offline_tour.py"), str(SAMPLE)],
        env=environment(home, TOUR_TEXT=str(text)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def without_what_varies(value: Any) -> Any:
    """Return a result without times and folders."""
    if isinstance(value, dict):
        return {key: without_what_varies(part) for key, part in value.items() if key not in VARIES}
    if isinstance(value, list):
        return [without_what_varies(part) for part in value]
    return value


@needs_unshare
def test_the_whole_tour_without_a_network_gives_the_same(
    furnish: Callable[..., Paths], tmp_path: Path
) -> None:
    for name in ("with", "without"):
        furnish(tmp_path / name)
    without = tour(NO_NETWORK, tmp_path / "without")
    assert without["interfaces"] == [], "this proof needs a kernel without a network"
    results = without["results"]
    assert results["summarize"]["sentences"]
    assert results["summarize"]["coverage"]["read"] == [3]
    assert "3.8 million" in json.dumps(results["ask"]["sentences"])
    assert results["chat"]["text"]
    assert results["translate"]["text"].strip()
    assert {item["kind"] for item in results["search"]["items"]} >= {"document", "summary"}
    assert results["models"]["models"][0]["id"] == "starter"
    assert "seccomp" in results["doctor"]["sandbox"]["inference"]
    assert "seccomp" in results["doctor"]["sandbox"]["reader"]
    assert results["doctor"]["network"]["last_use"] is None

    with_one = tour((), tmp_path / "with")["results"]
    for name in ("summarize", "ask", "chat", "doctor", "models"):
        assert without_what_varies(results[name]) == without_what_varies(with_one[name]), name


# The witness


def sockets(trace: Path, *command: str, env: dict[str, str] | None = None) -> list[str]:
    """Run a command and all its children under strace; return every socket they asked for, got or not."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-s", "64", "-e", "trace=socket", "-o", str(trace), *command],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return [line for line in trace.read_text().splitlines() if "socket(" in line]


@needs_strace
def test_the_witness_sees_a_socket_of_a_child_even_a_refused_one(tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    inner = "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)"
    open_ = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{inner}'], check=True)"
    seen = sockets(tmp_path / "open", sys.executable, "-c", open_)
    assert [line for line in seen if INTERNET.search(line)]
    refused = (
        "from desktop_slm.processes import sandbox, selftest\n"
        "sandbox.restrict()\n"
        "assert selftest.probe(())['socket INET'] == 'EPERM'"
    )
    seen = sockets(tmp_path / "refused", sys.executable, "-c", refused)
    assert [line for line in seen if INTERNET.search(line) and "EPERM" in line]


@needs_strace
def test_a_summary_asks_for_no_internet_socket(furnish: Callable[..., Paths], tmp_path: Path) -> None:
    furnish(tmp_path / "home")
    command = (
        sys.executable,
        "-m",
        "desktop_slm",
        "summarize",
        str(SAMPLE),
        "--pages",
        "1-2",
        "--length",
        "short",
    )
    seen = sockets(tmp_path / "trace", *command, env=environment(tmp_path / "home"))
    assert not [line for line in seen if INTERNET.search(line)], seen


@needs_strace
@pytest.mark.slow
def test_the_window_asks_for_no_internet_socket(furnish: Callable[..., Paths], tmp_path: Path) -> None:
    """The same tour as that of the privacy proof: every page, the workers, the printing child."""
    furnish(tmp_path / "home")
    desk = tmp_path / "desk"
    (desk / "folder of Lantern").mkdir(parents=True)
    story = "Lantern is a tower by the sea. Old Ferguson guards Lantern day and night. It has nine bells. "
    (desk / "Lantern.txt").write_text(story * 3)
    (desk / "folder of Lantern" / "second Lantern.md").write_text(story)
    environ = environment(tmp_path / "home")
    del environ["DESKTOP_SLM_PASSPHRASE"]
    script = str(HERE / "private_window.py")
    command = (sys.executable, script, "Lantern", str(desk), "passphrase", "--once")
    seen = sockets(tmp_path / "trace", *command, env=environ)
    assert not [line for line in seen if INTERNET.search(line)], seen
