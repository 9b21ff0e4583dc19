"""Streams that can be resumed: what was sent to clients with a session is kept for a while.

A connection that breaks in the middle of a tool call, because the hub's gateway was restarted or a laptop slept, ends
no call of a client with a session (protocols before 2026-07-28). The client asks again with the ``Last-Event-ID`` of
what it has read, and gets what it missed, the tool's result too (MCP 2025-11-25, "Resumability and Redelivery").
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

KEPT_S = 600.0
"""Seconds for which an event is kept."""

KEPT_BYTES = 32 * 1024 * 1024
"""Bytes of events of all sessions together; the oldest go first. One larger event is kept until the next comes."""

OVERHEAD = 1024
"""Bytes that an event counts beside its texts."""

FORGOTTEN = (
    "The connection broke, and what followed is no longer kept. Look at the scene with get_scene_info before you "
    "repeat the call."
)


@dataclass(eq=False)
class _Event:
    session: EventStore
    stream: str
    message: JSONRPCMessage | None
    size: int
    time: float
    following: tuple[int, _Event] | None = None


class Kept:
    """The events of all sessions, in bounds.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: OrderedDict[int, _Event] = OrderedDict()
        self._bytes = 0
        self._last = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: _Event) -> int:
        """Keep an event, and forget what is too old or too much; returns its number."""
        self._last += 1
        self._events[self._last] = event
        self._bytes += event.size
        now = event.time = self._clock()
        while len(self._events) > 1:
            oldest = next(iter(self._events.values()))
            if self._bytes <= KEPT_BYTES and now - oldest.time <= KEPT_S:
                break
            self._events.popitem(last=False)
            self._bytes -= oldest.size
        return self._last

    def get(self, number: str) -> _Event | None:
        """An event, None when it is forgotten or never was."""
        return self._events.get(int(number)) if number.isdecimal() and len(number) < 20 else None


class SessionEvents(EventStore):
    """What was sent on the streams of one session.

    Args:
        kept: Where it is kept.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._ends: WeakValueDictionary[str, _Event] = WeakValueDictionary()  # the last event of each stream

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event and return its id."""
        event = _Event(self, stream_id, message, OVERHEAD + _size(message), 0.0)
        before = self._ends.get(stream_id)
        number = self._kept.add(event)
        if before is not None:
            before.following = number, event
        self._ends[stream_id] = event
        return str(number)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what followed an event on its stream, also what comes meanwhile; returns the stream.

        Who asks for what is forgotten gets an error as the answer to its request, or it would ask forever.
        """
        event = self._kept.get(last_event_id)
        if event is None or event.session is not self:
            error = ErrorData(code=INTERNAL_ERROR, message=FORGOTTEN)
            await send_callback(EventMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))
            return None
        while event.following is not None:
            number, event = event.following
            if event.message is not None:
                await send_callback(EventMessage(event.message, str(number)))
        return event.stream


class _ResumableSessions(StreamableHTTPSessionManager):
    @property
    def event_store(self) -> EventStore:  # type: ignore[override]
        """A store for the session that is being opened."""
        return SessionEvents(self.kept)

    kept: Kept


def make_resumable(sessions: StreamableHTTPSessionManager) -> None:
    """Let clients resume the streams of their sessions.

    The SDK (2.3) has one store for all sessions and names streams by their requests' ids, which every client counts
    from 0: one session would be told another's results. So each session gets a store of its own when it is opened. The
    SDK makes the manager itself, hence its class is changed afterwards.
    """
    sessions.__class__ = _ResumableSessions
    vars(sessions)["kept"] = Kept()


def _size(value: Any) -> int:
    """Bytes of the texts in a message, nearly: all else in it is small."""
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(_size, value.values()))
        case list():
            return sum(map(_size, value))
        case JSONRPCResponse():
            return _size(value.result)
        case JSONRPCNotification() | JSONRPCRequest():
            return _size(value.params)
        case JSONRPCError():
            return _size(value.error.message) + _size(value.error.data)
    return 0
