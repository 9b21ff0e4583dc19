"""The only client of Blender's unix socket.

The wire (``docs/protocol.md``): each message is a 4-byte big-endian length and that many bytes of UTF-8 JSON.
Requests are ``{"id", "type", "params", "deadline_s"}``, replies ``{"id", "status": "success", "result"}`` or
``{"id", "status": "error", "message", "error": {"type", "traceback", "output"}}``.

Each call has a connection of its own: closing it is how a caller that gives up tells Blender, which then drops the
command if it has not begun.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from pathlib import Path
from typing import Any

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message in either direction, in bytes."""

DEFAULT_DEADLINE_S = 30.0
"""Deadline of a command that names none, in seconds."""

REPLY_GRACE_S = 2.0
"""Default of `BlenderLink.call`'s ``grace_s``, in seconds."""

_READ_BUFFER_BYTES = 1024 * 1024
_HEADER = struct.Struct(">I")
_CALL_AGAIN = "Try again in a few seconds."
_DEADLINE_EXCEEDED = "DeadlineExceeded"


def runtime_dir() -> Path:
    """Return the directory of this start's sockets and state: ``P2M_RUNTIME_DIR``, by default ``/run/p2m``."""
    return Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m"))


class BlenderLinkError(Exception):
    """Base of everything `BlenderLink.call` raises; its text is a sentence for people and agents."""


class BlenderUnavailable(BlenderLinkError):
    """Blender does not answer on its socket: it is starting, restarting, or went away in the middle of a command."""


class BlenderTimeout(BlenderLinkError):
    """Blender did not finish a command within its deadline; it may still be at it."""


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
    """Blender behind its unix socket.

    Args:
        path: The socket; by default ``blender.sock`` in `runtime_dir`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else runtime_dir() / "blender.sock"

    async def call(
        self, type: str, /, *, deadline_s: float = DEFAULT_DEADLINE_S, grace_s: float = REPLY_GRACE_S, **params: Any
    ) -> Any:
        """Run one command in Blender and return its result.

        Any number of calls may run at the same time. Cancelling the caller closes the connection.

        Args:
            type: The command's name, for instance ``"get_scene_info"``.
            deadline_s: Seconds that Blender may take.
            grace_s: Seconds beyond it in which Blender may still say what kept it.
            **params: The command's parameters, anything JSON can say.

        Returns:
            The reply's ``result``, decoded from JSON.

        Raises:
            BlenderUnavailable: No Blender behind the socket, or it went away before it replied.
            BlenderTimeout: Blender gave the command up at its deadline, or did not say anything until the grace ended.
            BlenderError: The command failed, or a message is larger than `MAX_MESSAGE_BYTES`.
        """
        request = json.dumps({"id": 1, "type": type, "params": params, "deadline_s": deadline_s}).encode()
        if len(request) > MAX_MESSAGE_BYTES:
            raise _too_large("The command", len(request))
        try:
            async with asyncio.timeout(deadline_s + grace_s):
                return _result_of(await self._exchange(type, request))
        except TimeoutError:
            raise BlenderTimeout(
                f"Blender did not answer {type} within {deadline_s:g} s; it is in one long operation, such as a render."
            ) from None

    async def _exchange(self, command: str, request: bytes) -> Any:
        """Send one request on a fresh connection and return the decoded reply."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path, limit=_READ_BUFFER_BYTES)
        except OSError as error:
            raise BlenderUnavailable(f"Blender is starting or restarting. {_CALL_AGAIN}") from error
        try:
            writer.write(_HEADER.pack(len(request)) + request)
            await writer.drain()
            (length,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if length > MAX_MESSAGE_BYTES:
                raise _too_large("Blender's reply", length)
            return json.loads(await reader.readexactly(length))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise BlenderUnavailable(
                f"Blender went away before it answered {command}; it restarts by itself. {_CALL_AGAIN}"
            ) from error
        except ValueError as error:
            raise BlenderError(f"Blender's reply is not JSON: {error}", type="ProtocolError") from error
        finally:
            writer.transport.abort()


def _result_of(reply: Any) -> Any:
    if not isinstance(reply, dict):
        raise BlenderError(f"Blender's reply is not a JSON object: {reply!r:.100}", type="ProtocolError")
    if reply.get("status") == "success":
        return reply.get("result")
    message = str(reply.get("message") or "Blender reported an error without a message.")
    details = reply.get("error") or {}
    if details.get("type") == _DEADLINE_EXCEEDED:
        raise BlenderTimeout(message)
    raise BlenderError(
        message,
        type=str(details.get("type") or "Error"),
        traceback=str(details.get("traceback") or ""),
        output=str(details.get("output") or ""),
    )


def _too_large(what: str, size: int) -> BlenderError:
    megabyte = 1024 * 1024
    return BlenderError(
        f"{what} is {size / megabyte:.1f} MB; the limit is {MAX_MESSAGE_BYTES / megabyte:g} MB. "
        "Split it, or write it to a file and name the file.",
        type="MessageTooLarge",
    )
