"""`Blender` for ``await``, `BlockingBlender` without: each tool of the server is a method of both."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import queue
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from p2m_singleuser.notebook import addresses
from p2m_singleuser.notebook.connection import Connection, Progress, ignored
from p2m_singleuser.notebook.errors import STOPPED, BlenderProblem, Cancelled, Interrupted
from p2m_singleuser.notebook.methods import Method, ToolMethod, as_function, own_methods
from p2m_singleuser.notebook.progress import ProgressBar
from p2m_singleuser.notebook.steps import Step

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
        with ProgressBar("Connect") as bar:
            tools = [ToolMethod(tool) for tool in await awaited(connection.tools, bar.within(0, 1))]
    except BaseException:
        await asyncio.to_thread(connection.close)
        raise
    return _remembered(_new(Blender, connection, tools))


def connect_blocking(url: str | None = None, token: str | None = None) -> BlockingBlender:
    """Connect to a Blender and return it, for scripts without ``await``; see `connect`."""
    connection = Connection(addresses.find(url, token))
    try:
        with ProgressBar("Connect") as bar:
            tools = [ToolMethod(tool) for tool in waited(connection.tools, bar.within(0, 1))]
    except BaseException:
        connection.close()
        raise
    return _remembered(_new(BlockingBlender, connection, tools))


def current() -> BlockingBlender:
    """Return the Blender that was connected last, without ``await``, or connect to this server's own.

    It is what the magics use.
    """
    global _own
    last = _last() if _last is not None else None
    if last is not None and not last.closed:
        return _new(BlockingBlender, last._connection, last._tools.values(), owns=False)
    if _own is None or _own.closed:
        _own = connect_blocking()
    return _own


class _Client:
    """What both clients have."""

    _tools: Mapping[str, ToolMethod] = {}  # each class made for a connection has its own

    def __init__(self, connection: Connection, *, owns: bool = True) -> None:
        self._connection = connection
        if owns:
            weakref.finalize(self, connection.close)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return a tool's method."""

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._connection.closed

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._tools)} tools"
        return f"<{type(self).__name__} at {self._connection.address.words}, {state}>"

    def _start(self, step: Step) -> Callable[[Progress], concurrent.futures.Future[Any]]:
        if step.tool not in self._tools:
            raise BlenderProblem(
                f"This Blender offers no tool {step.tool}: its server is older than this client, or your token or mode "
                "leaves it out."
            )
        again = self._tools[step.tool].only_reads
        return functools.partial(self._connection.call, step.tool, step.arguments, repeatable=again)


class Blender(_Client):
    """A Blender to ``await``. Its tools are its methods: ``blender.<tab>`` lists them, ``blender.look?`` says more."""

    async def _run(self, method: Method, *args: Any, **kwargs: Any) -> Any:
        steps = method.steps(*args, **kwargs)
        with ProgressBar(method.title) as bar:
            try:
                step = next(steps)
                while True:
                    result = await awaited(self._start(step), bar.within(step.done, step.total))
                    step = steps.send(self._tools[step.tool].read(result))
            except StopIteration as end:
                return end.value

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

    def _run(self, method: Method, *args: Any, **kwargs: Any) -> Any:
        steps = method.steps(*args, **kwargs)
        with ProgressBar(method.title) as bar:
            try:
                step = next(steps)
                while True:
                    result = waited(self._start(step), bar.within(step.done, step.total))
                    step = steps.send(self._tools[step.tool].read(result))
            except StopIteration as end:
                return end.value

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
    except KeyboardInterrupt:
        raise Interrupted(STOPPED) from None
    finally:
        future.cancel()


async def awaited(calling: Callable[[Progress], concurrent.futures.Future[T]], show: Progress = ignored) -> T:
    """Start a call and await it as `waited` waits; when the waiting task is cancelled, so is the call."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def notified(done: float, total: float | None, message: str | None) -> None:
        loop.call_soon_threadsafe(show, done, total, message, context=context)

    try:
        return await asyncio.wrap_future(calling(notified))
    except asyncio.CancelledError:
        raise Cancelled(STOPPED) from None


def _new(base: type[C], connection: Connection, tools: Any, *, owns: bool = True) -> C:
    """Return a client whose class has the tools as methods, and what is made of several calls."""
    tools = list(tools)
    methods: list[Method] = [*tools, *own_methods()]
    functions = {method.name: _function(base, method) for method in methods if not hasattr(base, method.name)}
    about = {"_tools": {tool.name: tool for tool in tools}, "__doc__": base.__doc__, "__module__": __name__}
    made: type[C] = type(base.__name__, (base,), {**functions, **about})
    return made(connection, owns=owns)


def _function(base: type[_Client], method: Method) -> Any:
    if base is Blender:

        async def run(self: Blender, *args: Any, **kwargs: Any) -> Any:
            return await self._run(method, *args, **kwargs)

        return as_function(method, run)

    def run_and_wait(self: BlockingBlender, *args: Any, **kwargs: Any) -> Any:
        return self._run(method, *args, **kwargs)

    return as_function(method, run_and_wait)


_last: weakref.ref[_Client] | None = None
_own: BlockingBlender | None = None


def _remembered(client: C) -> C:
    global _last
    _last = weakref.ref(client)
    return client
