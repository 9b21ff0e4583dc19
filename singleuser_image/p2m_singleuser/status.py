"""`GET …/p2m/status`: whether Blender, its MCP server and its desktop are ready (docs/architecture.md, "Status").

The hub polls this each 0.1 s while a server starts, so a poll asks all three at the same time and waits for none that
is plainly not there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from jupyter_server.base.handlers import APIHandler
from tornado import web

from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderError, BlenderLink, BlenderTimeout, BlenderUnavailable, exits_of
from p2m_singleuser.memory import memory
from p2m_singleuser.processor import processor

PROBE_S = 0.75
"""Seconds each of the probes may take."""

START_S = 120.0
"""Seconds after which a Blender that runs and has not answered yet is called failed. It is not ended: it may be
loading a large scene, and is ready whenever it answers."""

_STARTING_UP = "starting up"
"""What the add-on is busy with until Blender's main loop has run once (docs/protocol.md)."""

_LISTENING = "00010000"
"""Flags of a listening socket in /proc/net/unix: the kernel's __SO_ACCEPTCON."""


class StatusProbe:
    """Looks at the sockets in the runtime directory and says what state each server is in.

    Args:
        runtime: Directory of ``blender.sock``, ``mcp.sock``, ``vnc.sock`` and ``blender-exits.json``.
        headless: Whether Blender runs without a window, so that there is no desktop to wait for.
        clock: Seconds that only grow; another one in tests.
    """

    def __init__(self, runtime: Path, headless: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_since: float | None = None
        self._silent_start = 0
        self._headless = headless
        self._runtime = runtime
        self._store = JobStore()
        self._link = BlenderLink(runtime / "blender.sock")
        self._facts: dict[str, Any] = {"version": "", "pid": 0, "file": None}
        self._answered_before = False

    async def read(self) -> dict[str, Any]:
        """Return the status document."""
        blender, mcp = await asyncio.gather(self._blender(), self._mcp())
        ui = {"state": self._ui()}
        ready = blender["state"] in {"ready", "busy"} and mcp["state"] == "ready" and ui["state"] != "down"
        used, cpu = memory(), processor()
        return {
            "ready": ready,
            "blender": blender,
            "mcp": mcp,
            "ui": ui,
            "jobs": self._jobs(),
            "memory": {"used_bytes": used.used, "limit_bytes": used.limit},
            "cpu": {"used_seconds": cpu.used_seconds, "limit_cores": cpu.limit_cores},
        }

    def _jobs(self) -> list[dict[str, Any]]:
        """Return the renders that wait or run, the oldest first."""
        return [
            {
                "id": job.id,
                "state": job.state,
                "kind": job.kind,
                "progress": round(self._store.share(job), 4),
                "frame": self._store.progress(job.id).frame,
                "started_at": _iso(job.started_at),
            }
            for job in self._store.active()
        ]

    def _ui(self) -> str:
        if self._headless:
            return "off"
        return "ready" if is_listening(self._runtime / "vnc.sock") else "down"

    async def _blender(self) -> dict[str, Any]:
        exits = exits_of(self._runtime)
        restarts = exits.get("restarts", 0)
        not_yet = "restarting" if exits or self._answered_before else "starting"
        state, reason = not_yet, None
        try:
            answer = await self._link.call("get_status", deadline_s=PROBE_S, grace_s=0)
        except BlenderUnavailable:
            state, reason = "failed" if exits.get("failed") else not_yet, exits.get("reason")
            self._facts["pid"] = 0
            if state != "failed" and (silence := self._silence_of(restarts)) > START_S:
                state, reason = "failed", f"Blender was started and has not answered for {silence:.0f} s"
        except BlenderTimeout:
            if self._answered_before:
                silence = self._silence_of(restarts)
                state, reason = "busy", f"Blender is in one long operation, for {silence:.0f} s so far"
        except BlenderError as error:
            state, reason = "failed", str(error)
        else:
            self._facts = {name: answer.get(name) for name in self._facts}
            self._silent_since = None
            if answer.get("busy_with") != _STARTING_UP:
                self._answered_before = True
                state = answer["state"]
                reason = f"Blender is busy with {answer.get('busy_with')}" if state == "busy" else None
        return {"state": state, **self._facts, "restarts": restarts, "reason": reason}

    def _silence_of(self, start: int) -> float:
        """Return for how many seconds the Blender of this start (so many restarts) has been seen not to answer."""
        if self._silent_since is None or start != self._silent_start:
            self._silent_start, self._silent_since = start, self._clock()
        return self._clock() - self._silent_since

    async def _mcp(self) -> dict[str, Any]:
        connector = aiohttp.UnixConnector(path=str(self._runtime / "mcp.sock"))
        timeout = aiohttp.ClientTimeout(total=PROBE_S)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get("http://localhost/status", raise_for_status=True) as reply,
            ):
                return {"state": "ready", "num_tools": (await reply.json())["num_tools"]}
        except (aiohttp.ClientError, OSError, TimeoutError):
            return {"state": "down", "num_tools": 0}


class StatusHandler(APIHandler):
    """Serves the status document to whoever may use this server. Polls do not count as activity."""

    _track_activity = False

    def initialize(self, probe: StatusProbe) -> None:
        """Take over what the route was registered with."""
        self._probe = probe

    @web.authenticated
    async def get(self) -> None:
        """Write the status document."""
        self.set_header("Cache-Control", "no-store")
        await self.finish(json.dumps(await self._probe.read()))

    def _log(self) -> None:
        """Log refusals and errors only: ten polls a second would fill the server's log while it starts."""
        if self.get_status() >= 300:
            super()._log()


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def is_listening(path: Path) -> bool:
    """Return whether a unix socket of this path accepts connections, without connecting.

    Xtigervnc counts each connection that ends before its handshake against its peer and shuts that peer out after
    five (``BlacklistThreshold`` in Xvnc's manual), so a probe must not connect. The kernel lists listeners in
    /proc/net/unix (proc_net(5)): column 4 is the flags, column 8 the path.
    """
    with Path("/proc/net/unix").open(encoding="utf-8", errors="surrogateescape") as table:
        columns = (line.split(maxsplit=7) for line in table)
        return any(len(row) == 8 and row[3] == _LISTENING and row[7].rstrip("\n") == str(path) for row in columns)
