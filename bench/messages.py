"""Messages of 1, 4 and 16 MB to Blender: ours over each socket, and upstream's add-on.

The message is code that does nothing, in a long comment.

    python -m bench messages
"""

from bench.record import Table
from bench.upstream import NAME as THEIRS
from bench.upstream import ask, upstream
from tests.support.blenders import running_blender

RAW, UNIX = "p2m raw socket", "p2m unix socket"
LIMIT_S = 60.0
"""Seconds one message may take; upstream's largest takes longest, and is sent once."""


def measure(runs: int = 5, megabytes: tuple[int, ...] = (1, 4, 16)) -> list[Table]:
    """Send messages of each size in turns.

    Args:
        runs: Times each size; upstream gets its largest once.
        megabytes: The sizes, in MiB.
    """
    table = Table("A large message, until its reply", "s", [RAW, UNIX, THEIRS], ratio=(RAW, THEIRS))
    with running_blender() as ours, upstream() as other:
        for size in megabytes:
            for run in range(runs):
                for name, container, wire in ((RAW, ours.container, "tcp"), (UNIX, ours.container, "unix"),
                                              (THEIRS, other, "tcp")):  # fmt: skip
                    if name == THEIRS and run and size == max(megabytes):
                        continue
                    took = ask(container, wire, "large", size, LIMIT_S)
                    table.add(f"{size} MB", name, [] if took is None else [took])
    return [table]
