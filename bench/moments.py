"""When each part of a container came up, read from what those who know have written down.

The engine: when the container was created and started. s6: when the X server told it that it accepts clients. The
kernel: when the sockets of Blender and the MCP server appeared. Jupyter's log: its first line after the imports, and
the line that says that it listens.
"""

import re
from datetime import datetime
from typing import Any

SOCKETS = {
    "X accepts clients": "/run/p2m-services/xserver/supervise/status",
    "MCP server listens": "/run/p2m/mcp.sock",
    "Blender listens": "/run/p2m/blender.sock",
}
"""Files whose modification time is the moment."""

JUPYTER_IMPORTED = re.compile(r"^(\S+) \[[A-Z] .*(?:ServerApp|SingleUser)\]", re.MULTILINE)
JUPYTER_LISTENS = re.compile(r"^(\S+) .* is running at:", re.MULTILINE)


def moments(container: Any) -> dict[str, float]:
    """Say when each part came up, in seconds since the epoch.

    Args:
        container: A running container of the user image, of docker-py.
    """
    container.reload()
    code, output = container.exec_run(["stat", "-c", "%n %.9Y", *SOCKETS.values()])
    assert code == 0, output
    changed = dict(line.split() for line in output.decode().splitlines())
    log = container.logs(timestamps=True).decode(errors="replace")
    return {
        "container created": epoch(container.attrs["Created"]),
        "container started": epoch(container.attrs["State"]["StartedAt"]),
        **{name: float(changed[path]) for name, path in SOCKETS.items()},
        "Jupyter has imported": first(JUPYTER_IMPORTED, log),
        "Jupyter listens": first(JUPYTER_LISTENS, log),
    }


def first(pattern: re.Pattern[str], log: str) -> float:
    """The moment of the first line of a log that matches; its first word is the engine's timestamp."""
    found = pattern.search(log)
    assert found, log
    return epoch(found[1])


def epoch(timestamp: str) -> float:
    """Seconds since the epoch of a timestamp of the engine, which has nanoseconds."""
    seconds, fraction = timestamp.removesuffix("Z").split(".")
    return datetime.fromisoformat(f"{seconds}+00:00").timestamp() + float(f"0.{fraction}")
