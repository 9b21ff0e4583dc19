"""How much processor time this container has used, in the words of its cgroup: versions 1 and 2, under any engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Processor:
    """Processor time of a container.

    Attributes:
        used_seconds: Since it was started, all cores together; None when the kernel does not say.
        limit_cores: How many cores it may use at a time: its limit, or all of the machine that it may run on; None
            when the kernel does not say.
    """

    used_seconds: float | None
    limit_cores: float | None


def processor(root: Path = CGROUPS) -> Processor:
    """Read the processor time of the container that this process runs in.

    Args:
        root: Where cgroups are mounted.
    """
    if (root / "cpu.stat").exists():
        return Processor(_usage(root / "cpu.stat"), _limit(_words(root / "cpu.max")))
    quota, period = _words(root / "cpu/cpu.cfs_quota_us"), _words(root / "cpu/cpu.cfs_period_us")
    used = _number(_words(root / "cpuacct/cpuacct.usage"))
    return Processor(None if used is None else used / 1e9, _limit(quota + period))


def _usage(path: Path) -> float | None:
    words = _words(path)
    used = _number(words[words.index("usage_usec") + 1 :]) if "usage_usec" in words else None
    return None if used is None else used / 1e6


def _limit(quota_and_period: list[str]) -> float | None:
    """Cores from a quota and the period that it is for; version 2 says ``max`` and version 1 -1 for no limit."""
    if not quota_and_period:
        return None
    quota, period = _number(quota_and_period), _number(quota_and_period[1:])
    return quota / period if quota and period and quota > 0 else float(len(os.sched_getaffinity(0)))


def _words(path: Path) -> list[str]:
    """Return the words of a file, none when it cannot be read."""
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _number(words: list[str]) -> int | None:
    """Return the first word as a number, None when it is none."""
    try:
        return int(words[0])
    except (IndexError, ValueError):
        return None
