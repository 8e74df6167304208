"""Filters of system calls such as containers have, for preexec_fn: they hold for what is run then."""

import ctypes
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

# x86-64
SYS_WRITE = 1
SYS_PROCESS_VM_READV = 310

LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06  # of classic BPF
ANSWER_ERRNO, ANSWER_ALLOW = 0x00050000, 0x7FFF0000
NUMBER, THIRD_ARGUMENT = 0, 32  # offsets in struct seccomp_data; of an argument its lower half


def refuse(number, errno, third_at_least=0):
    """From now on this system call answers `errno`, if its third argument is that much."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (LOAD, 0, 0, NUMBER),
            (JUMP_IF_EQUAL, 0, 3, number),
            (LOAD, 0, 0, THIRD_ARGUMENT),
            (JUMP_IF_AT_LEAST, 0, 1, third_at_least),
            (ANSWER, 0, 0, ANSWER_ERRNO | errno),
            (ANSWER, 0, 0, ANSWER_ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")
