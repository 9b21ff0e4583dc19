"""How much memory this container uses, in the words of its cgroup: versions 1 and 2, under any engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

UNLIMITED = 2**60
"""Limits from here on are none: version 1 says 2^63 rounded down to a page when there is no limit."""


@dataclass(frozen=True)
class Memory:
    """Memory of a container, in bytes.

    Attributes:
        used: What it uses, without file pages that the kernel can drop at once, as ``docker stats`` and Kubernetes
            count it; None when the kernel does not say.
        limit: What it may use; None when there is no limit.
    """

    used: int | None
    limit: int | None


def memory(root: Path = CGROUPS) -> Memory:
    """Read the memory of the container that this process runs in.

    Args:
        root: Where cgroups are mounted.
    """
    if (root / "memory.current").exists():
        return _read(root, "memory.current", "memory.max", "inactive_file")
    return _read(root / "memory", "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")


def _read(folder: Path, usage: str, limit: str, inactive: str) -> Memory:
    used = _number(folder / usage)
    most = _number(folder / limit)
    if used is not None:
        used = max(0, used - _statistic(folder / "memory.stat", inactive))
    return Memory(used, None if most is None or most >= UNLIMITED else most)


def _number(path: Path) -> int | None:
    """Return the number in a file; None when it has none, as version 2's word ``max``, or cannot be read."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _statistic(path: Path, name: str) -> int:
    """Return one line of ``memory.stat``, 0 when it is not there."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(value) for key, _, value in (line.partition(" ") for line in lines) if key == name), 0)
