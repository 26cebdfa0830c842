"""PySide6 6.12.0 loses a reference to None at every void call on Python 3.11 and aborts after about 5,100.

The range in pyproject.toml leaves that version out; this finds the next one that does the same.
"""

from __future__ import annotations

import subprocess
import sys

_CALLS = """
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication([])
label, thing = QLabel(), QObject()
for number in range(10_000):
    thing.setObjectName("name")
    label.setText("text")
print("alive")
"""


def test_twenty_thousand_void_calls():
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
