"""The only client of Blender's unix socket.

The wire (``docs/protocol.md``): each message is a 4-byte big-endian length and that many bytes of UTF-8 JSON.
Requests are ``{"id", "type", "params", "deadline_s"}``, replies ``{"id", "status": "success", "result"}`` or
``{"id", "status": "error", "message", "error": {"type", "traceback", "output"}}``.

Each call has a connection of its own: closing it is how a caller that gives up tells Blender, which then drops the
command if it has not begun and interrupts it if it has. Each begins with a ``get_status``, which the add-on answers at
once while anything but its main thread works: no answer means that a single call into C keeps even that from working.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from dataclasses import dataclass
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
HANG_S = 3.0
"""Seconds without an answer to ``get_status`` after which a call ends with `BlenderTimeout`."""

USUAL_START_S = 3
"""Seconds from the start of Blender's process until it answers, rounded up."""

_DEADLINE_EXCEEDED = "DeadlineExceeded"
_LIFE_ID, _CALL_ID = 0, 1
_LIFE_REQUEST = json.dumps({"id": _LIFE_ID, "type": "get_status", "params": {}}).encode()
_LIFE_SIGN = _HEADER.pack(len(_LIFE_REQUEST)) + _LIFE_REQUEST


def runtime_dir() -> Path:
    """Return the directory of this start's sockets and state: ``P2M_RUNTIME_DIR``, by default ``/run/p2m``."""
    return Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m"))


class BlenderLinkError(Exception):
    """Base of everything `BlenderLink.call` raises; its text is a sentence for people and agents."""


class BlenderUnavailable(BlenderLinkError):
    """Blender does not answer on its socket: it is starting, restarting, or went away in the middle of a command."""


class BlenderTimeout(BlenderLinkError):
    """Blender did not finish a command within its deadline.

    Attributes:
        traceback: Where the client's own code was interrupted; empty when it was not, and may still go on.
        output: What that code had printed before.
    """

    def __init__(self, message: str, *, traceback: str = "", output: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback
        self.output = output


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


@dataclass(frozen=True)
class Sender:
    """On whose behalf a command is sent.

    Attributes:
        mode: What the command may do at most: ``"full"``, ``"no-code"`` or ``"read-only"``; None for Blender's own.
        client: Name of the program, for the person at Blender.
    """

    mode: str | None = None
    client: str | None = None


NOBODY = Sender()


class BlenderLink:
    """Blender behind its unix socket.

    Args:
        path: The socket; by default ``blender.sock`` in `runtime_dir`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else runtime_dir() / "blender.sock"

    async def call(
        self,
        type: str,
        /,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        grace_s: float = REPLY_GRACE_S,
        sender: Sender = NOBODY,
        **params: Any,
    ) -> Any:
        """Run one command in Blender and return its result.

        Any number of calls may run at the same time. Cancelling the caller closes the connection, and Blender then
        interrupts the command.

        Args:
            type: The command's name, for instance ``"get_scene_info"``.
            deadline_s: Seconds that Blender may take.
            grace_s: Seconds beyond it in which Blender may still say what kept it.
            sender: On whose behalf.
            **params: The command's parameters, anything JSON can say.

        Returns:
            The reply's ``result``, decoded from JSON.

        Raises:
            BlenderUnavailable: No Blender behind the socket, or it went away before it replied.
            BlenderTimeout: Blender interrupted or gave up the command at its deadline, or did not say anything until
                the grace ended.
            BlenderError: The command failed, or a message is larger than `MAX_MESSAGE_BYTES`.
        """
        message = {"id": _CALL_ID, "type": type, "params": params, "deadline_s": deadline_s}
        message |= {name: value for name, value in vars(sender).items() if value is not None}
        request = json.dumps(message).encode()
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
        if (self.path.parent / "blender-restart-requested").exists():
            raise BlenderUnavailable(self._when_back())  # the one that is about to end would not finish it
        try:
            reader, writer = await asyncio.open_unix_connection(self.path, limit=_READ_BUFFER_BYTES)
        except OSError as error:
            raise BlenderUnavailable(self._when_back()) from error
        try:
            writer.write(_LIFE_SIGN + _HEADER.pack(len(request)) + request)
            reply = await self._first_reply(command, reader, writer)
            while isinstance(reply, dict) and reply.get("id") == _LIFE_ID:
                reply = await _read_reply(reader)
            return reply
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise BlenderUnavailable(f"Blender went away before it answered {command}. {self._when_back()}") from error
        except ValueError as error:
            raise BlenderError(f"Blender's reply is not JSON: {error}", type="ProtocolError") from error
        finally:
            writer.transport.abort()

    async def _first_reply(self, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        """Return the first reply; it must come soon, whatever the command takes."""
        try:
            async with asyncio.timeout(HANG_S):
                await writer.drain()
                return await _read_reply(reader)
        except TimeoutError:
            raise BlenderTimeout(
                f"Blender is busy with one operation that lets nothing else work, for {HANG_S:g} s at least; {command} "
                "may not have been run. Wait and try again, or end it with restart_blender."
            ) from None

    def _when_back(self) -> str:
        """Return what is known of Blender's next start, in a sentence."""
        runtime = self.path.parent
        exits = exits_of(runtime)
        if exits.get("failed"):
            return (
                f"Blender ended too often and is not started again ({exits.get('reason')}). "
                "Start it with restart_blender, or ask the person to restart their server."
            )
        try:
            delay = int((runtime / "blender-delay").read_text(encoding="ascii"))
        except (OSError, ValueError):
            delay = 0
        return f"Blender is {'re' if exits else ''}starting, try again in {delay + USUAL_START_S} s."


async def _read_reply(reader: asyncio.StreamReader) -> Any:
    (length,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if length > MAX_MESSAGE_BYTES:
        raise _too_large("Blender's reply", length)
    return json.loads(await reader.readexactly(length))


def exits_of(runtime: Path) -> dict[str, Any]:
    """Return what Blender's supervisor wrote at its last exit; empty while it never exited.

    Args:
        runtime: The runtime directory.
    """
    try:
        exits = json.loads((runtime / "blender-exits.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return exits if isinstance(exits, dict) else {}


def _result_of(reply: Any) -> Any:
    if not isinstance(reply, dict):
        raise BlenderError(f"Blender's reply is not a JSON object: {reply!r:.100}", type="ProtocolError")
    if reply.get("status") == "success":
        return reply.get("result")
    message = str(reply.get("message") or "Blender reported an error without a message.")
    details = reply.get("error") or {}
    if details.get("type") == _DEADLINE_EXCEEDED:
        raise BlenderTimeout(
            message, traceback=str(details.get("traceback") or ""), output=str(details.get("output") or "")
        )
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
