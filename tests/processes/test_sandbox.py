"""The walls hold: proven by a child that runs against them."""

import sys

import pytest
from selftest_probe import Probe

from desktop_slm.processes import landlock, seccomp, selftest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux")


@pytest.fixture
def confined(tmp_path):
    """A confined child, the level it reached and the paths: (readable, writable, outside)."""
    readable, writable, outside = (tmp_path / name for name in ("readable", "writable", "outside"))
    for folder in (readable, writable, outside):
        folder.mkdir()
        (folder / "file").write_text("x")
    probe = Probe()
    answer = probe.ask(selftest.Confine((str(readable),), (str(writable),)))
    paths = tuple(str(folder / "file") for folder in (readable, writable, outside))
    report = probe.ask(selftest.Probe((*paths, "/etc/passwd")))
    yield answer.level, report.attempts
    probe.child.stop()


def test_no_sockets_no_programs_no_peeking(confined):
    level, attempts = confined
    assert level.seccomp
    for act in ("socket INET", "socket INET6", "socket NETLINK", "start a program", "start a process",
                "trace a process"):  # fmt: skip
        assert attempts[act] == "EPERM", act


@pytest.mark.skipif(landlock.abi() < 1, reason="this kernel has no Landlock")
def test_paths(confined):
    level, attempts = confined
    assert level.landlock_abi >= 1
    assert level.notes == ()
    assert [attempts[f"read path {n}"] for n in range(4)] == ["allowed", "allowed", "EACCES", "EACCES"]
    assert [attempts[f"write path {n}"] for n in range(4)] == ["EACCES", "allowed", "EACCES", "EACCES"]
    assert attempts["read the home folder"] == "EACCES"


def test_without_the_walls_the_same_attempts_succeed(tmp_path):
    """Else the tests above would prove nothing."""
    file = tmp_path / "file"
    file.write_text("x")
    probe = Probe()
    attempts = probe.ask(selftest.Probe((str(file),))).attempts
    assert attempts["socket INET"] == "allowed"
    assert attempts["start a program"] == "allowed"
    assert attempts["start a process"] == "allowed"
    assert attempts["read path 0"] == attempts["write path 0"] == "allowed"
    probe.child.stop()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_valid_program(machine):
    code = seccomp.program(machine)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 4096
    lines = [code[at : at + 8] for at in range(0, len(code), 8)]
    for number, line in enumerate(lines):
        operation = int.from_bytes(line[:2], "little")
        if operation & 7 == 5:  # a jump stays inside
            assert number + 1 + max(line[2], line[3]) < len(lines)
    assert int.from_bytes(lines[-1][:2], "little") == 6  # ends with a return


def run_filter(machine, number, argument=0, arch=None):
    """Interpret the filter for one call and return its verdict."""
    code = seccomp.program(machine)
    lines = [code[at : at + 8] for at in range(0, len(code), 8)]
    fields = {0: number, 4: arch or seccomp._AUDIT_ARCH[machine], 16: argument}
    accumulator, at = 0, 0
    while True:
        operation = int.from_bytes(lines[at][:2], "little")
        yes, no, value = lines[at][2], lines[at][3], int.from_bytes(lines[at][4:], "little")
        if operation == 0x20:
            accumulator = fields[value]
        elif operation == 0x06:
            return value
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += yes if test[operation] else no
        at += 1


@pytest.mark.parametrize(
    ("machine", "read", "socket", "execve", "clone"),
    [("x86_64", 0, 41, 59, 56), ("aarch64", 63, 198, 221, 220)],
)
def test_verdicts_on_both_machines(machine, read, socket, execve, clone):
    allow, refuse, no_such_call, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    assert run_filter(machine, read) == allow
    assert run_filter(machine, socket, 2) == refuse
    assert run_filter(machine, execve) == refuse
    assert run_filter(machine, clone, 0x11) == refuse  # a process
    assert run_filter(machine, clone, 0x3D0F00) == allow  # a thread, as pthread_create asks
    assert run_filter(machine, 435) == no_such_call  # clone3
    assert run_filter(machine, 425) == refuse  # io_uring_setup
    assert run_filter(machine, read, arch=0x40000003) == kill  # 32-bit calls have other numbers
