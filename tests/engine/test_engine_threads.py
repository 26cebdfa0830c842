"""The number of threads follows what the other programs leave."""

from desktop_slm.engine.threads import ThreadTuner


class Machine:
    """Cores of which others take some; spinning threads use what they get."""

    def __init__(self, cores):
        self.cores, self.taken, self.now = cores, 0.0, 0.0
        self.applied = []
        self.tuner = ThreadTuner(cores, self.applied.append, clock=lambda: self.now)

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now += 0.01
            got = min(self.tuner.threads, max(1.0, self.cores - self.taken))
            self.tuner.note(0.01, 0.01 * got)


def test_an_idle_machine_keeps_all_threads():
    machine = Machine(8)
    machine.run(60)
    assert machine.applied == [8]


def test_taken_cores_are_left_alone_and_taken_back_when_free():
    machine = Machine(8)
    machine.taken = 3
    machine.run(5)
    assert machine.tuner.threads == 5
    machine.taken = 0
    machine.run(30)
    assert machine.tuner.threads == 8


def test_asking_for_a_taken_core_becomes_rare():
    machine = Machine(2)
    machine.taken = 1
    machine.run(10)
    before = len(machine.applied)
    machine.run(80)
    assert len(machine.applied) - before <= 2 * 80 / 16 + 2
    assert machine.tuner.threads == 1


def test_one_core_is_never_left():
    machine = Machine(1)
    machine.taken = 5
    machine.run(5)
    assert machine.tuner.threads == 1
