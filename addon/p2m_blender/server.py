# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket server: an I/O thread that talks to clients and hands commands over to the main thread. No Blender.

asyncio on a TCP and on a unix socket. A client that is slow, silent or wrong costs nobody else anything: each
connection is a task of its own, commands that touch Blender run on the main thread only, and there connections take
turns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .access import Access
from .mainthread import Activity, Job, MainThread
from .registry import Command, CommandError, CommandTable
from .wire import Failure, FrameStream, ObjectStream, Outcome, Request, RequestError, StreamError, Wire

LOG = logging.getLogger("p2m_blender")

DEFAULT_TCP_HOST = "127.0.0.1"
DEFAULT_TCP_PORT = 9876
DEFAULT_RUNTIME_DIR = "/run/p2m"

INTERRUPT_PAUSE_S = 0.2
"""Seconds between two interrupts of a command that goes on."""

INTERRUPT_GRACE_S = 1.0
"""Seconds after the first one from which a command counts as stuck."""

KEPT_CALLS = 10
"""How many calls the panel can list."""

_RECENT_S = 600.0
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


@dataclass
class Call:
    """One command that came, as the panel lists it.

    Attributes:
        name: The command.
        client: Who sent it.
        at: When it came, in seconds since the epoch.
        seconds: How long its client waited for the outcome; None while it waits.
        outcome: ``"done"``, the failure's type, or ``"cancelled"``; None while it waits.
    """

    name: str
    client: str
    at: float
    seconds: float | None = None
    outcome: str | None = None


@dataclass(frozen=True)
class ServerState:
    """What the panel shows.

    Attributes:
        tcp: ``host:port`` of the TCP socket, None while it is not open.
        unix: Path of the unix socket, None while it is not open.
        clients: Open connections.
        names: Who is connected by TCP now, or has sent a command in the last ten minutes.
        calls: The latest calls, the newest first.
    """

    tcp: str | None
    unix: str | None
    clients: int
    names: tuple[str, ...]
    calls: tuple[Call, ...]


