"""The only client of Blender's unix socket.

The wire (``docs/protocol.md``): each message is a 4-byte big-endian length and that many bytes of UTF-8 JSON.
Requests are ``{"id", "type", "params", "deadline_s"}``, replies ``{"id", "status": "success", "result"}`` or
``{"id", "status": "error", "message", "error": {"type", "traceback", ...}}``. Replies come in any order; the id says
which request they answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message in either direction, in bytes."""

DEFAULT_DEADLINE_S = 30.0
"""Deadline of a command that names none, in seconds."""

REPLY_GRACE_S = 2.0
"""Seconds beyond a command's deadline in which Blender may still report that it gave the command up."""

CONNECT_TIMEOUT_S = 2.0
_READ_BUFFER_BYTES = 1024 * 1024
_HEADER = struct.Struct(">I")
_CALL_AGAIN = "Try again in a few seconds."


def runtime_dir() -> Path:
    """Return the directory of this start's sockets and state: ``P2M_RUNTIME_DIR``, by default ``/run/p2m``."""
    return Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m"))


class BlenderLinkError(Exception):
    """Base of everything `BlenderLink.call` raises; its text is a sentence for people and agents."""


class BlenderUnavailable(BlenderLinkError):
    """Blender does not answer on its socket: it is starting, restarting, or went away in the middle of a command."""


class BlenderTimeout(BlenderLinkError):
    """Blender did not finish a command within its deadline."""


class BlenderError(BlenderLinkError):
    """Blender ran a command and it failed.

    Attributes:
        type: Name of the exception inside Blender, for instance ``"KeyError"``.
        message: Its text.
        traceback: The lines of the client's own code that led to it; empty when the client sent no code.
        output: What that code had printed before it failed.
    """

    def __init__(self, message: str, *, type: str = "Error", traceback: str = "", output: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.traceback = traceback
        self.output = output


class BlenderLink:
    """A connection to Blender, opened by the first call and again after Blender came back.

    Calls run at the same time over one connection. An instance belongs to the event loop of its first call.

    Args:
        path: The socket; by default ``blender.sock`` in `runtime_dir`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else runtime_dir() / "blender.sock"
        self._ids = itertools.count(1)
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def call(self, type: str, /, *, deadline_s: float = DEFAULT_DEADLINE_S, **params: Any) -> Any:
        """Run one command in Blender and return its result.

        Cancelling the caller gives up waiting; a reply that comes later is dropped.

        Args:
            type: The command's name, for instance ``"get_scene_info"``.
            deadline_s: Seconds that Blender may take.
            **params: The command's parameters, anything JSON can say.

        Returns:
            The reply's ``result``, decoded from JSON.

        Raises:
            BlenderUnavailable: No Blender behind the socket, or it went away before it replied.
            BlenderTimeout: No reply within the deadline and `REPLY_GRACE_S`.
            BlenderError: The command failed, or a message is larger than `MAX_MESSAGE_BYTES`.
        """
        request_id = next(self._ids)
        request = {"id": request_id, "type": type, "params": params, "deadline_s": deadline_s}
        payload = json.dumps(request).encode()
        if len(payload) > MAX_MESSAGE_BYTES:
            raise BlenderError(f"The command is {_megabytes(len(payload))}; {_LIMIT_SENTENCE}", type="MessageTooLarge")
        connection = await self._connected()
        try:
            async with asyncio.timeout(deadline_s + REPLY_GRACE_S):
                reply = await connection.exchange(request_id, payload, type)
        except TimeoutError:
            raise BlenderTimeout(f"Blender did not finish {type} within {deadline_s:g} s.") from None
        return _result_of(reply)

    async def close(self) -> None:
        """Close the connection; calls that wait for a reply raise `BlenderUnavailable`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await _Connection.open(self.path)
            return self._connection


class _Connection:
    """One open socket, and the calls that wait on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.closed = False
        self._receiving = asyncio.create_task(self._receive())

    @classmethod
    async def open(cls, path: Path) -> _Connection:
        """Connect, or raise `BlenderUnavailable`."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(path, limit=_READ_BUFFER_BYTES)
        except (OSError, TimeoutError) as error:
            raise BlenderUnavailable(f"Blender is starting or restarting. {_CALL_AGAIN}") from error
        return cls(reader, writer)

    async def exchange(self, request_id: int, payload: bytes, command: str) -> dict[str, Any]:
        """Send one request and wait for its reply."""
        waiter: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = waiter
        try:
            self._writer.write(_HEADER.pack(len(payload)) + payload)
            await self._writer.drain()
            return await waiter
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise BlenderUnavailable(
                f"Blender went away before it answered {command}; it restarts by itself. {_CALL_AGAIN}"
            ) from error
        finally:
            self._waiting.pop(request_id, None)

    async def close(self) -> None:
        """Stop receiving and close the socket."""
        self._receiving.cancel()
        await asyncio.wait([self._receiving])

    async def _receive(self) -> None:
        failure: Exception = ConnectionResetError("closed")
        try:
            while True:
                (length,) = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
                if length > MAX_MESSAGE_BYTES:
                    failure = BlenderError(
                        f"Blender's reply is {_megabytes(length)}; {_LIMIT_SENTENCE}", type="MessageTooLarge"
                    )
                    return
                reply = json.loads(await self._reader.readexactly(length))
                waiter = self._waiting.get(reply.get("id"))
                if waiter is not None and not waiter.done():
                    waiter.set_result(reply)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            failure = error
        except (ValueError, AttributeError) as error:
            failure = BlenderError(f"Blender's reply is not a JSON object: {error}", type="ProtocolError")
        finally:
            self.closed = True
            self._writer.close()
            for waiter in self._waiting.values():
                if not waiter.done():
                    waiter.set_exception(failure)


def _megabytes(size: int) -> str:
    return f"{size / (1024 * 1024):.1f} MB"


_LIMIT_SENTENCE = f"the limit is {_megabytes(MAX_MESSAGE_BYTES)}. Split it, or write it to a file and name the file."


def _result_of(reply: dict[str, Any]) -> Any:
    if reply.get("status") == "success":
        return reply.get("result")
    details = reply.get("error") or {}
    raise BlenderError(
        str(reply.get("message") or "Blender reported an error without a message."),
        type=str(details.get("type") or "Error"),
        traceback=str(details.get("traceback") or ""),
        output=str(details.get("output") or ""),
    )
