"""One request of a client that has been let in: the way to the user's own endpoint, and the answer's way back.

Which requests wake a Blender that sleeps: those that only it can answer, the first ``initialize``, ``server/discover``
or ``tools/list`` of a client too. What a list of tools says depends on the image and mode that the start gives, and a
client that has connected calls soon. A stream that waits for events, a ping, a notification or the end of a session
wakes nobody.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
from starlette.requests import Request

from p2m_spawner import urls
from p2m_spawner.gateway.audit import ToolCall
from p2m_spawner.gateway.callers import Caller
from p2m_spawner.gateway.mcp_relay import discovery, headers, messages
from p2m_spawner.gateway.mcp_relay.answer import Answer
from p2m_spawner.gateway.mcp_relay.headers import SESSION
from p2m_spawner.gateway.mcp_relay.outcomes import Outcome, Replies
from p2m_spawner.gateway.mcp_relay.sessions import Sessions, UnknownSession
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.servers import StartFailed, state_of
from p2m_spawner.gateway.tokens import Mode
from p2m_spawner.hub_client import HubAway, HubRefused

log = logging.getLogger(__name__)

LIFE_SIGN = 10.0
"""Seconds after which a client that waits hears something."""

SILENT_WAIT = 25.0
"""Seconds that a client waits which reads no events: many give up after 30."""

LONGEST_WAIT = 300.0
"""Seconds until a wait for a server is given up."""

PATIENCE = 20.0
"""Seconds for which a server that the hub calls ready is tried again while it does not answer."""

TRY_AGAIN = 1.0
"""Seconds between two such tries."""

RETRY_AFTER = {"Retry-After": "5"}

LONGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are looked at."""

T = TypeVar("T")


class StillStarting(Refusal):
    """A server that takes longer to start than this request may wait.

    Args:
        step: What is being done.
    """

    def __init__(self, step: str) -> None:
        message = f"Your Blender is still starting: {step} Try again in a few seconds."
        super().__init__(503, "starting", message, RETRY_AFTER)


