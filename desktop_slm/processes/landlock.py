"""Landlock rules: which paths this thread, and those it starts later, may read or write.

Numbers: ``linux/landlock.h``; the calls have one number on all architectures.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
# Rights known to each version of the interface; a kernel refuses a bit that it does not know.
_HANDLED_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_ABI, _NETWORK = 4, (1 << 0) | (1 << 1)  # bind and connect TCP
_SCOPE_ABI, _SCOPES = 6, (1 << 0) | (1 << 1)  # abstract unix sockets and signals stay inside

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _REMOVE_FILE | _REMOVE_DIR | _MAKE_DIR | _MAKE_REG | _REFER
_DEVICE = _READ | _WRITE_FILE | _IOCTL_DEV
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Return the version of the kernel's Landlock, 0 where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)))


def install(
    read_paths: Iterable[str], write_paths: Iterable[str], device_paths: Iterable[str], *, allow_exec: bool
) -> str:
    """Restrict this thread to the paths; return "" or why it is not possible.

    Paths that do not exist are left out: nothing below them can be opened then.
    """
    version = abi()
    if version < 1:
        return "this kernel has no Landlock"
    libc = ctypes.CDLL(None, use_errno=True)
    handled = _HANDLED_BY_ABI[min(version, max(_HANDLED_BY_ABI))]
    ruleset = _Ruleset(
        handled,
        _NETWORK if version >= _NETWORK_ABI else 0,
        _SCOPES if version >= _SCOPE_ABI else 0,
    )
    size = 24 if version >= _SCOPE_ABI else 16 if version >= _NETWORK_ABI else 8
    rules = libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0)
    if rules < 0:
        return f"the kernel refused the Landlock rules ({os.strerror(ctypes.get_errno())})"
    try:
        read = _READ | _EXECUTE if allow_exec else _READ
        for paths, rights in ((read_paths, read), (write_paths, _WRITE), (device_paths, _DEVICE)):
            for path in paths:
                _allow(libc, rules, path, rights & handled)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return "the kernel refused no_new_privs"
        if libc.syscall(_RESTRICT_SELF, rules, 0) != 0:
            return f"the kernel refused Landlock ({os.strerror(ctypes.get_errno())})"
    finally:
        os.close(rules)
    return ""


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FILE_RIGHTS
        rule = _PathBeneath(rights, descriptor)
        libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
