"""Children end in every way, and each end is told once, in words."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from selftest_probe import Probe

from desktop_slm.processes import child, selftest, usage
from desktop_slm.processes.child import Child, ChildGone, command, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def probe():
    made = Probe()
    yield made
    made.child.stop()


def test_messages_go_there_and_back_and_prints_do_not_get_between(probe):
    assert probe.ask(selftest.Echo(b"one")) == selftest.Echoed(b"one")
    big = os.urandom(3_000_000)
    assert probe.ask(selftest.Echo(big)) == selftest.Echoed(big)
    death = probe.child.stop()
    assert death.returncode == 0
    assert death.reason == "was stopped"
    assert "printed" in death.log


@pytest.mark.parametrize("number", [6, 9, 11])
def test_death_by_signal_is_named(probe, number):
    probe.child.send(selftest.Die("signal", number))
    death = probe.death()
    assert (death.signal, death.returncode) == (number, -number)
    assert death.reason.startswith(f"was ended by signal {number} (")
    assert not probe.child.alive
    with pytest.raises(ChildGone):
        probe.child.send(selftest.Echo(b"late"))


def test_an_exit_code_and_the_last_words_are_kept(probe):
    probe.child.send(selftest.Die("exit", 3))
    death = probe.death()
    assert death.reason == "exited with code 3"
    assert death.log.splitlines()[-1] == "last words"


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch):
    program = "import os\nfor _ in range(40): os.write(2, b'x' * 250_000)\nos.write(2, b'\\nlast words')"
    monkeypatch.setattr(child, "command", lambda entry: [sys.executable, "-c", program])
    tracemalloc.start()
    try:
        log = Probe().death().log.splitlines()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(line) for line in log] == [400, len("last words")]
    assert most_bytes < 4_000_000  # of the 10 MB that were written


def test_an_error_in_the_child_shows_where_but_not_its_text(probe):
    probe.child.send(selftest.Die("private words"))
    death = probe.death()
    assert death.returncode == 1
    assert "RuntimeError" in death.log
    assert "_die" in death.log
    assert "private words" not in death.log


def test_messages_before_a_death_arrive_before_it():
    order = []
    done = threading.Event()

    def on_death(death):
        order.append("death")
        done.set()

    child = Child(
        "desktop_slm.processes.selftest",
        name="probe",
        receives=selftest.Answer,
        on_message=lambda message: order.append("message"),
        on_death=on_death,
    )
    child.send(selftest.Echo(b"x" * 1000, times=200))
    child.send(selftest.Die("signal", 9))
    assert done.wait(20)
    assert order == ["message"] * 200 + ["death"]


def test_what_is_no_message_ends_the_child():
    seen = threading.Event()
    deaths = []

    def on_death(death):
        deaths.append(death)
        seen.set()

    child = Child(
        "desktop_slm.processes.selftest",
        name="probe",
        receives=selftest.Confined,  # not what it will send
        on_message=lambda message: None,
        on_death=on_death,
    )
    child.send(selftest.Echo(b"x"))
    assert seen.wait(20)
    assert "is no message" in deaths[0].reason


def test_a_deaf_child_is_terminated_and_then_killed(probe):
    probe.ask(selftest.Echo(b"ready"))
    probe.child.send(selftest.Die("deaf"))
    time.sleep(0.1)
    os.kill(probe.child.pid, signal.SIGSTOP)  # neither sees its input close nor dies of a polite signal
    state = Path(f"/proc/{probe.child.pid}/stat")
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)  # its threads stop one after the other
    death = probe.child.stop(grace_s=0.3)
    assert death.signal == signal.SIGKILL


def test_kill_carries_its_reason(probe):
    probe.ask(selftest.Echo(b"ready"))
    probe.child.kill("was too slow")
    assert probe.death().reason == "was too slow"


def test_stop_twice_and_after_death_is_calm(probe):
    first = probe.child.stop()
    assert probe.child.stop() is first


def test_too_much_memory_ends_the_child():
    probe = Probe(rss_limit_bytes=150 << 20)
    assert probe.ask(selftest.Eat(memory_bytes=20 << 20)) == selftest.Echoed(b"ate")
    probe.child.send(selftest.Eat(memory_bytes=400 << 20, spin_s=20))
    assert probe.death().reason == "needed more than 150 MB of memory"


def test_too_much_processor_time_ends_the_child_but_can_be_renewed():
    probe = Probe(cpu_limit_s=3)
    for _ in range(2):
        assert probe.ask(selftest.Eat(spin_s=0.4)) == selftest.Echoed(b"ate")
        probe.child.renew_cpu()
    probe.child.send(selftest.Eat(spin_s=20))
    assert probe.death().reason == "needed more than 3 s of processor time"


def test_usage_of_this_process_and_of_none():
    used = usage.of_process(os.getpid())
    assert used.rss_bytes > 5_000_000
    assert used.cpu_s > 0
    assert usage.of_process(2**22 + 12345) is None


def test_the_environment_is_scrubbed(monkeypatch):
    for name in ("PYTHONPATH", "HTTPS_PROXY", "https_proxy", "HF_TOKEN", "LD_PRELOAD", "GGML_BACKEND_PATH"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    kept = environment({"OMP_NUM_THREADS": "2"})
    assert kept["LC_ALL"] == "C.UTF-8"
    assert kept["OMP_NUM_THREADS"] == "2"
    assert not {
        "PYTHONPATH",
        "HTTPS_PROXY",
        "https_proxy",
        "HF_TOKEN",
        "LD_PRELOAD",
        "GGML_BACKEND_PATH",
    } & set(kept)


def test_only_known_entries_start():
    with pytest.raises(ValueError, match="not an entry"):
        Child("os", name="x", receives=int, on_message=print, on_death=print)
    run = subprocess.run(command("os.path"), capture_output=True, check=False, timeout=30)
    assert run.returncode == 2


def test_a_child_dies_with_the_app():
    """The parent is killed with SIGKILL while its child spins: the child must be gone soon after."""
    code = """if True:
        import sys, time
        from desktop_slm.processes import selftest
        from desktop_slm.processes.child import Child
        child = Child("desktop_slm.processes.selftest", name="x", receives=selftest.Answer,
                      on_message=lambda m: print(child.pid, flush=True), on_death=lambda d: None)
        child.send(selftest.Echo(b"x"))
        child.send(selftest.Eat(spin_s=60))
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 5
    while usage.of_process(pid) is not None and time.monotonic() < end:
        time.sleep(0.02)
    used = usage.of_process(pid)
    assert used is None or used.rss_bytes == 0, "the child outlived its app"
