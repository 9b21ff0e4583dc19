# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket server: an I/O thread that talks to clients, and the hand-over to Blender's main thread. No Blender.

`MainThread` is the hand-over: the I/O thread submits jobs, the main thread runs them in `MainThread.run_pending`.
`BlenderServer` is the I/O thread: asyncio on a TCP and on a unix socket. A client that is slow, silent or wrong costs
nobody else anything: each connection is a task of its own, and commands that touch Blender run on the main thread only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .registry import Command, CommandError, CommandTable
from .wire import Failure, FrameStream, ObjectStream, Outcome, Request, RequestError, StreamError, Wire

LOG = logging.getLogger("p2m_blender")

DEFAULT_TCP_HOST = "127.0.0.1"
DEFAULT_TCP_PORT = 9876
DEFAULT_RUNTIME_DIR = "/run/p2m"

STALE_S = 2.0
"""Seconds without a visit of the main thread after which Blender counts as busy with work of its own."""

_READ_BYTES = 256 * 1024
_RETRY_S = 0.5
_FAREWELL_S = 3.0
_STOP_S = 3.0


@dataclass(frozen=True)
class Settings:
    """Where the server listens and how long it waits.

    Attributes:
        tcp_host: Address the TCP socket binds.
        tcp_port: Its port; 0 takes any free one.
        runtime_dir: Directory of the unix socket ``blender.sock``; without it there is no unix socket.
        deadline_s: Seconds a command may take when its client names no deadline. Upstream's clients give up at 180 s;
            a little less lets them read why.
        idle_timeout_s: Seconds of silence allowed in the middle of a message. Between messages there is no limit.
        max_parallel: Commands of one unix connection that may be under way at once.
    """

    tcp_host: str = DEFAULT_TCP_HOST
    tcp_port: int = DEFAULT_TCP_PORT
    runtime_dir: Path = Path(DEFAULT_RUNTIME_DIR)
    deadline_s: float = 175.0
    idle_timeout_s: float = 30.0
    max_parallel: int = 64

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read ``P2M_BLENDER_TCP_HOST``, ``P2M_BLENDER_TCP_PORT`` and ``P2M_RUNTIME_DIR``.

        A port that is no number from 0 to 65535 is logged and replaced by the default.
        """
        port = DEFAULT_TCP_PORT
        if text := environ.get("P2M_BLENDER_TCP_PORT"):
            if text.isascii() and text.isdigit() and int(text) <= 65535:
                port = int(text)
            else:
                LOG.error("P2M_BLENDER_TCP_PORT=%r is not a port; using %d", text, port)
        return cls(
            tcp_host=environ.get("P2M_BLENDER_TCP_HOST") or DEFAULT_TCP_HOST,
            tcp_port=port,
            runtime_dir=Path(environ.get("P2M_RUNTIME_DIR") or DEFAULT_RUNTIME_DIR),
        )


@dataclass(frozen=True)
class Activity:
    """What the main thread is busy with.

    Attributes:
        what: A command's name, or a few words for Blender's own work.
        since: When it began, in seconds since the epoch.
    """

    what: str
    since: float

    @property
    def since_iso(self) -> str:
        """When it began, as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.since, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class _Job:
    name: str
    work: Callable[[], Outcome]
    future: Future[Outcome]


class MainThread:
    """The hand-over between the I/O thread and Blender's main thread.

    Attributes:
        file: Path of the open .blend file, None while it has none; written by the main thread.
    """

    def __init__(self) -> None:
        self.file: str | None = None
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._running: Activity | None = None
        self._visited: float | None = None
        self._created = time.time()

    def submit(self, name: str, work: Callable[[], Outcome]) -> Future[Outcome]:
        """Queue work for the main thread (any thread).

        Args:
            name: The command's name, for `activity`.
            work: What to run; it must not raise.

        Returns:
            The future outcome. Cancelling it before it runs withdraws the work.
        """
        job = _Job(name, work, Future())
        self._jobs.put(job)
        return job.future

    def run_pending(self, budget_s: float = 0.03, linger_s: float = 0.002) -> int:
        """Run queued work (main thread only).

        Args:
            budget_s: Seconds after which no further job is begun, so that Blender's window stays alive.
            linger_s: Seconds to wait after a job for the next one: a client that sends one command after the other
                need not wait for Blender's next turn each time.

        Returns:
            How many jobs ran.
        """
        started = time.monotonic()
        self._visited = time.time()
        done = 0
        wait = 0.0
        while True:
            try:
                job = self._jobs.get(timeout=wait) if wait > 0 else self._jobs.get_nowait()
            except queue.Empty:
                return done
            done += self._run(job)
            left = budget_s - (time.monotonic() - started)
            if left <= 0:
                return done
            wait = min(linger_s, left)

    @property
    def in_command(self) -> bool:
        """Whether the main thread is running a command now."""
        return self._running is not None

    def activity(self) -> Activity | None:
        """Return what the main thread is busy with, None when it takes commands (any thread)."""
        running = self._running
        if running is not None:
            return running
        if self._visited is None:
            return Activity("starting up", self._created)
        if time.time() - self._visited > STALE_S:
            return Activity("work of its own, such as a render or a dialog", self._visited)
        return None

    def _run(self, job: _Job) -> int:
        if not job.future.set_running_or_notify_cancel():
            return 0
        self._running = Activity(job.name, time.time())
        try:
            outcome = job.work()
        except BaseException as error:  # an interrupt between two commands' own code
            job.future.set_result(Failure(f"Interrupted: {type(error).__name__}", type=type(error).__name__))
            raise
        finally:
            self._visited = time.time()
            self._running = None
        job.future.set_result(outcome)
        return 1


