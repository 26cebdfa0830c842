"""A seccomp filter as classic BPF, for x86-64 and aarch64: no sockets, no new programs, no peeking.

Numbers: Linux ``asm/unistd_64.h`` and ``asm-generic/unistd.h``; the program's form: ``linux/seccomp.h``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SYSCALL_SECCOMP = {"x86_64": 317, "aarch64": 277}

# Refused whatever the arguments.
_PROGRAMS = {"x86_64": {"execve": 59, "execveat": 322}, "aarch64": {"execve": 221, "execveat": 281}}
_PROCESSES = {"x86_64": {"fork": 57, "vfork": 58}, "aarch64": {}}
_REFUSED = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "setns": 308,
        "unshare": 272, "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
        "delete_module": 176, "open_by_handle_at": 304, "keyctl": 250, "add_key": 248, "request_key": 249,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "perf_event_open": 241,
        "userfaultfd": 282, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268,
        "unshare": 97, "kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273,
        "delete_module": 106, "open_by_handle_at": 265, "keyctl": 219, "add_key": 217, "request_key": 218,
    },
}  # fmt: skip
# Since Linux 5.1 new calls have one number on all architectures. io_uring could open sockets past a filter.
_REFUSED_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
_SOCKET = {"x86_64": 41, "aarch64": 198}
_SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435

_AF_UNIX = 1
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000
_EPERM, _ENOSYS = 1, 38

_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARG0 = 0, 4, 16  # struct seccomp_data, little-endian low word
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_SET_MODE_FILTER = 1
_FLAG_TSYNC = 1  # all threads, also those that run already
_PR_SET_NO_NEW_PRIVS = 38


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(machine: str, *, allow_exec: bool = False, allow_unix_sockets: bool = False) -> bytes:
    """Return the filter for ``machine`` as BPF instructions of 8 bytes.

    Refused calls fail with EPERM; ``clone3`` with ENOSYS, so that libc takes ``clone``, whose flags a filter
    can see: threads may start, processes may not.
    """
    lines = [
        _instruction(_LOAD_WORD, _OFFSET_ARCH),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        lines += [
            _instruction(_JUMP_AT_LEAST, _X32_BIT, 0, 1),
            _instruction(_RETURN, _ERRNO | _EPERM),
        ]
    refused = set(_REFUSED[machine].values()) | set(_REFUSED_EVERYWHERE.values())
    if not allow_exec:
        refused |= set(_PROGRAMS[machine].values()) | set(_PROCESSES[machine].values())
        lines += _refuse(_CLONE3, _ENOSYS)
        lines += _allow_if(_CLONE[machine], _JUMP_SET, _CLONE_THREAD)
    for number in (_SOCKET[machine], _SOCKETPAIR[machine]):
        if allow_unix_sockets:
            lines += _allow_if(number, _JUMP_EQUAL, _AF_UNIX)
        else:
            lines += _refuse(number, _EPERM)
    for number in sorted(refused):
        lines += _refuse(number, _EPERM)
    return b"".join([*lines, _instruction(_RETURN, _ALLOW)])


def install(*, allow_exec: bool = False, allow_unix_sockets: bool = False) -> str:
    """Put all threads of this process under the filter; return "" or why it is not possible."""
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        return f"no seccomp filter for {machine}"
    code = program(machine, allow_exec=allow_exec, allow_unix_sockets=allow_unix_sockets)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return "the kernel refused no_new_privs"
    argument = _Program(len(code) // 8, code)
    number = _SYSCALL_SECCOMP[machine]
    if libc.syscall(number, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(argument)) != 0:
        return f"the kernel refused the seccomp filter ({os.strerror(ctypes.get_errno())})"
    return ""


def _instruction(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jump_true, jump_false, value)


def _refuse(number: int, error: int) -> list[bytes]:
    return [_instruction(_JUMP_EQUAL, number, 0, 1), _instruction(_RETURN, _ERRNO | error)]


def _allow_if(number: int, test: int, value: int) -> list[bytes]:
    """Refuse ``number`` unless its first argument passes the test; the number is loaded again after."""
    return [
        _instruction(_JUMP_EQUAL, number, 0, 4),
        _instruction(_LOAD_WORD, _OFFSET_ARG0),
        _instruction(test, value, 1, 0),
        _instruction(_RETURN, _ERRNO | _EPERM),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
    ]
