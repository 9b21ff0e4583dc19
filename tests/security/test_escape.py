"""Out of the container: more rights, other file systems, the kernel; and what there is to hold on to."""

import pytest

from tests.support.hub import Hub, Person

from . import inside
from .attempts import ATTEMPTS

MOUNTED_BY_THE_ENGINE = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
OURS = {"/", "/tmp", "/run", "/home/blender"}
DEVICES = {
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
}  # fmt: skip

RIGHTS = "grep -hE '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/self/status"
NAMESPACES = "readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/user /proc/self/ns/ipc"

FILES_WITH_CAPABILITIES = """
import os
for top in ("/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local/bin", "/opt/p2m/bin"):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and "security.capability" in os.listxattr(path):
                print(path)
"""


@pytest.fixture(scope="module")
def outcomes(ada: Person) -> dict[str, str]:
    """What stopped each attempt, by its name; empty: nothing did."""
    return dict(inside.run_file(ada, "attempts.py"))


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_there_is_no_way_to(outcomes: dict[str, str], attempt: str):
    assert outcomes[attempt], f"{attempt} was possible"


async def test_an_agent_and_a_terminal_are_as_shut_in_as_what_these_tests_run(ada: Person):
    """All three get into the same namespaces with the same rights, so the attempts above speak for all."""
    script = f"echo; {RIGHTS}; {NAMESPACES}"  # a line that the terminal's prompt can have
    expected = {" ".join(line.split()) for line in inside.run(ada, "sh", "-c", script).splitlines() if line}
    for shown in (await inside.by_agent(ada, "sh", "-c", script), await inside.by_terminal(ada, script)):
        lines = {" ".join(line.split()) for line in shown.splitlines()}
        assert expected <= lines


def test_every_process_is_a_plain_users_with_no_capability_nor_a_way_to_any(ada: Person):
    script = "grep -hE '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/[0-9]*/status | sort -u"
    seen: dict[str, set[str]] = {}
    for line in inside.run(ada, "sh", "-c", script).splitlines():
        name, _, value = line.partition(":")
        seen.setdefault(name, set()).add(" ".join(value.split()))
    nothing = {"0000000000000000"}
    assert seen == {
        "Uid": {"1000 1000 1000 1000"},
        "Gid": {"1000 1000 1000 1000"},
        "Groups": seen["Groups"],
        "CapInh": nothing,
        "CapPrm": nothing,
        "CapEff": nothing,
        "CapBnd": nothing,
        "CapAmb": nothing,
        "NoNewPrivs": {"1"},
        "Seccomp": {"2"},
    }
    assert seen["Groups"] <= {"", "1000"}


def test_no_program_of_the_image_runs_as_somebody_else(ada: Person):
    assert inside.run(ada, "sh", "-c", "find / -xdev -type f -perm /6000 2>/dev/null; true") == ""
    assert inside.run(ada, "python3", "-c", FILES_WITH_CAPABILITIES).split() == []


def test_nothing_of_the_host_is_mounted(ada: Person, hub: Hub):
    kernels = ("/proc", "/sys", "/dev")
    places = {line.split()[4] for line in inside.run(ada, "cat", "/proc/self/mountinfo").splitlines()}
    ours = {place for place in places if not place.startswith(kernels)}
    assert ours == OURS | MOUNTED_BY_THE_ENGINE
    secret_files = "find / -name docker.sock -o -name containerd.sock -o -name '*.sqlite' -o -name admin-password"
    found = inside.run(ada, "sh", "-c", f"{secret_files} 2>/dev/null; true").split()
    assert [path for path in found if not path.startswith("/home/blender/")] == []
    assert inside.run(ada, "sh", "-c", f"ls {hub.state_dir} 2>&1; true").strip().endswith("No such file or directory")


def test_only_harmless_devices_are_there(ada: Person):
    assert set(inside.run(ada, "ls", "/dev").split()) <= DEVICES


def test_only_the_own_processes_are_seen(ada: Person, ben: Person):
    seen = inside.run(ada, "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep ^JUPYTERHUB_USER= | sort -u")
    assert seen.split() == [f"JUPYTERHUB_USER={ada.name}"]
    first = inside.run(ada, "cat", "/proc/1/comm").strip()
    assert first == "s6-svscan"
