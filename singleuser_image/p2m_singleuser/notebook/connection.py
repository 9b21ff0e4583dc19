"""One lasting connection to the MCP server, in a thread and a task of its own.

A cell of a notebook is a task that ends with the cell, and the SDK's client must be left in the task that entered it.
So the client lives in one task on the event loop of a background thread; cells and scripts hand their calls over. A
call that is given up is cancelled there, which ends the request in the server, and nothing else notices.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, CallToolResult, Implementation, TextContent, Tool

from p2m_singleuser.notebook import answers
from p2m_singleuser.notebook.addresses import Address
from p2m_singleuser.notebook.answers import AnsweringClient
from p2m_singleuser.notebook.errors import BlenderAway, BlenderFailed, BlenderProblem, NotAllowed

PATIENCE_S = 60.0
"""Seconds in which a server or a Blender that restarts is waited for."""

CLOSE_S = 5.0
"""Seconds that the end of a connection may take before it is left to itself."""

RETRY_S = 0.5
"""Seconds between two tries meanwhile."""

CONNECT_S = 15.0
"""Seconds in which an address must take the connection."""

_PREFIX = re.compile(r"Error executing tool \w+: ")
"""What the SDK puts before a tool's own sentence."""

_COMES_UP = re.compile(
    r"(?P<cut>Blender went away before it answered \w+\. )?Blender is (?:re)?starting, try again in \d+ s\."
)
"""How the MCP server says that Blender comes up, and whether it had begun with the command."""

_REFUSED = "the mode here is"
"""What Blender says when a request's mode does not allow a tool."""

_INVALID = re.compile(r"\d+ validation errors? for (\w+?)(?:Arguments)?\n")
_INVALID_DETAILS = re.compile(r" \[type=[^\n]*\]\n +For further information visit \S+")
"""What the SDK says of wrong arguments, and what of it helps nobody."""

_CUT = (
    "The connection ended before Blender answered. Look at the scene before you repeat the call: it may have been done."
)

T = TypeVar("T")
Progress = Callable[[float, float | None, str | None], object]
"""Takes how much is done, of how much (None when nobody knows), and a sentence."""


def ignored(done: float, total: float | None, message: str | None) -> None:
    """Take progress that nobody wants to see."""


