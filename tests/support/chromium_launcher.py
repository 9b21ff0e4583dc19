#!/usr/bin/env python3
"""Starts Debian's Chromium without a view of the machine's network interfaces.

Chromium listens on a netlink socket for addresses that come and go, and then ends requests that are just connecting,
with ``ERR_NETWORK_CHANGED``. Each container of other tests brings an interface. A filter of system calls refuses it
netlink sockets, so it takes the network for one that does not change.
"""

import ctypes
import os
import platform
import struct
import sys

PROGRAM = "/usr/bin/chromium"

# <linux/audit.h>, <asm/unistd.h>: how the kernel names the machine, and the number of socket(2) on it.
ARCHITECTURE, SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}[platform.machine()]
AF_NETLINK = 16
EAFNOSUPPORT = 97

# <linux/prctl.h>, <linux/seccomp.h>, <linux/bpf_common.h>
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # offsets in struct seccomp_data


def instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """A struct sock_filter; jumps count instructions from the next one."""
    return struct.pack("HBBI", code, if_true, if_false, operand)


FILTER = b"".join(
    [
        instruction(LOAD, ARCHITECTURE_AT),
        instruction(JUMP_IF_EQUAL, ARCHITECTURE, if_false=5),
        instruction(LOAD, NUMBER_AT),
        instruction(JUMP_IF_EQUAL, SOCKET, if_false=3),
        instruction(LOAD, FIRST_ARGUMENT_AT),
        instruction(JUMP_IF_EQUAL, AF_NETLINK, if_false=1),
        instruction(RETURN, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        instruction(RETURN, SECCOMP_RET_ALLOW),
    ]
)


class FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def prctl(*arguments: object) -> None:
    """prctl(2), with an exception when it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*arguments, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl{arguments}")


prctl(PR_SET_NO_NEW_PRIVS, 1, 0)
prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(FilterProgram(len(FILTER) // 8, FILTER)))
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])  # noqa: S606
