"""The audit: each tool call as a line of JSON in files that are rotated, and the search in them. Blocking, quick.

A line has no token, and no arguments unless the operator wants them (``P2M_AUDIT_ARGUMENTS``).
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MAX_BYTES = 10_000_000
"""Size at which a file is rotated; some 40,000 calls."""

KEPT = 5
"""Rotated files that are kept beside the one being written."""

LONGEST_ARGUMENTS = 2000
"""Characters of a call's arguments that are kept."""


@dataclass(frozen=True)
class ToolCall:
    """A tool call that has ended.

    Attributes:
        time: When it began.
        user: Whose Blender.
        client: Who has the token, for people.
        program: Which program sent it, as it says itself; empty when it does not.
        tool: Name of the tool.
        outcome: How it ended, see :class:`p2m_spawner.gateway.mcp_relay.outcomes.Outcome`.
        duration_s: Seconds, a start of the server included.
        mode: What it was allowed to do.
        arguments: The beginning of its arguments as JSON; None when they are not kept.
    """

    time: datetime
    user: str
    client: str
    program: str
    tool: str
    outcome: str
    duration_s: float
    mode: str
    arguments: str | None = None


class Audit:
    """The audit of one hub. Write from one thread; search from any.

    Args:
        path: The file that is written; older ones are beside it, with ``.1`` (the newest) and so on. Mode 0600.
        keep_arguments: Whether lines have the calls' arguments.
        max_bytes: See `MAX_BYTES`.
    """

    def __init__(self, path: Path, *, keep_arguments: bool = False, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._keep_arguments = keep_arguments
        self._file = _PrivateFile(path, maxBytes=max_bytes, backupCount=KEPT, encoding="utf-8", delay=True)

    def record(self, call: ToolCall, arguments: Any = None) -> None:
        """Write a line. A disk that is full must not end people's work: then the log has an error instead.

        Args:
            call: The call.
            arguments: Its arguments as received; left out unless they are kept.
        """
        line = {name: value for name, value in asdict(call).items() if value is not None}
        line["time"] = call.time.astimezone(UTC).isoformat(timespec="milliseconds")
        if self._keep_arguments and arguments is not None:
            line["arguments"] = json.dumps(arguments)[:LONGEST_ARGUMENTS]
        self._file.handle(logging.makeLogRecord({"msg": json.dumps(line)}))

    def search(
        self,
        *,
        user: str | None = None,
        tool: str | None = None,
        outcome: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[ToolCall]:
        """The calls that fit, the newest first. Reads files: call it in a thread.

        Args:
            user, tool, outcome: Exactly these; None: any.
            since: Only those that began then or later.
            limit: At most so many.
        """
        wanted = {"user": user, "tool": tool, "outcome": outcome}
        # As the lines have them, so that most lines need no parsing.
        marks = [f'"{name}": {json.dumps(value)}' for name, value in wanted.items() if value is not None]
        found: list[ToolCall] = []
        for line in self._lines(since):
            if len(found) >= limit:
                break
            if not all(mark in line for mark in marks):
                continue
            call = _parse(line)
            if call is None or (since is not None and call.time < since):
                continue
            if all(value in (None, getattr(call, name)) for name, value in wanted.items()):
                found.append(call)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self, since: datetime | None) -> Iterator[str]:
        """All lines, the newest first; without files that were written last before a time."""
        for path in (self._path, *(Path(f"{self._path}.{number}") for number in range(1, KEPT + 1))):
            try:
                if since is not None and path.stat().st_mtime < since.timestamp():
                    return
                yield from reversed(path.read_text(encoding="utf-8", errors="replace").splitlines())
            except FileNotFoundError:
                continue


class _PrivateFile(RotatingFileHandler):
    """A rotating file that only its owner may read."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        log.exception("A line of the audit could not be written to %s", self.baseFilename)


def _parse(line: str) -> ToolCall | None:
    """A line as a value; None for one that is damaged, as the last one before a crash."""
    try:
        fields = json.loads(line)
        return ToolCall(**{**fields, "time": datetime.fromisoformat(fields["time"])})
    except (ValueError, TypeError, KeyError):
        return None
