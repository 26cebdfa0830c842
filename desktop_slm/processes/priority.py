"""The priority of a process: work in the background gives way to the window."""

from __future__ import annotations

import ctypes
import os
import sys

_BELOW_NORMAL_PRIORITY_CLASS = 0x00004000  # SetPriorityClass, processthreadsapi.h


def lower() -> None:
    """Put this process a little below the others of this user; inherited by what it starts.

    One step of ``nice`` only: it decides who goes first when both want a core. Three steps cost a third of
    the speed beside two busy programs (docs/decisions.md).
    """
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        kernel.SetPriorityClass.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(1)
