"""A self-test child and what it said, for the tests of children and walls."""

import queue
import time

from desktop_slm.processes import selftest
from desktop_slm.processes.child import Child


class Probe:
    """A self-test child with what it said."""

    def __init__(self, **options):
        self.messages = queue.SimpleQueue()
        self.deaths = []
        self.child = Child(
            "desktop_slm.processes.selftest",
            name="probe",
            receives=selftest.Answer,
            on_message=self.messages.put,
            on_death=self.deaths.append,
            **options,
        )

    def ask(self, order, timeout=20):
        self.child.send(order)
        return self.messages.get(timeout=timeout)

    def death(self, timeout=20):
        end = time.monotonic() + timeout
        while not self.deaths:
            assert time.monotonic() < end, "no death was told"
            time.sleep(0.01)
        assert len(self.deaths) == 1
        return self.deaths[0]
