# SPDX-License-Identifier: GPL-3.0-or-later
"""The session on disk, and when to save it. No Blender.

The directory holds ``scene.blend`` (the scene), ``meta.json`` (what it is), ``resuming.json`` while a start that opened
it has not proved sound, and scenes that were set aside: ``scene-crashed-20261122-104512.blend``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .whole_files import move_into_place, read_json, write_json

TRIES = 2
"""Starts that may end with the session's scene before it is set aside."""


class SessionStore:
    """The session's directory.

    Args:
        directory: Where it is; `lock` makes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: int | None = None
        self.scene = directory / "scene.blend"
        self._meta = directory / "meta.json"
        self._resuming = directory / "resuming.json"

    def lock(self) -> bool:
        """Claim the directory for this process; return whether no other has it.

        Raises:
            OSError: It cannot be made or written.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        for left in self._directory.glob(".saving-*"):  # by a Blender that was killed
            left.unlink(missing_ok=True)
        return True

    def unlock(self) -> None:
        """Let another process have the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def temporary(self) -> Path:
        """Return a new path for a scene that `commit` takes."""
        return self._directory / f".saving-{os.getpid()}-{time.monotonic_ns()}.blend"

    def commit(self, saved: Path, meta: Mapping[str, Any]) -> None:
        """Make a saved scene the session. Waits for the disk, so not on Blender's main thread.

        Args:
            saved: A file from `temporary`; it is gone afterwards.
            meta: What to remember of it.

        Raises:
            OSError: It could not be; the former session is intact.
        """
        try:
            move_into_place(saved, self.scene)
        except OSError:
            saved.unlink(missing_ok=True)
            raise
        write_json(self._meta, meta)

    def meta(self) -> dict[str, Any]:
        """Return what is remembered of the session's scene; empty when nothing is."""
        return read_json(self._meta)

    def begin_resume(self) -> Path | None:
        """Return the scene to open, None when there is none. Until `resumed`, ending counts as a crash.

        On a full disk this cannot be noted, and the scene is opened all the same: an empty one in its place would be
        saved over it as soon as there is room.
        """
        if not self.scene.exists():
            return None
        with contextlib.suppress(OSError):
            write_json(self._resuming, {"tries": self._tries() + 1, "opened": False})
        return self.scene

    def opened(self) -> None:
        """Note that the scene is open and shown: from now on only a crash counts, and no kill from outside.

        Raises:
            OSError: This cannot be noted.
        """
        write_json(self._resuming, {"tries": self._tries(), "opened": True}, durable=False)

    def forgive(self) -> None:
        """Forget the last tries if the scene was open by then: what ended Blender was no crash."""
        if read_json(self._resuming).get("opened") is True:
            self.resumed()

    def resumed(self) -> None:
        """Note that the scene opened and is sound, or that Blender ends on purpose."""
        self._resuming.unlink(missing_ok=True)

    def has_crashed(self) -> bool:
        """Return whether the scene ended as many starts as it may."""
        return self.scene.exists() and self._tries() >= TRIES

    def set_aside(self, why: str, now: float) -> Path:
        """Rename the scene, so that the next start does without it, and return where it is.

        Args:
            why: One word for the name.
            now: Seconds since the epoch.

        Raises:
            OSError: It cannot be renamed.
        """
        stem = f"scene-{why}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}"
        aside = self._directory / f"{stem}.blend"
        number = 1
        while aside.exists():
            number += 1
            aside = self._directory / f"{stem}-{number}.blend"
        self.scene.rename(aside)
        self._resuming.unlink(missing_ok=True)
        return aside

    def _tries(self) -> int:
        tries = read_json(self._resuming).get("tries", 0)
        return tries if isinstance(tries, int) else 0


DELAY_S = 2.0
"""Seconds from a change to its save. The disk has the rest of the five seconds."""

LONGEST_SAVE_S = 0.1
"""Seconds that a save may keep a command waiting. A scene that takes longer is saved in quiet moments only."""

QUIET_S = 2.0
"""Seconds without a command that make a quiet moment."""

SHARE = 0.02
"""Share of its time that Blender may spend on saving a large scene."""

LONGEST_QUIET_WAIT_S = 60.0
"""Seconds after which a large scene is saved, quiet or not."""

RETRY_S = 5.0
"""Seconds to the next attempt after one that failed."""


@dataclass
class Schedule:
    """When to save: soon after a change, and for scenes that take long when nobody waits.

    Times are seconds of a monotonic clock.

    Attributes:
        changed_at: When the first change came that no save holds; None when there is none.
        duration_s: How long the last save took.
        weight: How large the scene was then, in any unit.
    """

    changed_at: float | None = None
    duration_s: float = 0.0
    weight: int = 0
    _not_before: float = 0.0
    _last_command_at: float = float("-inf")

    def changed(self, now: float) -> None:
        """Note a change."""
        if self.changed_at is None:
            self.changed_at = now

    def command_ran(self, now: float) -> None:
        """Note that a command has just ended."""
        self._last_command_at = now

    def began(self) -> None:
        """Note that a save begins: changes from now on are not in it."""
        self.changed_at = None

    def saved(self, now: float, duration_s: float, weight: int) -> None:
        """Note how a save went."""
        self.duration_s, self.weight = duration_s, weight
        self._not_before = now + duration_s / SHARE if duration_s > LONGEST_SAVE_S else now

    def failed(self, now: float) -> None:
        """Note that a save failed: it is tried again after a while."""
        self.changed(now)
        self._not_before = now + RETRY_S

    def expected_s(self, weight: int) -> float:
        """Return how long a save of a scene of this size will take, in seconds."""
        if not self.weight:
            return self.duration_s
        return self.duration_s * max(1.0, weight / self.weight)

    def is_due(self, now: float, weigh: Callable[[], int]) -> bool:
        """Return whether to save now.

        Args:
            now: The clock.
            weigh: Returns how large the scene is; called only when that matters.
        """
        if self.changed_at is None or now < self.changed_at + DELAY_S or now < self._not_before:
            return False
        if self.expected_s(weigh()) <= LONGEST_SAVE_S:
            return True
        return now >= self._last_command_at + QUIET_S or now >= self.changed_at + LONGEST_QUIET_WAIT_S
