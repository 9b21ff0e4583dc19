# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of the open scene: one before each call that changes something, and back to any of them."""

from __future__ import annotations

import functools
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bpy

from . import changes, watch
from .checkpoints import Checkpoint, Ring
from .scene_file import SceneFileError, load_copy, save_copy

LOG = logging.getLogger("p2m_blender")

SHARE = 0.05
"""Share of the time that checkpoints of a large scene may take."""

CHEAP_S = 0.1
"""Seconds up to which a checkpoint is made before each call, whatever share that is."""

_worker = ThreadPoolExecutor(1, thread_name_prefix="p2m-checkpoints")
_newest: tuple[int, Checkpoint] | None = None
_held: tuple[int, Path] | None = None
_took_s = 0.0
_not_before = 0.0


class NoSuchCheckpoint(Exception):
    """There is no checkpoint of this number."""


@functools.cache
def ring() -> Ring:
    """Return the checkpoints of this home, ``~/.p2m/checkpoints``."""
    return Ring(Path.home() / ".p2m" / "checkpoints")


def register() -> None:
    """Make a checkpoint before each call that changes something."""
    watch.register()
    changes.before_change.append(_before)
    changes.after_change.append(_after)


def unregister() -> None:
    """Make none any more."""
    changes.before_change.remove(_before)
    changes.after_change.remove(_after)
    watch.unregister()


def create(label: str) -> Checkpoint:
    """Make a checkpoint of the scene as it is.

    Args:
        label: What people read in the list.

    Raises:
        SceneFileError: It could not be written.
    """
    global _newest
    revision = watch.revision()
    try:
        made = ring().add(label, bpy.data.filepath or None, time.time(), functools.partial(_write, revision))
    except OSError as error:
        raise SceneFileError(f"{error.strerror}: {error.filename}") from error
    _newest = (revision, made)
    hold(revision, ring().path(made))
    return made


def ensure(label: str) -> Checkpoint:
    """Return a checkpoint of the scene as it is: the newest if nothing has changed since, else a new one.

    Args:
        label: See `create`.

    Raises:
        SceneFileError: It could not be written.
    """
    if _newest is not None and _newest[0] == watch.revision() and ring().path(_newest[1]).exists():
        return _newest[1]
    return create(label)


def restore(checkpoint_id: int) -> tuple[Checkpoint, Checkpoint]:
    """Open a checkpoint in place of the scene, under the file name its scene had.

    Args:
        checkpoint_id: Its number.

    Returns:
        The checkpoint, and one of what was there before.

    Raises:
        NoSuchCheckpoint: There is none of this number.
        SceneFileError: The present could not be saved, or the checkpoint not be read; the scene is as it was.
    """
    wanted = ring().find(checkpoint_id)
    if wanted is None:
        raise NoSuchCheckpoint(checkpoint_id)
    before = ensure("before restore_checkpoint")
    load_copy(ring().path(wanted))
    return wanted, before


def tidy() -> None:
    """Remove checkpoints that are too many, in a thread."""
    _worker.submit(ring().prune)


def hold(revision: int, path: Path) -> None:
    """Note that a file, which nobody changes in place, holds the scene of a revision."""
    global _held
    _held = (revision, path)


def _before(change: changes.Change) -> None:
    """Make a checkpoint before a call, unless that would cost more than its share."""
    if _took_s > CHEAP_S and time.monotonic() < _not_before:
        return
    try:
        ensure(f"before {change.tool}")
    except SceneFileError as error:
        LOG.error("no checkpoint before %s: %s", change.tool, error)


def _after(change: changes.Change) -> None:
    watch.note_change()
    tidy()


def _write(revision: int, path: Path) -> None:
    """Write the scene; a file that holds it already gets a second name instead."""
    global _took_s, _not_before
    if _held is not None and _held[0] == revision:
        try:
            os.link(_held[1], path)
        except OSError:
            LOG.debug("a checkpoint cannot share a file", exc_info=True)
        else:
            return
    _took_s = save_copy(path)
    _not_before = time.monotonic() + _took_s / SHARE
