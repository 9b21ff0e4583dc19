"""`Blender` for ``await``, `BlockingBlender` without: each tool of the server is a method of both."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextvars
import functools
import queue
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, ImageContent, TextContent, Tool

from p2m_singleuser.notebook import addresses
from p2m_singleuser.notebook.connection import Connection, Progress, ignored
from p2m_singleuser.notebook.methods import ToolMethod, as_method
from p2m_singleuser.notebook.pictures import File, Picture
from p2m_singleuser.notebook.progress import ProgressBar
from p2m_singleuser.notebook.records import Record

T = TypeVar("T")
C = TypeVar("C", bound="_Client")


async def connect(url: str | None = None, token: str | None = None) -> Blender:
    """Connect to a Blender and return it, for ``await``.

    Args:
        url: The MCP endpoint; by default ``P2M_MCP_URL``, or else this server's own Blender.
        token: What opens it; by default ``P2M_MCP_TOKEN``. This server's own Blender needs none.

    Raises:
        BlenderProblem: No address or no token is known.
        BlenderAway: Nobody answers there, or it is no MCP endpoint.
        NotAllowed: The token was refused.
    """
    connection = Connection(addresses.find(url, token))
    try:
        methods = _methods(await awaited(connection.tools))
    except BaseException:
        await asyncio.to_thread(connection.close)
        raise
    return _remembered(_class_with(Blender, methods)(connection))


def connect_blocking(url: str | None = None, token: str | None = None) -> BlockingBlender:
    """Connect to a Blender and return it, for scripts without ``await``; see `connect`."""
    connection = Connection(addresses.find(url, token))
    try:
        methods = _methods(waited(connection.tools))
    except BaseException:
        connection.close()
        raise
    return _remembered(_class_with(BlockingBlender, methods)(connection))


def current() -> BlockingBlender:
    """Return the Blender that was connected last, without ``await``, or connect to this server's own.

    It is what the magics use.
    """
    global _own
    last = _last() if _last is not None else None
    if last is not None and not last.closed:
        return _class_with(BlockingBlender, last._methods)(last._connection, owns=False)  # type: ignore[no-any-return]
    if _own is None or _own.closed:
        _own = connect_blocking()
    return _own


class _Client:
    """What both clients have."""

    _methods: dict[str, ToolMethod] = {}  # noqa: RUF012 - each class made for a connection has its own

    def __init__(self, connection: Connection, *, owns: bool = True) -> None:
        self._connection = connection
        self._end = weakref.finalize(self, connection.close) if owns else None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._connection.closed

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._methods)} tools"
        return f"<{type(self).__name__} at {self._connection.address.words}, {state}>"


class Blender(_Client):
    """A Blender to ``await``. Its tools are its methods; ``blender.<tab>`` lists them, ``blender.look?`` describes one."""

    async def _call(self, method: ToolMethod, *args: Any, **kwargs: Any) -> Any:
        arguments = method.arguments(*args, **kwargs)
        with ProgressBar(method.tool.title or method.tool.name) as bar:
            start = functools.partial(self._connection.call, method.tool.name, arguments)
            return _result(method, await awaited(start, bar.show))

    async def close(self) -> None:
        """End the connection; leaving the kernel does it as well."""
        await asyncio.to_thread(self._connection.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class BlockingBlender(_Client):
    """A Blender without ``await``: each method returns when it is done."""

    def _call(self, method: ToolMethod, *args: Any, **kwargs: Any) -> Any:
        arguments = method.arguments(*args, **kwargs)
        with ProgressBar(method.tool.title or method.tool.name) as bar:
            start = functools.partial(self._connection.call, method.tool.name, arguments)
            return _result(method, waited(start, bar.show))

    def close(self) -> None:
        """End the connection; leaving the program does it as well."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def waited(calling: Callable[[Progress], concurrent.futures.Future[T]], show: Progress = ignored) -> T:
    """Start a call, wait for it and show its progress; an interrupt (the kernel's stop button, Ctrl-C) cancels it.

    Args:
        calling: Starts the call, given what takes its progress.
        show: Takes the progress, in this thread.
    """
    events: queue.SimpleQueue[tuple[float, float | None, str | None] | None] = queue.SimpleQueue()
    future = calling(lambda *notified: events.put(notified))
    future.add_done_callback(lambda _: events.put(None))
    try:
        while (notified := events.get()) is not None:
            show(*notified)
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def awaited(calling: Callable[[Progress], concurrent.futures.Future[T]], show: Progress = ignored) -> T:
    """Start a call and await it as `waited` waits; when the waiting task is cancelled, so is the call."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    return await asyncio.wrap_future(
        calling(lambda *notified: loop.call_soon_threadsafe(functools.partial(show, *notified), context=context))  # type: ignore[arg-type]
    )


def _class_with(base: Any, methods: dict[str, ToolMethod]) -> Any:
    """Return a class that has the tools as methods."""
    made = {name: _method(base, method) for name, method in methods.items() if not hasattr(base, name)}
    return type(base.__name__, (base,), {**made, "_methods": methods, "__doc__": base.__doc__, "__module__": __name__})


def _method(base: Any, method: ToolMethod) -> Any:
    if base is Blender:

        async def call(self: Blender, *args: Any, **kwargs: Any) -> Any:
            return await self._call(method, *args, **kwargs)

        return as_method(method, call)

    def call_and_wait(self: BlockingBlender, *args: Any, **kwargs: Any) -> Any:
        return self._call(method, *args, **kwargs)

    return as_method(method, call_and_wait)


def _result(method: ToolMethod, result: CallToolResult) -> Any:
    """Return what a tool returned: an object with its facts (and its picture), or else what it gave to look at."""
    parts = [_content(part) for part in result.content]
    if result.structured_content is None:
        return parts[0] if len(parts) == 1 else parts
    value = method.read(result.structured_content)
    picture = next((part for part in parts if isinstance(part, Picture)), None)
    if picture is not None and isinstance(value, Record):
        object.__setattr__(value, "picture", picture)  # frozen for users, not while it is made
    return value


def _content(part: Any) -> Any:
    if isinstance(part, TextContent):
        return part.text
    if isinstance(part, ImageContent):
        return Picture(base64.b64decode(part.data), part.mime_type)
    if isinstance(part, EmbeddedResource):
        resource = part.resource
        name = str(resource.uri).rpartition("/")[2]
        kind = resource.mime_type or "application/octet-stream"
        if isinstance(resource, BlobResourceContents):
            return File(base64.b64decode(resource.blob), kind, name)
        return File(resource.text.encode(), kind, name)
    return part


def _methods(tools: list[Tool]) -> dict[str, ToolMethod]:
    return {tool.name: ToolMethod(tool) for tool in tools}


_last: weakref.ref[_Client] | None = None
_own: BlockingBlender | None = None


def _remembered(client: C) -> C:
    global _last
    _last = weakref.ref(client)
    return client