class Connection:
    """The connection to one address; it is made with the first call, and again when it broke.

    Args:
        address: Where to connect.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=[self._loop], name="p2m-blender", daemon=True)
        self._thread.start()
        self._client: Client | None = None
        self._owner: asyncio.Task[None] | None = None
        self._opening: asyncio.Lock | None = None

    def tools(self, progress: Progress = ignored) -> concurrent.futures.Future[list[Tool]]:
        """Ask for the tools; the future raises what `call`'s does."""
        return self._submit(self._patiently(self._tools, progress, repeatable=True))

    def call(
        self, name: str, arguments: dict[str, Any], show: Progress = ignored, *, repeatable: bool = False
    ) -> concurrent.futures.Future[CallToolResult]:
        """Call a tool. Cancelling the future cancels the request in the server.

        Args:
            name: The tool.
            arguments: Its arguments.
            show: Called in the background thread with each progress notification.
            repeatable: Whether the call may be repeated when the other side ended in the middle of it.

        Returns:
            A future of the result. It raises BlenderFailed (the tool's own error), BlenderAway (no answer, or the
            connection ended in the middle) or NotAllowed (the token).
        """

        async def notified(progress: float, total: float | None, message: str | None) -> None:
            show(progress, total, message)

        async def once(client: Client) -> CallToolResult:
            result = await client.call_tool(name, arguments, progress_callback=notified)
            if result.is_error:
                raise _failure(_readable(text_of(result)) or f"{name} failed and did not say why.")
            return result

        return self._submit(self._patiently(once, show, repeatable=repeatable))

    def close(self) -> None:
        """End the connection, its calls and its thread; a second time does nothing."""
        if self.closed:
            return
        self.closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        if threading.current_thread() is not self._thread:  # where the garbage collector may call this
            self._thread.join(timeout=CLOSE_S)

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if self.closed:
            work.close()
            raise BlenderProblem("This connection is closed; connect() opens another.")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    async def _tools(client: Client) -> list[Tool]:
        tools: list[Tool] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return tools

    async def _patiently(self, work: Callable[[Client], Awaitable[T]], progress: Progress, *, repeatable: bool) -> T:
        """Do work with the client, and again while the server or Blender comes up.

        Only what has not begun is repeated, or what may be.
        """
        began = time.monotonic()
        while True:
            try:
                return await self._once(work)
            except _ComesUp as error:
                if self.closed or time.monotonic() - began > PATIENCE_S or not (repeatable or error.not_begun):
                    raise error.problem from None
            progress(time.monotonic() - began, None, "Blender is starting")
            await asyncio.sleep(RETRY_S)

    async def _once(self, work: Callable[[Client], Awaitable[T]]) -> T:
        try:
            return await work(await self._open())
        except MCPError as error:
            raise self._problem(error) from error
        except BlenderFailed as error:
            if found := _COMES_UP.match(str(error)):
                raise _ComesUp(error, not_begun=not found["cut"]) from error
            raise

    async def _open(self) -> Client:
        """Return the client, entered; a new one when the last broke."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._client is not None:
                return self._client
            await self._leave()
            ready: asyncio.Future[Client] = self._loop.create_future()
            self._owner = asyncio.create_task(self._own(ready))
            self._client = await ready
            return self._client

    async def _own(self, ready: asyncio.Future[Client]) -> None:
        """Hold the client open until this task is cancelled or the transport breaks."""
        try:
            async with self._entered() as client:
                if not ready.cancelled():
                    ready.set_result(client)
                    await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001 - told to whoever waits; the next call opens again
            if not ready.done():
                ready.set_exception(_cause(error))
        finally:
            self._client = None
            ready.cancel()

    @asynccontextmanager
    async def _entered(self) -> AsyncIterator[Client]:
        address = self.address
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        transport = httpx2.AsyncHTTPTransport(uds=str(address.socket)) if address.socket is not None else None
        timeout = httpx2.Timeout(CONNECT_S, read=None)
        async with (
            AnsweringClient(headers=headers, timeout=timeout, transport=transport) as http,
            Client(
                streamable_http_client(address.url, http_client=http, max_sse_event_size=None),
                client_info=Implementation(name="p2m-notebook", version="1"),
            ) as client,
        ):
            yield client

    async def _end(self) -> None:
        await self._leave()
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        self._loop.stop()

    async def _leave(self) -> None:
        if self._owner is not None:
            self._owner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._owner
            self._owner = None

    def _problem(self, error: MCPError) -> Exception:
        """Return what to tell the user about an error of the protocol or of HTTP."""
        data = error.error.data
        status = data.get(answers.STATUS) if isinstance(data, dict) else None
        where, said = self.address.words, error.message
        if status in (answers.CUT, HTTPStatus.BAD_GATEWAY) or (
            status is None and error.error.code == CONNECTION_CLOSED
        ):
            return _ComesUp(BlenderAway(_CUT), not_begun=False)
        if status is None:
            return BlenderFailed(said)
        if status == answers.NOBODY:
            return self._nobody(said)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return _ComesUp(BlenderAway(said or f"{where} is starting; try again in a few seconds."))
        if status == HTTPStatus.UNAUTHORIZED:
            return NotAllowed(f"The token was refused: {said or 'it is unknown'} Then connect(url, token) again.")
        if status == HTTPStatus.FORBIDDEN:
            return NotAllowed(said or f"The token may not use {where}; make one for your own server.")
        return BlenderAway(
            said
            or f"{where} is no MCP endpoint, or the server behind it is stopped (HTTP {status}). Start your server at "
            'the hub, and copy the URL from its page "Connect an agent".'
        )

    def _nobody(self, reason: str) -> Exception:
        if self.address.socket is not None:
            return _ComesUp(
                BlenderAway(
                    "Blender's MCP server does not answer. It starts again by itself; if this stays, restart your "
                    "server at the hub."
                )
            )
        return BlenderAway(
            f"Nobody answers at {self.address.url} ({reason}). Check the address and your network, and whether the hub "
            "is up."
        )


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Be the background thread."""
    loop.run_forever()
    loop.close()


class _ComesUp(Exception):
    """The other side ended or is not there yet, and it is worth waiting."""

    def __init__(self, problem: BlenderProblem, *, not_begun: bool = True) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.not_begun = not_begun


def text_of(result: CallToolResult) -> str:
    """Return the text in a result."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _failure(text: str) -> BlenderProblem:
    return NotAllowed(text) if _REFUSED in text else BlenderFailed(text)


def _readable(text: str) -> str:
    """Return a tool's error without what the SDK puts round it."""
    text = _PREFIX.sub("", text, count=1)
    if not _INVALID.match(text):
        return text
    return " ".join(_INVALID_DETAILS.sub(";", _INVALID.sub(r"\1 cannot take this: ", text)).split()).rstrip(";") + "."


def _cause(error: BaseException) -> BaseException:
    """Return what a group of exceptions is about: the first one that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
