# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to requests and replies to bytes, for both sockets (docs/protocol.md). No I/O, no Blender.

`ObjectStream` is upstream blender-mcp's wire: JSON objects one after the other, nothing between them. `FrameStream` is
our own: a 4-byte big-endian length before each object, and ids. Both are fed what a socket received and asked for the
next request until there is none.
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from typing import Any, Protocol

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message in either direction, in bytes."""

MAX_DEADLINE_S = 24 * 3600.0
"""Longest deadline a request may ask for, in seconds."""

MAX_NAME_CHARS = 100
"""Most characters of a client's name that are kept."""

_HEADER = struct.Struct(">I")
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_STRING_BODY = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_TO_NEXT_MARK = re.compile(rb'[^"{}]*+')
_QUOTE, _OPEN = b'"'[0], b"{"[0]


class RequestError(Exception):
    """One request is wrong; what follows it on the stream is still good.

    Args:
        message: A sentence for the client.
        request_id: The id the request carried, if it could be read.
    """

    def __init__(self, message: str, request_id: Any = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class StreamError(Exception):
    """The stream cannot be followed any further: answer with this text, then close."""


@dataclass(frozen=True)
class Request:
    """One command as a client sent it.

    Attributes:
        type: Name of the command.
        params: Its parameters, not checked yet.
        id: What the reply repeats (unix wire only, None otherwise).
        deadline_s: Seconds the client gives Blender; None for the server's default.
        mode: What the request may do at most (unix wire only; see `access.Mode`); None for this Blender's own mode.
        client: Name of the program behind it, for people (unix wire only).
    """

    type: str
    params: dict[str, Any]
    id: Any = None
    deadline_s: float | None = None
    mode: str | None = None
    client: str | None = None


@dataclass(frozen=True)
class Success:
    """A command's result: anything JSON can say."""

    result: Any


@dataclass(frozen=True)
class Failure:
    """Why a command has no result.

    Attributes:
        message: A sentence for the client.
        type: Name of the exception, for instance ``"KeyError"``.
        traceback: The lines of the client's own code that led to it; None when the client sent no code.
        output: What that code had printed before.
    """

    message: str
    type: str = "Error"
    traceback: str | None = None
    output: str = ""


Outcome = Success | Failure


class Wire(Protocol):
    """What the server asks of a wire."""

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""

    def feed(self, data: bytes) -> None:
        """Append received bytes."""

    def next_request(self) -> Request | None:
        """Return the next complete request, or None until more bytes arrive.

        Raises:
            RequestError: This message is wrong; call again for the next one.
            StreamError: Nothing after this point can be trusted.
        """

    def encode(self, request_id: Any, outcome: Outcome) -> bytes:
        """Return the bytes of a reply; a result JSON cannot carry becomes an error reply."""


class ObjectStream:
    """Upstream's wire. Each byte is looked at once, so time is linear in what arrives, however it is cut."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """Return the next complete request, or None until more bytes arrive.

        Raises:
            RequestError: Balanced braces around something that is no request.
            StreamError: A byte outside any object, or a message beyond the size limit.
        """
        raw = self._next_object()
        if raw is None:
            return None
        message = _decode(raw)
        return Request(type=_type_of(message), params=_params_of(message))

    def encode(self, request_id: Any, outcome: Outcome) -> bytes:
        """Return a reply as ASCII JSON; this wire has no ids, so `request_id` is left out.

        Failures of a client's code go as upstream's clients parse them: the message is itself a JSON object.
        """
        if isinstance(outcome, Failure):
            return _dump(_object_error(outcome))
        try:
            return _dump_limited({"status": "success", "result": outcome.result}, self._max_bytes)
        except ValueError as error:
            return _dump(_object_error(_unsendable(error)))

    def _next_object(self) -> bytes | None:
        """Cut the next balanced object off the buffer."""
        buffer = self._buffer
        if self._depth == 0:
            blanks = _BLANKS.match(buffer)
            if blanks is not None and blanks.end():
                del buffer[: blanks.end()]
            if not buffer:
                return None
            if buffer[0] != _OPEN:
                raise StreamError(
                    f"Expected a JSON object, got {bytes(buffer[:20])!r}. "
                    'Send {"type": "...", "params": {...}}; this connection is closed.'
                )
        position, size = self._scanned, len(buffer)
        while position < size:
            if self._in_string:
                position = _end(_STRING_BODY, buffer, position)
                if position >= size or buffer[position] != _QUOTE:
                    break  # the string, or an escape in it, goes on in the next chunk
                self._in_string = False
                position += 1
                continue
            position = _end(_TO_NEXT_MARK, buffer, position)
            if position >= size:
                break
            mark = buffer[position]
            position += 1
            if mark == _QUOTE:
                self._in_string = True
            elif mark == _OPEN:
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 0:
                    return self._cut(position)
        self._scanned = position
        if size > self._max_bytes:
            raise StreamError(_too_large(size, self._max_bytes))
        return None

    def _cut(self, end: int) -> bytes:
        if end > self._max_bytes:
            raise StreamError(_too_large(end, self._max_bytes))
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._scanned = 0
        return raw


class FrameStream:
    """Our own wire: length, then one JSON object with an id."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """Return the next complete request, or None until more bytes arrive.

        Raises:
            RequestError: A frame that is no request.
            StreamError: A length beyond the size limit.
        """
        buffer = self._buffer
        if len(buffer) < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(buffer)
        if length > self._max_bytes:
            raise StreamError(_too_large(length, self._max_bytes))
        end = _HEADER.size + length
        if len(buffer) < end:
            return None
        raw = bytes(buffer[_HEADER.size : end])
        del buffer[:end]
        message = _decode(raw)
        request_id = _id_of(message)
        try:
            return Request(
                _type_of(message),
                _params_of(message),
                request_id,
                _deadline_of(message),
                _text_of(message, "mode"),
                _text_of(message, "client"),
            )
        except RequestError as error:
            raise RequestError(str(error), request_id) from None

    def encode(self, request_id: Any, outcome: Outcome) -> bytes:
        """Return a reply's frame: its length, then ASCII JSON."""
        if isinstance(outcome, Failure):
            body = _dump(_frame_error(request_id, outcome))
        else:
            try:
                reply = {"id": request_id, "status": "success", "result": outcome.result}
                body = _dump_limited(reply, self._max_bytes)
            except ValueError as error:
                body = _dump(_frame_error(request_id, _unsendable(error)))
        return _HEADER.pack(len(body)) + body


def _end(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    """Return where a pattern that also matches nothing stops."""
    match = pattern.match(buffer, position)
    return position if match is None else match.end()


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        message = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RequestError(f"The message is not UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise RequestError(f"Expected a JSON object, got {type(message).__name__}")
    return message


def _id_of(message: dict[str, Any]) -> Any:
    """Return the id, if a reply can carry it: Python reads NaN and 1e999, which are no JSON (RFC 8259, section 6)."""
    request_id = message.get("id")
    try:
        json.dumps(request_id, allow_nan=False)
    except (ValueError, RecursionError):
        raise RequestError('"id" must be a JSON value; NaN and infinite numbers are none') from None
    return request_id


def _type_of(message: dict[str, Any]) -> str:
    command = message.get("type")
    if not isinstance(command, str):
        raise RequestError('A request needs "type", the name of a command, as a string')
    return command


def _params_of(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params")
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise RequestError(f'"params" must be an object, got {type(params).__name__}')
    return params


def _deadline_of(message: dict[str, Any]) -> float | None:
    deadline = message.get("deadline_s")
    if deadline is None:
        return None
    if isinstance(deadline, bool) or not isinstance(deadline, int | float):
        raise RequestError(f'"deadline_s" must be a number of seconds, got {type(deadline).__name__}')
    if not (math.isfinite(deadline) and 0 < deadline <= MAX_DEADLINE_S):
        raise RequestError(f'"deadline_s" must be above 0 and at most {MAX_DEADLINE_S:g} seconds, got {deadline}')
    return float(deadline)


def _text_of(message: dict[str, Any], name: str) -> str | None:
    text = message.get(name)
    if text is None or isinstance(text, str):
        return None if text is None else text[:MAX_NAME_CHARS]
    raise RequestError(f'"{name}" must be a string, got {type(text).__name__}')


def _dump(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply, ensure_ascii=True, allow_nan=False).encode("ascii")


def _dump_limited(reply: dict[str, Any], max_bytes: int) -> bytes:
    """Encode a reply, or raise ValueError with what is wrong with its result."""
    try:
        body = _dump(reply)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if len(body) > max_bytes:
        raise ValueError(_too_large(len(body), max_bytes))
    return body


def _unsendable(error: ValueError) -> Failure:
    return Failure(f"The command ran, but its result cannot be sent: {error}", type="ResultError")


def _object_error(failure: Failure) -> dict[str, Any]:
    message = failure.message
    if failure.traceback is not None:
        details = {"exception_type": failure.type, "message": failure.message, "traceback": failure.traceback}
        message = json.dumps(details)
    return {"status": "error", "message": message}


def _frame_error(request_id: Any, failure: Failure) -> dict[str, Any]:
    error = {"type": failure.type, "traceback": failure.traceback or "", "output": failure.output}
    return {"id": request_id, "status": "error", "message": failure.message, "error": error}


def _too_large(size: int, max_bytes: int) -> str:
    megabyte = 1024 * 1024
    return f"A message of {size / megabyte:.1f} MB or more is too large; the limit is {max_bytes / megabyte:g} MB"
