# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring of checkpoints on disk: copies of the scene, each with what it is a copy of. No Blender."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .whole_files import read_json, write_json

LOG = logging.getLogger("p2m_blender")

KEPT = 50
"""Most checkpoints that are kept."""

BUDGET_BYTES = 2 * 1024**3
"""Most bytes they may take together; the newest stays whatever its size."""


@dataclass(frozen=True)
class Checkpoint:
    """One copy of the scene.

    Attributes:
        id: Its number; later ones have higher numbers.
        label: Why it was made: ``before`` and a tool's name, or words of whoever asked for it.
        created_at: When it was made, in seconds since the epoch.
        size_bytes: Size of its file.
        file: Path of the .blend file that was open; None for a scene that was never saved.
    """

    id: int
    label: str
    created_at: float
    size_bytes: int
    file: str | None


class Ring:
    """Checkpoints in a directory: ``000012.blend`` and, written after it, ``000012.json``.

    Args:
        directory: Where they are; it is made with the first one.
        kept: Most checkpoints that are kept.
        budget_bytes: Most bytes they may take together; the newest stays whatever its size.
    """

    def __init__(self, directory: Path, kept: int = KEPT, budget_bytes: int = BUDGET_BYTES) -> None:
        self._directory = directory
        self._kept = kept
        self._budget_bytes = budget_bytes
        self._entries = self._read()
        self._next_id = self._first_free_id()

    def entries(self) -> list[Checkpoint]:
        """Return all checkpoints, the newest first."""
        return self._entries[::-1]

    def find(self, checkpoint_id: int) -> Checkpoint | None:
        """Return a checkpoint, None when there is none of this number or its file is gone."""
        for entry in self._entries:
            if entry.id == checkpoint_id and self.path(entry).exists():
                return entry
        return None

    def path(self, checkpoint: Checkpoint) -> Path:
        """Return a checkpoint's file."""
        return self._scene(checkpoint.id)

    def add(self, label: str, file: str | None, now: float, write: Callable[[Path], object]) -> Checkpoint:
        """Add a checkpoint. `prune` removes what is too much then.

        Args:
            label: See `Checkpoint`.
            file: See `Checkpoint`.
            now: Seconds since the epoch.
            write: Writes the scene to a path where nothing is.

        Raises:
            OSError: The directory or the description cannot be written. What `write` raises passes as well; either way
                nothing is left.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = self._next_id
        self._next_id += 1
        scene = self._scene(number)
        write(scene)
        try:
            entry = Checkpoint(number, label, now, scene.stat().st_size, file)
            write_json(scene.with_suffix(".json"), asdict(entry), durable=False)
        except OSError:
            scene.unlink(missing_ok=True)
            raise
        self._entries.append(entry)
        return entry

    def prune(self) -> None:
        """Remove the oldest while there are too many, or they are too large. Removing large files takes a while."""
        total = sum(entry.size_bytes for entry in self._entries)
        while len(self._entries) > 1 and (len(self._entries) > self._kept or total > self._budget_bytes):
            oldest = self._entries.pop(0)
            total -= oldest.size_bytes
            self._remove(oldest.id)

    def _remove(self, number: int) -> None:
        scene = self._scene(number)
        for path in (scene.with_suffix(".json"), scene):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                LOG.error("cannot remove a checkpoint: %s", error)

    def _scene(self, number: int) -> Path:
        return self._directory / f"{number:06d}.blend"

    def _read(self) -> list[Checkpoint]:
        found = []
        for path in self._directory.glob("*.json"):
            entry = _decode(read_json(path))
            if entry is not None and path.stem == f"{entry.id:06d}" and self.path(entry).exists():
                found.append(entry)
        return sorted(found, key=lambda entry: entry.id)

    def _first_free_id(self) -> int:
        """Return a number above all that are taken, also by a file whose description was never written."""
        taken = [0]
        for path in self._directory.glob("*.blend"):
            with contextlib.suppress(ValueError):
                taken.append(int(path.stem))
        return max(taken) + 1


def _decode(document: dict[str, object]) -> Checkpoint | None:
    match document:
        case {
            "id": int(number),
            "label": str(label),
            "created_at": float(created_at),
            "size_bytes": int(size_bytes),
            "file": str() | None as file,
        }:
            return Checkpoint(number, label, created_at, size_bytes, file)
    return None
