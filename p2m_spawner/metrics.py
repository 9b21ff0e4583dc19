"""Prometheus metrics of starts and of running servers. Knows the status document; knows no spawner and no engine.

They are in the registry of the hub's process, so that JupyterHub's own page ``/hub/metrics`` has them. Names follow
https://prometheus.io/docs/practices/naming/ with the prefix ``p2m_``; docs/reference/metrics.md lists them.
"""

import math
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Any, Literal

from prometheus_client import Counter, Gauge, Histogram

Outcome = Literal["success", "failure", "error"]
"""As JupyterHub's ``server_spawn_duration_seconds``: ``failure`` is one that was foreseen and has a reason."""

UNFORESEEN = "unforeseen"
"""Reason of a start that ended with an error for which nobody wrote a sentence."""

JOB_STATES = ("queued", "running")
"""States in which the status document lists a render job."""

LARGEST = 2**63
"""Numbers from here on are none that a kernel gave."""

SERVER = ("user", "server")
"""Labels of a server: its user's name, and its own, which is empty for the default server."""

SPAWN_DURATION = Histogram(
    "p2m_spawn_duration_seconds",
    "Time from the request until Blender, its MCP server and its desktop were ready, of starts that succeeded",
    buckets=(1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600, math.inf),
)
SPAWN_STAGE_DURATION = Histogram(
    "p2m_spawn_stage_duration_seconds",
    "Time that a stage of a start took",
    ["stage"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, math.inf),
)
SPAWNS = Counter("p2m_spawns_total", "Starts that ended, by outcome and reason", ["outcome", "reason"])
SPAWNS.labels(outcome="success", reason="")  # there from the beginning, so that rates and alerts are

BLENDER_RESTARTS = Gauge("p2m_blender_restarts", "How often Blender was started again since its server was", SERVER)
MCP_UP = Gauge("p2m_mcp_up", "Whether the server's MCP endpoint answers (1) or not (0)", SERVER)
MEMORY = Gauge("p2m_server_memory_bytes", "Memory that the server uses, as `docker stats` counts it", SERVER)
MEMORY_LIMIT = Gauge("p2m_server_memory_limit_bytes", "Memory that the server may use", SERVER)
JOBS = Gauge("p2m_jobs", "Render jobs of the server", [*SERVER, "state"])

NAMES = frozenset(
    sample
    for metric in (
        *(SPAWN_DURATION, SPAWN_STAGE_DURATION, SPAWNS),
        *(BLENDER_RESTARTS, MCP_UP, MEMORY, MEMORY_LIMIT, JOBS),
    )
    for family in metric.describe()
    for sample in (
        [f"{family.name}_{part}" for part in ("bucket", "sum", "count")]
        if family.type == "histogram"
        else [f"{family.name}_total" if family.type == "counter" else family.name]
    )
)
"""Every name that Prometheus stores of these metrics."""


class SpawnClock:
    """Measures one start: each stage and the whole.

    Args:
        clock: Seconds that only grow; another one in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._stage_began = clock()
        self._stage = ""

    def enter(self, stage: str) -> None:
        """Note that a stage begins, which ends the one before; the same stage again changes nothing."""
        if stage != self._stage:
            self._end_stage()
            self._stage = stage

    def succeeded(self) -> None:
        """Count a server that is ready."""
        self._end_stage()
        SPAWN_DURATION.observe(self._clock() - self._began)
        SPAWNS.labels(outcome="success", reason="").inc()

    def failed(self, reason: str | None) -> None:
        """Count a start that failed; its unfinished stage is not measured.

        Args:
            reason: Label of `SpawnFailure`; None for an error that nobody foresaw.
        """
        outcome: Outcome = "error" if reason is None else "failure"
        SPAWNS.labels(outcome=outcome, reason=UNFORESEEN if reason is None else reason).inc()

    def _end_stage(self) -> None:
        now = self._clock()
        if self._stage:
            SPAWN_STAGE_DURATION.labels(stage=self._stage).observe(now - self._stage_began)
        self._stage_began = now


class ServerGauges:
    """The gauges of one running server.

    What they show is what the server says of itself. A person who is at home in it can make it say anything, so nothing
    in a status document is taken for granted.

    Args:
        user: Name of the user.
        server: Name of the server, empty for the default one.
    """

    def __init__(self, user: str, server: str) -> None:
        self._labels = {"user": user, "server": server}

    def show(self, status: dict[str, Any] | None) -> None:
        """Take over a status document; None says that the server did not answer."""
        if status is None:
            MCP_UP.labels(**self._labels).set(0)
            return
        MCP_UP.labels(**self._labels).set(_part(status, "mcp").get("state") == "ready")
        memory = _part(status, "memory")
        self._set(BLENDER_RESTARTS, _part(status, "blender").get("restarts"))
        self._set(MEMORY, memory.get("used_bytes"))
        self._set(MEMORY_LIMIT, memory.get("limit_bytes"))
        jobs = status.get("jobs")
        states = Tally(_states(jobs) if isinstance(jobs, list) else [])
        for state in JOB_STATES:
            JOBS.labels(**self._labels, state=state).set(states[state])

    def remove(self) -> None:
        """Forget the server: Prometheus shall not go on seeing its last numbers."""
        for gauge in (BLENDER_RESTARTS, MCP_UP, MEMORY, MEMORY_LIMIT, JOBS):
            gauge.remove_by_labels(self._labels)

    def _set(self, gauge: Gauge, value: object) -> None:
        """Show a number; anything else shows that there is none."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST:
            gauge.labels(**self._labels).set(value)
        else:
            gauge.remove_by_labels(self._labels)


def _part(status: dict[str, Any], name: str) -> dict[str, Any]:
    """A dictionary inside a status document, empty when there is none."""
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _states(jobs: Iterable[object]) -> Iterable[str]:
    """The states of a status document's jobs, as far as they are known ones."""
    return (job["state"] for job in jobs if isinstance(job, dict) and job.get("state") in JOB_STATES)
