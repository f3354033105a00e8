"""Giving up, for good, everything a guest does not need: limits of the kernel, and a filter of system calls.

The filter (seccomp, Linux) is a list of what is allowed; any other system call fails with EPERM, so that a script gets
an error of its language instead of killing its guest.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SIGKILL = 9

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_EPERM = 0x00050001
_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _THIRD_ARGUMENT_OFFSET = 0, 4, 32
_PROT_EXEC = 4


class SandboxError(Exception):
    """This machine can't keep scripts locked up, so none may run."""


class _Architecture(NamedTuple):
    audit: int
    mapping: tuple[int, ...]
    """mmap, mprotect: allowed unless they make memory executable."""
    allowed: tuple[int, ...]


# read write close lseek brk munmap mremap madvise futex rt_sigprocmask rt_sigreturn sigaltstack sched_yield setitimer
# getpid gettid getrusage gettimeofday clock_gettime clock_getres getrandom restart_syscall rseq exit exit_group;
# x86-64 also has time. Socket and file calls are not among them: the one open socket is read and written.
_X86_64 = "0 1 3 8 12 11 25 28 202 14 15 131 24 38 39 186 98 96 228 229 318 219 334 60 231 201"
_AARCH64 = "63 64 57 62 214 215 216 233 98 135 139 132 124 103 172 178 165 169 113 114 278 128 293 93 94"
_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, (9, 10), tuple(map(int, _X86_64.split()))),
    "aarch64": _Architecture(0xC00000B7, (222, 226), tuple(map(int, _AARCH64.split()))),
}


def syscall_filter() -> bytes:
    """Return the filter as a BPF program: instructions of 8 bytes, in the machine's byte order.

    Raises:
        SandboxError: not Linux, or a processor whose system calls are not known here.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        raise SandboxError(f"data-parsing scripts cannot be locked up on {sys.platform} {platform.machine()}")
    # From the end: [mapping check][RETURN EPERM][RETURN ALLOW]; jumps count instructions to skip.
    known = [*architecture.mapping, *architecture.allowed]
    program = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_IF_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
    ]
    for index, number in enumerate(known):
        after = len(known) - index - 1
        to_mapping_check, to_allow = after + 1, after + 4
        target = to_mapping_check if number in architecture.mapping else to_allow
        program.append((_JUMP_IF_EQUAL, target, 0, number))
    program += [
        (_RETURN, 0, 0, _EPERM),
        (_LOAD_WORD, 0, 0, _THIRD_ARGUMENT_OFFSET),
        (_JUMP_IF_SET, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; stays in force over exec."""
    _prctl(PR_SET_PDEATHSIG, SIGKILL)


def seal(memory_bytes: int) -> None:
    """Lock this process up for the rest of its life.

    Args:
        memory_bytes: how much its address space may grow.

    Raises:
        SandboxError: the kernel refuses.
    """
    program = syscall_filter()
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib is memory in every guest
        in_use = int(statm.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: in_use + memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(program) // 8, program)))


def _prctl(option: int, value: int, argument: object = 0) -> None:
    if _libc.prctl(option, value, argument, 0, 0):
        raise SandboxError(f"the kernel refuses prctl({option}): {os.strerror(ctypes.get_errno())}")
