"""The number of threads follows what the other programs leave."""

from collections import Counter

from desktop_slm.engine.threads import ThreadTuner


class Machine:
    """Cores of which others take some; spinning threads use what they get.

    Work of 10 ms is shared by the threads that are of use; a thread without a core holds up all others.
    """

    def __init__(self, cores, useful=0):
        self.cores, self.useful, self.taken, self.now = cores, useful or cores, 0.0, 0.0
        self.applied, self.seconds = [], Counter()
        self.tuner = ThreadTuner(cores, self.applied.append, clock=lambda: self.now)

    def run(self, seconds):
        end = self.now + seconds
        self.seconds.clear()
        while self.now < end:
            threads = self.tuner.threads
            got = min(threads, max(1.0, self.cores - self.taken))
            wall = 0.01 / min(threads, self.useful) * (1 if threads <= self.useful else 1.2)
            wall *= 1 if got == threads else 20
            self.now += wall
            self.seconds[threads] += wall
            self.tuner.note(wall, wall * got)


def test_an_idle_machine_keeps_all_threads():
    machine = Machine(8)
    machine.run(120)
    assert machine.tuner.threads == 8
    assert set(machine.applied) <= {8, 7}
    assert len(machine.applied) <= 1 + 2 * 4  # a look at seven threads every half minute


def test_taken_cores_are_left_alone_and_taken_back_when_free():
    machine = Machine(8)
    machine.taken = 3
    machine.run(20)
    assert machine.seconds[5] > 0.9 * 20
    machine.taken = 0
    machine.run(20)
    assert machine.tuner.threads == 8


def test_asking_for_a_taken_core_becomes_rare():
    machine = Machine(2)
    machine.taken = 1
    machine.run(10)
    before = len(machine.applied)
    machine.run(80)
    assert len(machine.applied) - before <= 2 * 80 / 16 + 2
    assert machine.tuner.threads == 1


def test_a_short_disturbance_costs_little():
    machine = Machine(2)
    machine.run(1)
    machine.taken = 1
    machine.run(0.1)
    machine.taken = 0
    machine.run(0.7)
    assert machine.tuner.threads == 2


def test_threads_that_do_not_help_are_not_used():
    """Hardware threads that share a core get all their time, and steps are slower all the same."""
    machine = Machine(4, useful=3)
    machine.run(120)
    assert machine.tuner.threads == 3
    before = len(machine.applied)
    machine.run(160)
    assert len(machine.applied) - before <= 2 * 160 / 16 + 2


def test_batches_of_different_sizes_are_not_compared():
    now = [0.0]
    applied = []
    tuner = ThreadTuner(2, applied.append, start=1, clock=lambda: now[0])
    for size in (1, 8) * 40:  # a batch of eight takes longer, whatever the threads
        now[0] += 0.01 * size
        tuner.note(0.01 * size, 0.01 * size * tuner.threads, size)
    assert tuner.threads == 2


def test_one_core_is_never_left():
    machine = Machine(1)
    machine.taken = 5
    machine.run(5)
    assert machine.tuner.threads == 1
