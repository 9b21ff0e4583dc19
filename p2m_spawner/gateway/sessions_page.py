"""``/services/p2m/admin``: everybody's servers, for administrators. How they are, live; stop, restart, logs; the audit.

The hub pages and searches by itself, so a page costs the same however many users there are. Only the servers on it are
asked how they are.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Any

import httpx2
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner import urls
from p2m_spawner.gateway.mcp_relay.outcomes import Outcome
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.reach import existing_user
from p2m_spawner.gateway.recent import Recent
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.servers import Servers, Status, state_of
from p2m_spawner.gateway.sign_in import Person
from p2m_spawner.gateway.validation import valid
from p2m_spawner.gateway.visits import NO_STORE, need_administrator, reader, visitor
from p2m_spawner.hub_client import HubClient, HubUser

log = logging.getLogger(__name__)

ROWS = 50
"""Servers on a page."""

ASKED_AT_ONCE = 25
"""Servers asked for their status at the same time."""

ANSWER_WITHIN = 2.0
"""Seconds that one server may keep the page waiting."""

ENDING_KNOWN_FOR = 15.0
"""Seconds for which it is known how a server has ended."""

READING_KNOWN_FOR = 60.0
"""Seconds after which a reading of a processor clock is too old to measure from."""

MOST_KNOWN = 5000

MOST_JOBS = 100
LONGEST_TEXT = 300
LARGEST = 2.0**63
"""What a row shows at most of what a server says."""

LOG_LINES = 200

CALLS = 100
"""Tool calls of the audit that are shown."""

RESTART_TIMEOUT = httpx2.Timeout(120.0, connect=3.0)
"""Of a restart of Blender, which answers once it is back."""


class Rows(BaseModel):
    """Which servers somebody looks at."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=100)] = ""
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    everybody: bool = False


class Calls(BaseModel):
    """Which tool calls somebody looks for."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, Field(max_length=255)] | None = None
    tool: Annotated[str, Field(max_length=255)] | None = None
    outcome: Outcome | None = None


class Processors:
    """How many processors' worth of time servers use, from the clocks in their status documents.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._readings: Recent[tuple[float, float]] = Recent(READING_KNOWN_FOR, MOST_KNOWN, clock)
        self._latest: Recent[float] = Recent(READING_KNOWN_FOR, MOST_KNOWN, clock)

    def used(self, server: str, seconds: float | None) -> float | None:
        """Processors in use since the reading before; None while there is none.

        Args:
            server: Which start of which server.
            seconds: Processor time since it was started, as the server says; None when it does not.
        """
        if seconds is None:
            return None
        now, before = self._clock(), self._readings.get(server)
        if before is not None and now - before[0] < 1:  # two administrators look: too short to measure
            return self._latest.get(server)
        self._readings.put(server, (now, seconds))
        if before is None:
            return None
        used = max(0.0, (seconds - before[1]) / (now - before[0]))
        self._latest.put(server, used)
        return used


