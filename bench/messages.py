"""Messages of 1, 4 and 16 MB to Blender: ours over each socket, and upstream's add-on.

The message is code that does nothing, in a long comment.

    python -m bench messages
"""

from bench.record import Table
from bench.stage import Stage
from bench.upstream import NAME as THEIRS
from bench.upstream import ask

RAW, UNIX = "p2m raw socket", "p2m unix socket"
LIMIT_S = 60.0
"""Seconds one message may take."""


def measure(stage: Stage, runs: int = 5, megabytes: tuple[int, ...] = (1, 4, 16)) -> list[Table]:
    """Send messages of each size in turns.

    Args:
        stage: What it runs on.
        runs: Times each size.
        megabytes: The sizes, in MiB.
    """
    table = Table("A large message, until its reply", "s", [RAW, UNIX, THEIRS], ratio=(RAW, THEIRS))
    ours, theirs = stage.desktop.container, stage.upstream
    for size in megabytes:
        for _ in range(runs):
            for name, container, wire in ((RAW, ours, "tcp"), (UNIX, ours, "unix"), (THEIRS, theirs, "tcp")):
                took = ask(container, wire, "large", size, LIMIT_S)
                table.add(f"{size} MB", name, [] if took is None else [took])
    return [table]