main_thread = MainThread()
"""The main thread of this process."""


@dataclass(frozen=True)
class ServerState:
    """What the panel shows.

    Attributes:
        tcp: ``host:port`` of the TCP socket, None while it is not open.
        unix: Path of the unix socket, None while it is not open.
        clients: Open connections.
        last_call: The latest command's name.
        last_call_at: When it came, in seconds since the epoch.
    """

    tcp: str | None
    unix: str | None
    clients: int
    last_call: str | None
    last_call_at: float | None


class BlenderServer:
    """Serves a command table on a TCP and a unix socket, in a daemon thread of its own.

    Args:
        table: The commands.
        main: Where commands that touch Blender are handed over.
        settings: Addresses and waiting times.
    """

    def __init__(self, table: CommandTable, main: MainThread, settings: Settings) -> None:
        self._table = table
        self._main = main
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tcp: tuple[str, int] | None = None
        self._unix: Path | None = None
        self._unix_inode = 0
        self._clients = 0
        self._last_call: tuple[str, float] | None = None

    def start(self) -> None:
        """Start the thread and return at once. An address that is taken is tried again until it is free."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="p2m-blender-io", daemon=True)
        self._thread.start()
        ready.wait(_STOP_S)

    def stop(self) -> None:
        """Close the sockets and all connections, and end the thread. Harmless when it never started."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            LOG.error("the server's thread did not end within %g s", _STOP_S)
        self._thread = None

    @property
    def state(self) -> ServerState:
        """Where it listens and what happened last (any thread)."""
        name, at = self._last_call or (None, None)
        return ServerState(
            tcp=f"{self._tcp[0]}:{self._tcp[1]}" if self._tcp else None,
            unix=str(self._unix) if self._unix else None,
            clients=self._clients,
            last_call=name,
            last_call_at=at,
        )

    @property
    def tcp_address(self) -> tuple[str, int] | None:
        """Host and port of the TCP socket, None while it is not open (any thread)."""
        return self._tcp

    # --- the I/O thread -------------------------------------------------------------------------------------------

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except Exception:
            LOG.exception("the server ended")
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        ready.set()
        self._spawn(self._listen("TCP", self._open_tcp))
        if self._settings.runtime_dir.is_dir():
            self._spawn(self._listen("unix", self._open_unix))
        else:
            LOG.info("no unix socket: %s is no directory", self._settings.runtime_dir)
        await self._stopping.wait()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, kind: str, open_socket: Callable[[], Any]) -> None:
        """Open a listening socket, trying until it works, and keep it until cancelled."""
        complained = False
        while True:
            try:
                listener: asyncio.AbstractServer = await open_socket()
                break
            except OSError as error:
                if not complained:
                    LOG.error("cannot listen on the %s socket, trying again: %s", kind, error)
                complained = True
                await asyncio.sleep(_RETRY_S)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            listener.close()
            self._closed(kind)

    async def _open_tcp(self) -> asyncio.AbstractServer:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._spawn(self._converse(reader, writer, ObjectStream(), in_order=True))

        host, port = self._settings.tcp_host, self._settings.tcp_port
        listener = await asyncio.start_server(accept, host, port, limit=_READ_BYTES)
        self._tcp = listener.sockets[0].getsockname()[:2]
        LOG.info("listening on %s port %d", *self._tcp)
        return listener

    async def _open_unix(self) -> asyncio.AbstractServer:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._spawn(self._converse(reader, writer, FrameStream(), in_order=False))

        path = self._settings.runtime_dir / "blender.sock"
        if await _answers(path):
            raise OSError(f"another Blender serves {path}")
        # Bound under another name and renamed: nobody can connect before its mode is set, and an old file is replaced.
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        listener = await asyncio.start_unix_server(accept, fresh, limit=_READ_BYTES)
        fresh.chmod(0o600)
        self._unix_inode = fresh.stat().st_ino
        fresh.rename(path)
        self._unix = path
        LOG.info("listening on %s", path)
        return listener

    def _closed(self, kind: str) -> None:
        if kind == "TCP":
            self._tcp = None
        elif self._unix is not None:
            with suppress(OSError):
                if self._unix.stat().st_ino == self._unix_inode:  # and not the next Blender's
                    self._unix.unlink()
            self._unix = None

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire, *, in_order: bool
    ) -> None:
        """Serve one connection until it closes or cannot be followed any more."""
        self._clients += 1
        answering: set[asyncio.Task[None]] = set()
        slots = asyncio.Semaphore(1 if in_order else self._settings.max_parallel)

        async def answer(request: Request) -> None:
            try:
                outcome = await self._outcome(request)
                writer.write(wire.encode(request.id, outcome))
                await writer.drain()
            except ConnectionError as error:
                LOG.debug("a client left before its reply: %s", error)
            finally:
                slots.release()

        try:
            while data := await self._receive(reader, wire):
                wire.feed(data)
                while True:
                    # The slot comes first: bytes stay unparsed, and then unread, while as many commands as allowed run.
                    await slots.acquire()
                    try:
                        request = wire.next_request()
                    except RequestError as error:
                        slots.release()
                        failure = Failure(str(error), type="RequestError")
                        writer.write(wire.encode(error.request_id, failure))
                        await writer.drain()
                        continue
                    except StreamError:
                        slots.release()
                        raise
                    if request is None:
                        slots.release()
                        break
                    task = asyncio.get_running_loop().create_task(answer(request))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
            if in_order and answering:
                await asyncio.wait(answering)  # `printf … | nc -N` closes its side first and reads on
        except StreamError as error:
            if answering:
                await asyncio.wait(answering)
            await _farewell(reader, writer, wire.encode(None, Failure(str(error), type="StreamError")))
        except ConnectionError as error:
            LOG.debug("a client left: %s", error)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self._clients -= 1
            for task in answering:
                task.cancel()
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader, wire: Wire) -> bytes:
        """Return the next bytes, none at the end of the stream.

        Raises:
            StreamError: Silence, or the end, in the middle of a message.
        """
        limit = self._settings.idle_timeout_s
        try:
            async with asyncio.timeout(limit if wire.pending else None):
                data = await reader.read(_READ_BYTES)
        except TimeoutError:
            raise StreamError(f"Half a message, then {limit:g} s of silence; this connection is closed.") from None
        if not data and wire.pending:
            raise StreamError("The connection ended in the middle of a message.")
        return data

    async def _outcome(self, request: Request) -> Outcome:
        """Find, check and run one command."""
        try:
            found = self._table.find(request.type)
            found.check(request.params)
        except CommandError as error:
            return error.failure
        if found.off_main:
            return found.run(request.params)
        self._last_call = (found.name, time.time())
        return await self._outcome_of_main(found, request)

    async def _outcome_of_main(self, found: Command, request: Request) -> Outcome:
        deadline_s = request.deadline_s or self._settings.deadline_s
        future = self._main.submit(found.name, lambda: found.run(request.params, self._table.around))
        waiter = asyncio.wrap_future(future)
        try:
            await asyncio.wait({waiter}, timeout=deadline_s)
            if waiter.done():
                return waiter.result()
            return self._overdue(found.name, deadline_s, withdrawn=future.cancel())
        finally:
            future.cancel()
            waiter.cancel()

    def _overdue(self, name: str, deadline_s: float, *, withdrawn: bool) -> Failure:
        activity = self._main.activity()
        fate = (
            f"{name} was not started within {deadline_s:g} s and has been withdrawn"
            if withdrawn
            else f"{name} did not finish within {deadline_s:g} s; it goes on, and its result will be dropped"
        )
        reason = "" if activity is None else f"Blender is still busy with {activity.what} since {activity.since_iso}: "
        return Failure(reason + fate, type="DeadlineExceeded")


async def _answers(path: Path) -> bool:
    """Return whether somebody listens on a unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


async def _farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last_words: bytes) -> None:
    """Send a reply, then read on for a moment: closing with unread bytes would reset the connection and lose it."""
    with suppress(ConnectionError, TimeoutError, OSError):
        async with asyncio.timeout(_FAREWELL_S):
            writer.write(last_words)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            while await reader.read(_READ_BYTES):
                pass
