"""A hostile program for the inside of a user's container: each function tries one way out and returns if it got there.

Standard library only. ``python3 - <attempts.py`` inside prints as JSON what became of each.
"""

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import time
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWUSER, CLONE_NEWNET, MS_REMOUNT, PTRACE_ATTACH, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 32, 16, 38
CALL_NUMBERS = {"bpf": 321, "finit_module": 313, "kexec_load": 246, "keyctl": 250, "open_by_handle_at": 304}
"""Numbers of system calls for x86_64 that the C library has no function for."""


def checked(result: int) -> None:
    """Raise what the last call of the C library met."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system_call(name: str, *arguments: int) -> None:
    checked(libc.syscall(CALL_NUMBERS[name], *arguments))


def write(path: str, text: str = "x") -> None:
    with open(path, "w") as file:  # noqa: PTH123 - /proc files are not ordinary ones
        file.write(text)


def read(path: str) -> None:
    """Read one byte; a file that is masked by /dev/null has none."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        if not file.read(1):
            raise PermissionError(f"{path} is empty")


# Becoming somebody else


def become_root() -> None:
    os.setuid(0)


def join_roots_group() -> None:
    os.setgroups([0])


def take_back_no_new_privileges() -> None:
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0))


def make_a_user_namespace() -> None:
    checked(libc.unshare(CLONE_NEWUSER))


def make_a_network_namespace() -> None:
    checked(libc.unshare(CLONE_NEWNET))


def enter_the_first_process_namespaces() -> None:
    with open("/proc/1/ns/mnt") as namespace:  # noqa: PTH123
        checked(libc.setns(namespace.fileno(), 0))


def read_password_hashes() -> None:
    read("/etc/shadow")


# File systems


def mount_a_file_system() -> None:
    checked(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))


def make_the_root_writable() -> None:
    checked(libc.mount(b"none", b"/", None, MS_REMOUNT, None))


def unmount_the_home() -> None:
    checked(libc.umount2(b"/home/blender", 0))


def change_the_root_folder() -> None:
    os.chroot("/tmp")


def open_files_by_handle() -> None:
    system_call("open_by_handle_at", 0, 0, 0)


def make_a_block_device() -> None:
    os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0))


def write_to_the_root() -> None:
    write("/owned")


def add_a_user() -> None:
    write("/etc/passwd")


def replace_a_program() -> None:
    write("/usr/bin/blender")


def replace_the_mcp_server() -> None:
    write("/opt/p2m/bin/python")


# The kernel


def load_a_module() -> None:
    system_call("finit_module", 0, 0, 0)


def load_another_kernel() -> None:
    system_call("kexec_load", 0, 0, 0, 0)


def load_a_bpf_program() -> None:
    system_call("bpf", 0, 0, 0)


def use_the_kernels_keyring() -> None:
    system_call("keyctl", 0, -3 & 0xFFFFFFFFFFFFFFFF, 1)


def read_the_memory_of_the_machine() -> None:
    read("/proc/kcore")


def read_the_kernels_keys() -> None:
    read("/proc/keys")


def read_the_kernels_log() -> None:
    read("/dev/kmsg")


def press_sysrq() -> None:
    write("/proc/sysrq-trigger", "?")


def run_a_program_of_mine_at_each_crash() -> None:
    write("/proc/sys/kernel/core_pattern", "|/tmp/owned")


def drop_the_machines_caches() -> None:
    write("/proc/sys/vm/drop_caches", "0")


def set_the_uevent_helper() -> None:
    write("/sys/kernel/uevent_helper")


def set_the_clock() -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time())


def rename_the_host() -> None:
    socket.sethostname("owned")


# Limits


def raise_a_limit_of_the_container() -> None:
    write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1")


def make_a_cgroup() -> None:
    os.mkdir("/sys/fs/cgroup/owned")  # noqa: PTH102


def make_a_cgroup_of_the_pids_controller() -> None:
    os.mkdir("/sys/fs/cgroup/pids/owned")  # noqa: PTH102


def be_spared_when_memory_is_short() -> None:
    write("/proc/self/oom_score_adj", "-1000")


def go_before_everybody_else() -> None:
    os.nice(-5)


def run_in_real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def raise_a_hard_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))


# The network


def send_packets_of_any_kind() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def send_ip_packets_of_any_kind() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def take_another_address() -> None:
    with socket.socket() as control:
        name = struct.pack("16sH14s", b"eth0", socket.AF_INET, b"\0\0" + socket.inet_aton("10.9.8.7"))
        fcntl.ioctl(control, 0x8916, name)  # SIOCSIFADDR


def forward_packets() -> None:
    write("/proc/sys/net/ipv4/ip_forward", "1")


HELPERS = {checked, system_call, write, read}
ATTEMPTS: dict[str, Callable[[], None]] = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and value not in HELPERS
}


def outcome(attempt: Callable[[], None]) -> str:
    """The error that stopped an attempt, empty when nothing did."""
    try:
        attempt()
    except (OSError, ValueError, OverflowError) as error:
        return repr(error)
    return ""


if __name__ == "__main__":
    print(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS.items()}))