class BlenderServer:
    """Serves a command table on a TCP and a unix socket, in a daemon thread of its own.

    Args:
        table: The commands.
        main: Where commands that touch Blender are handed over.
        settings: Addresses and waiting times.
        access: What clients may do; everything by default.
    """

    def __init__(self, table: CommandTable, main: MainThread, settings: Settings, access: Access | None = None) -> None:
        self._table = table
        self._main = main
        self._settings = settings
        self._access = access or Access()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tcp: tuple[str, int] | None = None
        self._unix: Path | None = None
        self._unix_inode = 0
        self._clients = 0
        self._peers: dict[object, str] = {}
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._callers: dict[str, float] = {}
        self._alarm: asyncio.Future[None] | None = None

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
        recent = time.time() - _RECENT_S
        names = {*self._peers.copy().values(), *(name for name, at in self._callers.copy().items() if at > recent)}
        return ServerState(
            tcp=f"{self._tcp[0]}:{self._tcp[1]}" if self._tcp else None,
            unix=str(self._unix) if self._unix else None,
            clients=self._clients,
            names=tuple(sorted(names)),
            calls=tuple(reversed(self._calls.copy())),
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

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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
        lane = object()
        if peer := writer.get_extra_info("peername"):
            self._peers[lane] = f"{peer[0]}, TCP"
        answering: set[asyncio.Task[None]] = set()
        slots = asyncio.Semaphore(1 if in_order else self._settings.max_parallel)

        async def answer(request: Request) -> None:
            try:
                outcome = await self._outcome(request, lane)
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
            self._peers.pop(lane, None)
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

    async def _outcome(self, request: Request, lane: object) -> Outcome:
        """Find, check and run one command."""
        try:
            found = self._table.find(request.type)
            found.check(request.params)
        except CommandError as error:
            return error.failure
        if found.off_main:
            return self._access.refusal(found, request.mode) or found.run(request.params)
        call = self._note_call(found, request.client or self._peers.get(lane) or "a program")
        if lane in self._peers:
            self._main.tcp_command_at = call.at
        began = time.monotonic()
        outcome: Outcome | None = None
        try:
            outcome = self._access.refusal(found, request.mode) or await self._outcome_of_main(found, request, lane)
            return outcome
        finally:
            call.seconds = time.monotonic() - began
            call.outcome = "cancelled" if outcome is None else outcome.type if isinstance(outcome, Failure) else "done"

    def _note_call(self, found: Command, client: str) -> Call:
        call = Call(found.name, client, time.time())
        self._calls.append(call)
        self._callers.pop(client, None)
        self._callers[client] = call.at
        while len(self._callers) > KEPT_CALLS:
            del self._callers[next(iter(self._callers))]
        return call

    async def _outcome_of_main(self, found: Command, request: Request, lane: object) -> Outcome:
        """Run a command on the main thread, and see to its deadline."""
        if stuck := self._main.stuck():
            return _busy(stuck, found.name)

        def work() -> Outcome:  # a person may have paused agents while it waited
            refused = self._access.refusal(found, request.mode)
            return refused or found.run(request.params, self._table.around, self._main.interruptible)

        loop = asyncio.get_running_loop()
        deadline_s = request.deadline_s or self._settings.deadline_s
        end = loop.time() + deadline_s
        job = self._main.submit(found.name, work, lane)
        waiter = asyncio.wrap_future(job.future)
        why = "its client went away"
        chase: asyncio.Task[None] | None = None
        try:
            while loop.time() < end:
                alarm = self._alarm = self._alarm or loop.create_future()
                news: set[asyncio.Future[Any]] = {waiter, alarm}
                await asyncio.wait(news, timeout=end - loop.time(), return_when=asyncio.FIRST_COMPLETED)
                if waiter.done():
                    return waiter.result()
                if alarm.done() and (stuck := self._main.stuck()) and job.future.cancel():
                    return _busy(stuck, found.name)
            if job.future.cancel():
                return self._withdrawn(found.name, deadline_s)
            why = (
                f"{found.name} did not finish within {deadline_s:g} s and was interrupted; what it did until then stays"
            )
            job.window.interrupt(why)
            await asyncio.wait({waiter}, timeout=INTERRUPT_PAUSE_S)
            if not waiter.done():
                chase = self._spawn(self._chase(job, why))
                both: set[asyncio.Future[Any]] = {waiter, chase}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return waiter.result() if waiter.done() else self._uninterrupted(found.name, deadline_s)
        finally:
            if chase is None and not job.future.cancel() and not job.future.done():
                self._spawn(self._chase(job, why))
            waiter.cancel()

    async def _chase(self, job: Job, why: str) -> None:
        """Interrupt a running command again and again; return when it has ended or once it counts as stuck.

        Stuck code is interrupted further on, by a task of its own: it may only have swallowed an interrupt.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + INTERRUPT_GRACE_S
        while not job.future.done():
            job.window.interrupt(why)
            await asyncio.sleep(INTERRUPT_PAUSE_S)
            if loop.time() > end and not job.future.done():
                self._main.mark_stuck(job)
                if self._alarm is not None:
                    self._alarm.set_result(None)
                    self._alarm = None
                self._spawn(self._pursue(job, why))
                return

    async def _pursue(self, job: Job, why: str) -> None:
        while not job.future.done():
            job.window.interrupt(why)
            await asyncio.sleep(INTERRUPT_PAUSE_S)

    def _withdrawn(self, name: str, deadline_s: float) -> Failure:
        activity = self._main.activity()
        reason = "" if activity is None else f"Blender is still busy with {activity.what} since {activity.since_iso}: "
        fate = f"{name} was not started within {deadline_s:g} s and has been withdrawn"
        return Failure(reason + fate, type="DeadlineExceeded")

    def _uninterrupted(self, name: str, deadline_s: float) -> Failure:
        activity = self._main.activity()
        since = "" if activity is None else f" It is busy since {activity.since_iso}."
        return Failure(
            f"{name} did not finish within {deadline_s:g} s and cannot be interrupted: Blender is in one long "
            f"operation.{since} It goes on, and its result will be dropped. Wait for it, or end it with "
            "restart_blender.",
            type="DeadlineExceeded",
        )


def _busy(stuck: Activity, name: str) -> Failure:
    return Failure(
        f"Blender is busy with {stuck.what} since {stuck.since_iso}, beyond its deadline, and cannot be interrupted; "
        f"{name} was not run. Wait and try again, or end it with restart_blender.",
        type="Busy",
    )


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
