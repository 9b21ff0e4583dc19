"""How a server ended: for its user a sentence, for the operator all that the engine still knew.

Pure: an engine's spawner fills an :class:`Ending` in. The latest one of each server is kept in the memory of the hub's
process (:data:`ENDINGS`), where pages and API find it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

LOG_TAIL_LINES = 200
"""How much of a dead server's output is kept, in lines."""

MOST_KEPT = 500
"""Servers whose latest ending is kept; the oldest goes first."""

KILLED = 128 + 9
"""Exit code of a container whose first process was ended by SIGKILL."""

SOONER_THAN_HOURS = 48
"""Age of a saved scene, in hours, up to which it is worth a word."""

Reason = Literal[
    "out_of_memory", "killed", "removed", "exited", "crashed", "start_failed", "start_interrupted", "machine_away"
]
"""Metric label."""


@dataclass(frozen=True)
class Ending:
    """How a server ended.

    Attributes:
        exit_code: Of the container's first process; None when the engine does not know.
        out_of_memory: Whether the system ended something in it because its memory limit was reached.
        error: What the engine says beside it, often empty.
        ended_at: When, by the engine's clock; None when the engine does not know.
        log: The last lines that the server printed, at most `LOG_TAIL_LINES`.
        memory_limit: The limit, in bytes; None when there was none.
        saved_at: When Blender saved its scene last; None when that is not known.
        removed: Whether nothing was left of the server to ask about.
        failure: The user's sentence of a start that failed; empty for a server that had been ready.
        interrupted: Whether the hub itself ended while it was starting the server.
        away: The user's sentences when the machine that ran it does not answer any more; otherwise empty.
        started_again: Whether the server has been started since: then this no longer says why it does not run.
    """

    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    ended_at: datetime | None = None
    log: str = ""
    memory_limit: int | None = None
    saved_at: datetime | None = None
    removed: bool = False
    failure: str = ""
    interrupted: bool = False
    away: str = ""
    started_again: bool = False

    @property
    def reason(self) -> Reason:
        """The label that metrics count by."""
        if self.failure:
            return "start_failed"
        if self.interrupted:
            return "start_interrupted"
        if self.away:
            return "machine_away"
        if self.removed:
            return "removed"
        if self.out_of_memory and self.exit_code != 0:  # it stays set after something else in the server was ended
            return "out_of_memory"
        if self.exit_code == KILLED:
            return "killed"
        return "crashed" if self.exit_code else "exited"

    @property
    def sentence(self) -> str:
        """What the user reads: why the server ended, how recent the saved scene is, what to do."""
        if self.failure:
            return self.failure
        if self.interrupted:
            return "The hub was restarted while your Blender was being started. Start it again."
        if self.away:
            return self.away
        return f"{self._what_happened()} {self._scene()} Start it again to go on where you were."

    def _what_happened(self) -> str:
        match self.reason:
            case "removed":
                return "Your Blender's container was removed from outside."
            case "out_of_memory":
                limit = f" of {readable_size(self.memory_limit)}" if self.memory_limit else ""
                return f"Your Blender used more memory than its limit{limit} and was ended by the system."
            case "killed":
                return "Your Blender's container was killed from outside."
            case "crashed":
                return f"Your server ended unexpectedly (exit code {self.exit_code})."
            case _:
                return "Your server was stopped from outside, or ended by itself."

    def _scene(self) -> str:
        if self.saved_at is None or self.ended_at is None:
            return "Your files and your scene are as they were last saved."
        seconds = (self.ended_at - self.saved_at).total_seconds()
        if not 0 <= seconds < SOONER_THAN_HOURS * 3600:  # also a clock that was set meanwhile
            return "Your files and your scene are as they were last saved."
        return f"Your scene was saved {readable_duration(seconds)} before."

    @property
    def log_message(self) -> str:
        """What the operator reads in the hub's log; has many lines."""
        facts = [f"reason={self.reason}", f"exit_code={self.exit_code}", f"out_of_memory={self.out_of_memory}"]
        if self.error:
            facts.append(f"error={self.error!r}")
        if self.ended_at:
            facts.append(f"ended_at={_iso(self.ended_at)}")
        if self.saved_at:
            facts.append(f"saved_at={_iso(self.saved_at)}")
        last = f"\nLast lines of the server:\n{self.log}" if self.log else ""
        return f"{', '.join(facts)}{last}"

    def model(self) -> dict[str, Any]:
        """The ending as JSON can say it (docs/reference/faults.md); times as ISO 8601 in UTC."""
        return {
            "reason": self.reason,
            "message": self.sentence,
            "exit_code": self.exit_code,
            "out_of_memory": self.out_of_memory,
            "error": self.error,
            "ended_at": _iso(self.ended_at),
            "saved_at": _iso(self.saved_at),
            "started_again": self.started_again,
            "log": self.log,
        }


def readable_size(size: int) -> str:
    """A number of bytes in the unit that people set limits in: ``4 GB``, ``512 MB``."""
    return f"{size / 2**30:.3g} GB" if size >= 2**30 else f"{size / 2**20:.3g} MB"


def readable_duration(seconds: float) -> str:
    """A duration with one number: ``3 s``, ``12 min``, ``5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} h"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


class Endings:
    """The latest ending of each server, by names of user and server.

    Args:
        most: How many servers are remembered.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Ending] = OrderedDict()

    def record(self, user: str, server: str, ending: Ending) -> None:
        """Keep an ending; one that this server had before is forgotten."""
        self._kept.pop((user, server), None)
        self._kept[user, server] = ending
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def started_again(self, user: str, server: str) -> None:
        """Note a new start of a server."""
        if ending := self._kept.get((user, server)):
            self._kept[user, server] = replace(ending, started_again=True)

    def latest(self, user: str, server: str) -> Ending | None:
        """How the server ended last, also when it has been started again since; None when it never did."""
        return self._kept.get((user, server))

    def of_user(self, user: str) -> Mapping[str, Ending]:
        """The latest ending of each of a user's servers, by the server's name."""
        return {server: ending for (name, server), ending in self._kept.items() if name == user}


ENDINGS = Endings()
"""Those of this hub's process."""