class Exchange:
    """One request of a client that has been let in, and its answer.

    Args:
        gateway: The gateway's parts.
        sessions: Sessions that the gateway has named itself.
        caller: Who sends it.
        mode: What it may do in Blender.
        request: The request.
        body: Its body.
        answer: Where the answer goes.
    """

    def __init__(
        self,
        gateway: Gateway,
        sessions: Sessions,
        caller: Caller,
        mode: Mode,
        request: Request,
        body: bytes,
        answer: Answer,
    ) -> None:
        self._gateway = gateway
        self._servers = gateway.servers
        self._sessions = sessions
        self._caller = caller
        self._mode = mode
        self._request = request
        self._body = body
        self._answer = answer
        self._requests = answer.requests
        self._session = request.headers.get(SESSION)
        self._replies = Replies((each.id for each in self._requests), events=False)
        self._otherwise = Outcome.UNREACHABLE  # how a call has ended that got no answer
        if any(each.method == "initialize" for each in self._requests):
            answer.session = Sessions.new()

    async def run(self) -> None:
        """Do it, and note the tool calls in it.

        Raises:
            Refusal, HubAway, HubRefused: See :meth:`_reach`.
        """
        begun, began = datetime.now(UTC), time.monotonic()
        try:
            try:
                inner = self._sessions.inner(self._session, self._caller.name)
            except UnknownSession:
                raise _session_over() from None
            reply = await self._reach(inner)
            self._body = b""  # the answer may stay open for hours
            if reply is not None:
                async with aclosing(reply):
                    await self._pass_on(reply)
        except asyncio.CancelledError:
            self._otherwise = Outcome.CANCELLED
            raise
        finally:
            self._note(begun, time.monotonic() - began)

    # The way to the user's own endpoint

    async def _reach(self, inner: str | None) -> httpx2.Response | None:
        """Send the request on, waking the server if it sleeps; tells what is waited for.

        Args:
            inner: The session at the user's own endpoint.

        Returns:
            The beginning of the answer; close it. None: the gateway has answered itself.

        Raises:
            Refusal: It cannot be reached, or must not be woken for this.
            HubAway, HubRefused: The hub cannot be asked.
        """
        url = await self._url_if_ready()
        # The server would take a ping for use, and a client that only keeps its session alive would keep it from sleep.
        if self._asks_only("ping") and (url is None or self._session is not None):
            await self._answer.message({"jsonrpc": "2.0", "id": self._requests[0].id, "result": {}})
            return None
        try:
            url = url or await self._wake()
        except StillStarting:
            if not self._asks_only(discovery.METHOD):
                raise
            await self._answer.message(discovery.stand_in(self._requests[0].id))
            return None
        end = time.monotonic() + PATIENCE
        while True:
            reply = await self._try(url, inner)
            if reply is not None and reply.status_code != 503:
                if not _is_doubtful(reply.status_code) or (moved := await self._url_elsewhere(url)) is None:
                    return reply
                await reply.aclose()
                url = moved
                continue
            if reply is not None:
                # The MCP server starts or restarts, and has not seen the request. It knows no older session then.
                if self._session is not None or not self._requests or time.monotonic() > end:
                    return reply
                await reply.aclose()
            elif time.monotonic() > end:
                message = "Your server does not answer. Try again in a few seconds; restart it on the hub's home page."
                raise Refusal(503, "unreachable", message, RETRY_AFTER)
            elif (moved := await self._url_elsewhere(url)) is not None:
                url = moved  # it was started anew; nothing has been told yet, so the status can still say how this ends
                continue
            await self._answer.tell("Waiting for the server to answer …", percent=99)
            await asyncio.sleep(TRY_AGAIN)
            if reply is None:
                url = await self._wake()  # asked to start a server, the hub looks whether it still runs

    async def _try(self, url: str, inner: str | None) -> httpx2.Response | None:
        """Send the request to an address; None: nobody has got it there.

        Raises:
            Refusal: It was sent, and the connection broke before the answer.
        """
        http = self._servers.streams
        passed = headers.inward(self._request.headers.items(), self._mode, inner)
        request = http.build_request(self._request.method, url, headers=passed, content=self._body or None)
        sending = http.send(request, stream=True)
        try:
            # A task of its own costs time: only for a client that hears something meanwhile.
            reply = await (
                self._with_life_signs(sending, "Waiting for the answer …") if self._answer.started else sending
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            log.info("The server of %s cannot be reached at %s: %r", self._caller.name, url, error)
            return None
        except httpx2.TransportError as error:
            log.info("The server of %s broke off before its answer: %r", self._caller.name, error)
            if any(each.tool is not None for each in self._requests):
                self._otherwise = Outcome.LOST
                raise _lost() from error
            return None
        self._otherwise = Outcome.LOST if reply.is_success else Outcome.ERROR
        return reply

    async def _url_if_ready(self) -> str | None:
        """Where the user's own endpoint is, None unless their server is ready."""
        return await self._url(fresh=False) or await self._url(fresh=True)

    async def _url(self, *, fresh: bool) -> str | None:
        user = await self._gateway.callers.user(self._caller.name, fresh=fresh)
        if user is None:
            raise Refusal(404, "no_such_user", "There is no such user at this hub.")
        return await self._servers.url(user, urls.MCP) if state_of(user.server) == "ready" else None

    async def _url_elsewhere(self, url: str) -> str | None:
        """Where the endpoint is now if it is no longer at an address, which may be somebody else's by now."""
        try:
            now = await self._url(fresh=True)
        except (HubAway, HubRefused, Refusal):
            return None
        return now if now != url else None

    async def _wake(self) -> str:
        """Start the server, and tell the client its steps.

        Returns:
            Where the user's own endpoint is.

        Raises:
            Refusal: It cannot be started, or this request is not worth a start.
            HubAway, HubRefused: The hub cannot be asked.
        """
        if not self._requests:
            raise _session_over()
        start = self._servers.start(self._caller.name)
        if self._session is not None:
            raise _session_over()  # the new server does not know it; the client comes back without
        began, outcome = time.monotonic(), "failed"
        try:
            async with asyncio.timeout(self._longest_wait):
                await self._answer.tell(start.message)
                async with aclosing(start.follow()) as steps:
                    while (step := await self._with_life_signs(anext(steps, None), start)) is not None:
                        await self._answer.tell(step.message, step.percent)
            url = await self._url(fresh=True)
            if url is None:
                message = "Your server has stopped again. Try again, or look at the hub's home page."
                raise Refusal(503, "start_failed", message, RETRY_AFTER)
            outcome = "ready"
            return url
        except StartFailed as error:
            raise Refusal(503, "start_failed", f"Your Blender could not be started: {error}", RETRY_AFTER) from error
        except TimeoutError as error:
            raise StillStarting(start.message) from error
        finally:
            self._gateway.metrics.wakes.labels(outcome).inc()
            self._gateway.metrics.wake_seconds.observe(time.monotonic() - began)

    @property
    def _longest_wait(self) -> float:
        """Seconds that a start may take."""
        if self._asks_only(discovery.METHOD):
            return discovery.ANSWERED_WITHIN
        return LONGEST_WAIT if self._answer.takes_events else SILENT_WAIT

    def _asks_only(self, method: str) -> bool:
        return [each.method for each in self._requests] == [method]

    async def _with_life_signs(self, waiting: Awaitable[T], what: Any) -> T:
        """Wait for something; the client hears each `LIFE_SIGN` what for.

        Args:
            waiting: What is waited for.
            what: A sentence, or something whose ``message`` is one.
        """
        task = asyncio.ensure_future(waiting)
        try:
            while not (await asyncio.wait([task], timeout=LIFE_SIGN))[0]:
                await self._answer.tell(getattr(what, "message", what))
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    # The way back

    async def _pass_on(self, reply: httpx2.Response) -> None:
        """Send the answer of the user's own endpoint to the client, each piece as it comes.

        Raises:
            Refusal: It is none for the client.
        """
        if reply.status_code in (401, 403) or reply.is_redirect:
            log.error("The server of %s answers the gateway with %s", self._caller.name, reply.status_code)
            raise Refusal(
                502, "not_let_in", "Your server does not let the gateway in. Restart it on the hub's home page."
            )
        events = reply.headers.get("content-type", "").startswith(headers.EVENT_STREAM)
        self._replies = Replies((each.id for each in self._requests), events=events)
        begun_here = self._answer.started
        if begun_here and self._answer.session is not None:
            self._sessions.name(self._answer.session, self._caller.name, reply.headers.get(SESSION))
        if begun_here and not (reply.is_success and (events or _is_json(reply))):
            await self._tell_error(reply)
            return
        if not begun_here:
            await self._answer.begin(reply.status_code, self._headers(reply))
        try:
            if begun_here and not events:
                await self._as_event(reply)
            else:
                async for chunk in reply.aiter_raw():
                    await self._answer.write(chunk)
                    self._replies.feed(chunk)
        except httpx2.TransportError as error:
            log.info("The server of %s broke off in its answer: %r", self._caller.name, error)
            if not (events or begun_here):
                raise  # half a document: only the broken connection says so
            answered = self._replies.outcomes
            await self._answer.fail(_lost(), [each for each in self._requests if each.id not in answered])
            return
        self._replies.end()
        await self._answer.end()

    def _headers(self, reply: httpx2.Response) -> list[tuple[str, str]]:
        passed = headers.outward(reply.headers.items())
        if self._session is None:
            return passed
        return [(name, self._session if name == SESSION else value) for name, value in passed]

    async def _as_event(self, reply: httpx2.Response) -> None:
        """Send a JSON document as the data of an event. A line break in JSON stands between tokens, never in a text."""
        await self._answer.write(b"event: message\r\ndata: ")
        async for chunk in reply.aiter_raw():
            await self._answer.write(chunk.replace(b"\r", b"").replace(b"\n", b""))
            self._replies.feed(chunk)
        await self._answer.write(b"\r\n\r\n")

    async def _tell_error(self, reply: httpx2.Response) -> None:
        """Say in a stream that has begun what the endpoint has answered by its status."""
        head = bytearray()
        async for chunk in reply.aiter_raw():
            head += chunk
            if len(head) > LONGEST_ERROR:
                break
        try:
            problem = json.loads(head)["error"]
            message, code = str(problem["message"]), int(problem["code"])
        except (ValueError, TypeError, KeyError, RecursionError):
            message, code = f"Your server has answered with status {reply.status_code}.", messages.SERVER_ERROR
        for each in self._requests:
            await self._answer.write(messages.event(messages.error(each.id, message, code)))
        await self._answer.end()

    def _note(self, begun: datetime, seconds: float) -> None:
        """Write the tool calls of this request into the audit."""
        for each in self._requests:
            if each.tool is None:
                continue
            outcome = self._replies.outcomes.get(each.id, self._otherwise)
            call = ToolCall(
                time=begun,
                user=self._caller.name,
                client=self._caller.client,
                program=each.program or self._request.headers.get("user-agent", "")[: messages.LONGEST_NAME],
                tool=each.tool,
                outcome=outcome.value,
                duration_s=round(seconds, 3),
                mode=self._mode.value,
            )
            self._gateway.audit.record(call, each.arguments)
            self._gateway.metrics.tool_calls.labels(outcome.value, self._mode.value).inc()
            self._gateway.metrics.tool_seconds.observe(seconds)


def _is_doubtful(status: int) -> bool:
    """Whether an answer may come from a server that has taken over the address since."""
    return status in (401, 403, 404) or 300 <= status < 400


def _is_json(reply: httpx2.Response) -> bool:
    return bool(reply.headers.get("content-type", "").startswith("application/json"))


def _session_over() -> Refusal:
    """404, after which clients of older protocols initialise anew (MCP 2025-11-25, "Session Management")."""
    return Refusal(404, "unknown_session", "This session is over: its Blender has stopped since. Initialise anew.")


def _lost() -> Refusal:
    return Refusal(
        502,
        "lost",
        "Your server ended before it answered; whether the call was done is not known. Try again in a few seconds, and "
        "look at the scene before you repeat a change.",
        RETRY_AFTER,
    )