class Sessions:
    """The rows of the page.

    Args:
        hub: Lists users, and tells how servers have ended.
        servers: Tell how they are.
        clock: Monotonic seconds.
    """

    def __init__(self, hub: HubClient, servers: Servers, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._servers = servers
        self._processors = Processors(clock)
        self._endings: Recent[dict[str, Any]] = Recent(ENDING_KNOWN_FOR, MOST_KNOWN, clock)

    async def page(self, which: Rows) -> dict[str, Any]:
        """``{"rows": […], "total": int, "offset": int, "limit": int}``.

        Raises:
            HubAway, HubRefused: The hub does not say.
        """
        users, total = await self._hub.users_page(which.search, which.offset, ROWS, active=not which.everybody)
        gate = asyncio.Semaphore(ASKED_AT_ONCE)

        async def row(user: HubUser) -> dict[str, Any]:
            async with gate:
                return await self._row(user)

        return {
            "rows": await asyncio.gather(*map(row, users)),
            "total": total,
            "offset": which.offset,
            "limit": ROWS,
        }

    async def _row(self, user: HubUser) -> dict[str, Any]:
        server, state = user.server, state_of(user.server)
        status = await self._status(user) if state == "ready" else None
        activity = (server.last_activity if server else None) or user.last_activity
        start = self._servers.starting(user.name)
        return {
            "name": user.name,
            "admin": user.admin,
            "state": state,
            "progress": start.message if start else None,
            "started": server.started.isoformat() if server and server.started else None,
            "last_activity": activity.isoformat() if activity else None,
            "ending": await self._ending(user.name) if server is None else None,
            **self._facts(user, status),
        }

    async def _status(self, user: HubUser) -> Status | None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._servers.status(user)
        except TimeoutError:
            return None

    def _facts(self, user: HubUser, status: Status | None) -> dict[str, Any]:
        """What a status document says. It comes from inside the user's container, which can say anything."""
        if status is None or user.server is None:
            return {"blender": None, "mcp": None, "jobs": [], "memory": None, "cpu": None}
        blender, mcp, memory, cpu = (_part(status, name) for name in ("blender", "mcp", "memory", "cpu"))
        jobs = status.get("jobs")
        used = self._processors.used(f"{user.name} {user.server.started}", _number(cpu.get("used_seconds")))
        return {
            "blender": {
                "state": _text(blender.get("state")),
                "reason": _text(blender.get("reason")),
                "restarts": _number(blender.get("restarts")),
            },
            "mcp": {"state": _text(mcp.get("state")), "num_tools": _number(mcp.get("num_tools"))},
            "jobs": [
                {"state": _text(job.get("state")), "progress": _number(job.get("progress"))}
                for job in (jobs if isinstance(jobs, list) else [])[:MOST_JOBS]
                if isinstance(job, dict)
            ],
            "memory": {"used": _number(memory.get("used_bytes")), "limit": _number(memory.get("limit_bytes"))},
            "cpu": {"used": used, "limit": _number(cpu.get("limit_cores"))},
        }

    async def _ending(self, name: str) -> dict[str, Any] | None:
        """How a server that does not run has ended, without its log; None when it was stopped in good order."""
        known = self._endings.get(name)
        if known is None:
            ending = await self._hub.ending(name) or {}
            known = {key: value for key, value in ending.items() if key != "log"}
            self._endings.put(name, known)
        return known or None


def _part(status: Status, name: str) -> dict[str, Any]:
    """A dictionary inside a status document, empty when there is none."""
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _number(value: object) -> float | None:
    """A number that JSON has, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < LARGEST else None  # type: ignore[arg-type]  # NaN is not less either


def _text(value: object) -> str | None:
    """A text of a length that a row has room for, None for anything else."""
    return value[:LONGEST_TEXT] if isinstance(value, str) else None


def routes(gateway: Gateway) -> Iterable[Route]:
    """The page, and what its script asks for."""
    prefix = gateway.settings.prefix
    sessions = Sessions(gateway.hub, gateway.servers)

    async def page(request: Request) -> Response:
        person = await visitor(gateway, request)
        if not person.admin:
            message = "Everybody's servers are for administrators of this hub."
            return gateway.pages.problem("Not for you", message, status=403, person=person)
        return gateway.pages.page("sessions_page.html", person, rows=ROWS, outcomes=list(Outcome))

    async def rows(request: Request) -> Response:
        need_administrator(await reader(gateway, request))
        which = valid(Rows, dict(request.query_params))
        return JSONResponse(await sessions.page(which), headers=NO_STORE)

    async def audit(request: Request) -> Response:
        need_administrator(await reader(gateway, request))
        wanted = valid(Calls, dict(request.query_params))
        search = functools.partial(gateway.audit.search, limit=CALLS, **wanted.model_dump())
        found = [{**asdict(call), "time": call.time.isoformat()} for call in await asyncio.to_thread(search)]
        return JSONResponse({"calls": found, "limit": CALLS}, headers=NO_STORE)

    async def log_and_ending(request: Request) -> Response:
        need_administrator(await reader(gateway, request))
        name = request.path_params["name"]
        await existing_user(gateway, name)
        printed, ending = await asyncio.gather(gateway.hub.log_tail(name, LOG_LINES), gateway.hub.ending(name))
        return JSONResponse({"log": printed, "ending": ending}, headers=NO_STORE)

    async def stop(request: Request) -> Response:
        administrator, user = await _for_action(gateway, request)
        log.info("%s stops the server of %s", administrator.name, user.name)
        await gateway.servers.stop(user)
        return JSONResponse({}, 202, NO_STORE)

    async def restart(request: Request) -> Response:
        administrator, user = await _for_action(gateway, request)
        log.info("%s restarts the Blender of %s", administrator.name, user.name)
        return JSONResponse(await _restart(gateway, user), headers=NO_STORE)

    return [
        Route(f"{prefix}admin", gateway.pages.endpoint(page), methods=["GET"]),
        Route(f"{prefix}pages/sessions", rows, methods=["GET"]),
        Route(f"{prefix}pages/audit", audit, methods=["GET"]),
        Route(f"{prefix}pages/sessions/{{name}}/log", log_and_ending, methods=["GET"]),
        Route(f"{prefix}pages/sessions/{{name}}/stop", stop, methods=["POST"]),
        Route(f"{prefix}pages/sessions/{{name}}/restart-blender", restart, methods=["POST"]),
    ]


async def _for_action(gateway: Gateway, request: Request) -> tuple[Person, HubUser]:
    """The administrator who wants something done, and the user whose server it is about.

    Raises:
        SignInNeeded, Refusal: See `SignIn.person_who_posts`, `need_administrator`, `existing_user`.
    """
    person = await gateway.sign_in.person_who_posts(request)
    need_administrator(person)
    return person, await existing_user(gateway, request.path_params["name"])


async def _restart(gateway: Gateway, user: HubUser) -> dict[str, Any]:
    """Restart the Blender of a user, and tell how long that took.

    Raises:
        Refusal: 409 when the server does not run, 502 when Blender did not come back.
    """
    url = await gateway.servers.url(user, urls.RESTART)
    if url is None:
        raise Refusal(409, "not_running", f"The server of {user.name} does not run.")
    try:
        answer = await gateway.servers.http.post(url, timeout=RESTART_TIMEOUT)
        said = answer.json()
    except (httpx2.TransportError, ValueError) as error:
        raise Refusal(502, "restart_failed", f"The server of {user.name} does not answer.") from error
    if not answer.is_success:
        raise Refusal(502, "restart_failed", str(said.get("message") or "Blender was not restarted."))
    return {"seconds": said.get("seconds")}
