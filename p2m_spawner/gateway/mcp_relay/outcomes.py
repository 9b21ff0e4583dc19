"""How tool calls ended, read from the replies that pass by. Pure, and bounded in memory.

A reply is one JSON document, or a stream of events with a message each. Messages up to `WHOLE` bytes are parsed; of a
larger one, which is a result with a picture or a file, only head and tail are looked at.
"""

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from p2m_spawner.gateway.mcp_relay.messages import RequestId

WHOLE = 64 * 1024
"""Bytes of a message up to which it is parsed."""

TAIL = 512
"""Bytes of the end of a larger one that are kept: behind a result's content come only its small fields."""


class Outcome(StrEnum):
    """How a tool call ended."""

    OK = "ok"
    TOOL_ERROR = "tool-error"
    """The tool says that it failed."""
    ERROR = "error"
    """MCP's own error: no such tool, wrong arguments, refused."""
    ASKS = "asks"
    """The tool wants something from the person first; the client calls again with it."""
    CANCELLED = "cancelled"
    """The client left before the answer."""
    LOST = "lost"
    """The user's server ended before the answer."""
    UNREACHABLE = "unreachable"
    """Nothing was called: the user's server did not come up, or the hub could not be asked."""


_DATA = b"data:"
_IS_RESULT = re.compile(rb'\s*\{[^{}\[\]]*"result"\s*:')
_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')
# Depth two, counted from the end: the result closes, then the message. Inside a JSON text the quotes were escaped.
_LAST_FIELDS = re.compile(rb'"isError"\s*:\s*(true|false)[^{}\[\]]*\}[^{}\[\]]*\}\s*$')


class Replies:
    """Watches the reply to one POST.

    Args:
        ids: Requests whose outcome is wanted.
        events: Whether the reply is a stream of events; otherwise it is one JSON document.

    Attributes:
        outcomes: What is known so far, by id.
    """

    def __init__(self, ids: Iterable[RequestId], *, events: bool) -> None:
        self._wanted = {json.dumps(request_id): request_id for request_id in ids}
        self._events = events
        self._message = _Message()
        self._line = b""
        self._in_data: bool | None = None  # None: the line has not said yet what it is
        self.outcomes: dict[RequestId, Outcome] = {}

    def feed(self, chunk: bytes) -> None:
        """Look at the next piece of the reply."""
        if not self._wanted:
            return
        if not self._events:
            self._message.add(chunk)
            return
        first, *others = chunk.split(b"\n")
        self._add_to_line(first)
        for line in others:
            self._end_line()
            self._add_to_line(line)

    def end(self) -> None:
        """The reply is complete."""
        self._judge()

    def _add_to_line(self, piece: bytes) -> None:
        if self._in_data is None:
            self._line += piece
            if len(self._line) < len(_DATA):
                return
            self._in_data = self._line.startswith(_DATA)
            piece, self._line = self._line[len(_DATA) :], b""
        if self._in_data:
            self._message.add(piece)

    def _end_line(self) -> None:
        if self._in_data is None and self._line.strip() == b"":
            self._judge()  # an empty line ends an event
        self._line, self._in_data = b"", None

    def _judge(self) -> None:
        message, self._message = self._message, _Message()
        if message.size == 0:
            return
        judged = _of_document(message.whole) if message.whole is not None else [self._of_large(message)]
        for key, outcome in judged:
            if key in self._wanted:
                self.outcomes[self._wanted[key]] = outcome

    def _of_large(self, message: "_Message") -> tuple[str, Outcome]:
        if not _IS_RESULT.match(message.head):
            return "", Outcome.OK  # a question or notification of the server
        named = _ID.search(message.head)
        key = named[1].decode("utf-8", "replace") if named and len(self._wanted) > 1 else next(iter(self._wanted))
        last = _LAST_FIELDS.search(message.tail)
        return key, Outcome.TOOL_ERROR if last and last[1] == b"true" else Outcome.OK


class _Message:
    """The head and the tail of a message."""

    def __init__(self) -> None:
        self.size = 0
        self.head = bytearray()
        self.tail = b""

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.head += piece[: max(0, WHOLE - len(self.head))]
        self.tail = (self.tail + piece[-TAIL:])[-TAIL:]

    @property
    def whole(self) -> bytes | None:
        """All of it, None when it is too large."""
        return bytes(self.head) if self.size <= WHOLE else None


def _of_document(text: bytes) -> list[tuple[str, Outcome]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    messages = document if isinstance(document, list) else [document]
    return [
        (json.dumps(message.get("id")), outcome)
        for message in messages
        if isinstance(message, dict) and (outcome := _of_message(message)) is not None
    ]


def _of_message(message: dict[str, Any]) -> Outcome | None:
    if "error" in message:
        return Outcome.ERROR
    result = message.get("result")
    if not isinstance(result, dict):
        return None
    if result.get("resultType") == "input_required":
        return Outcome.ASKS
    return Outcome.TOOL_ERROR if result.get("isError") is True else Outcome.OK
