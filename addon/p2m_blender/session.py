# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the open scene in ``~/.p2m/session`` while people and agents work, and brings it back at the next start.

Only where ``P2M_RUNTIME_DIR`` is set, as in the user image: there Blender is a service that is stopped and started by
others. The pump calls `begin` before it runs commands and `visit` after; a thread waits for the disk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import bpy

from . import scene_history, watch
from .scene_file import SceneFileError, load_copy, save_copy, settle
from .session_store import LONGEST_SAVE_S, Schedule, SessionStore
from .whole_files import read_json
from .window import in_window

LOG = logging.getLogger("p2m_blender")

LOOK_S = 0.1
"""Seconds between two looks for changes."""

SOUND_S = 5.0
"""Seconds that Blender must live with a resumed scene until the scene counts as sound."""

SHOWN_TURNS = 3
"""Turns of the main loop after which Blender has drawn a resumed scene once."""

NOTICE_S = 30.0
"""Seconds that the notice stays in the status bar."""

COMMAND_GRACE_S = 1.5
"""Seconds that a running command has to end after SIGTERM. The image kills Blender after six."""

LONGEST_STROKE_S = 30.0
"""Seconds that a save waits for the person to finish a stroke or a drag, during which Blender's data are in between."""

_RESUMED_BY = "P2M_SESSION_RESUMED_BY"
"""Environment name that holds the process which has resumed: enabling the add-on again must not load over its scene."""

_NO_STROKE = ("RENDER_OT_", "SCREEN_OT_", "WM_OT_", "OBJECT_OT_bake")
"""Beginnings of modal operators that may last for hours and leave the data alone."""


@dataclass(frozen=True)
class SessionState:
    """What status and panel show.

    Attributes:
        state: ``ok``; ``backing off``: the scene is large and saved less often; ``failed``: the last save did not
            succeed; ``off``: this Blender keeps no session.
        saved_at: When the session was saved last, in seconds since the epoch; None while it never was.
        reason: A sentence, None when all is well.
        notice: What happened at the start, None when nothing was resumed.
    """

    state: Literal["ok", "backing off", "failed", "off"] = "off"
    saved_at: float | None = None
    reason: str | None = None
    notice: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return it for clients: times as ISO 8601 in UTC."""
        saved_at = None if self.saved_at is None else _iso(self.saved_at)
        return {"state": self.state, "saved_at": saved_at, "reason": self.reason, "notice": self.notice}


class Session:
    """The session of this process.

    Args:
        store: Its directory, locked.

    Attributes:
        state: What status and panel show; read by any thread.
        ending: Whether SIGTERM has come.
        cut_off: Sends the second SIGTERM; None before the first, and once Blender is on its way out.
    """

    def __init__(self, store: SessionStore) -> None:
        self.state = SessionState("ok")
        self.ending = False
        self.cut_off: threading.Timer | None = None
        self._store = store
        self._schedule = Schedule()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="p2m-session")
        self._commit: Future[None] | None = None
        self._revision = watch.revision()
        self._next_look = 0.0
        self._sound_at: float | None = None
        self._turns_to_open = 0
        self._notice_ends: float | None = None

    def resume(self) -> None:
        """Open the scene of the last session, or say why not."""
        store = self._store
        try:
            if not _has_crashed():
                store.forgive()
            if store.has_crashed():
                aside = store.set_aside("crashed", time.time())
                self._tell(f"The last session's scene ended Blender twice. It is kept as {aside}.")
                return
            scene = store.begin_resume()
            if scene is None:
                return
            saved_at = scene.stat().st_mtime
            try:
                load_copy(scene)
            except SceneFileError as error:
                aside = store.set_aside("unreadable", time.time())
                self._tell(f"The last session's scene cannot be read ({error}). It is kept as {aside}.")
                return
        except OSError as error:
            self._fail(f"The last session cannot be resumed: {error}")
            return
        self._sound_at = time.monotonic() + SOUND_S
        if bpy.app.background:  # it will not be drawn, so it is shown already
            self._note_opened()
        else:
            self._turns_to_open = SHOWN_TURNS
        self._revision = watch.revision()
        scene_history.hold(self._revision, scene)
        self.state = SessionState("ok", saved_at)
        name = Path(bpy.data.filepath).name or "the unsaved scene"
        self._tell(f"Resumed {name} as it was at {time.strftime('%H:%M:%S', time.localtime(saved_at))}.")

    def visit(self, commands: int) -> None:
        """Save if it is time to, and end Blender when it was asked to.

        Args:
            commands: How many commands have run since the last visit.
        """
        now = time.monotonic()
        if self._turns_to_open:
            self._turns_to_open -= 1
            if not self._turns_to_open:
                self._note_opened()
        if commands:
            self._schedule.command_ran(now)
        if self.ending:
            if self.cut_off is not None:
                self.cut_off.cancel()
                self.cut_off = None
                self.save_now()
                self._quit()
            return
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        self._look_after(now)
        if watch.revision() != self._revision:
            self._schedule.changed(now)
        if self._commit is not None or not self._schedule.is_due(now, _weigh):
            return
        changed_at = self._schedule.changed_at
        if changed_at is not None and now < changed_at + LONGEST_STROKE_S and _in_stroke():
            return
        self._save(now)

    def save_now(self) -> None:
        """Save at once, and return when the disk has it. Raises nothing: `state` says how it went."""
        with contextlib.suppress(OSError):
            if self._commit is not None:
                self._commit.result()
        self._look_after(time.monotonic())
        if watch.revision() == self._revision and self.state.state != "failed":
            return
        self._save(time.monotonic())
        with contextlib.suppress(OSError):
            if self._commit is not None:
                self._commit.result()
        self._look_after(time.monotonic())

    def _note_opened(self) -> None:
        with contextlib.suppress(OSError):
            self._store.opened()

    def end(self) -> None:
        """Note that Blender ends on purpose, and leave the directory to the next."""
        self._worker.shutdown()
        with contextlib.suppress(OSError):
            self._store.resumed()
        self._store.unlock()

    def _save(self, now: float) -> None:
        """Write the scene and hand it to the thread that waits for the disk."""
        schedule = self._schedule
        schedule.began()
        self._revision = watch.revision()
        saved = self._store.temporary()
        try:
            duration_s = save_copy(saved)
        except SceneFileError as error:
            self._saving_failed(str(error))
            return
        schedule.saved(time.monotonic(), duration_s, _weigh())
        meta = {
            "file": bpy.data.filepath or None,
            "saved_at": _iso(time.time()),
            "duration_s": round(duration_s, 4),
            "blender_version": bpy.app.version_string,
        }
        self._commit = self._worker.submit(self._store.commit, saved, meta)

    def _look_after(self, now: float) -> None:
        """Take up what the thread has finished, and end what was to last a while only."""
        if self._commit is not None and self._commit.done():
            error = self._commit.exception()
            self._commit = None
            if error is None:
                scene_history.hold(self._revision, self._store.scene)
                self._saved()
            else:
                self._saving_failed(str(error))
        if self._sound_at is not None and now >= self._sound_at:
            self._sound_at = None
            with contextlib.suppress(OSError):
                self._store.resumed()
        if self._notice_ends is not None and now >= self._notice_ends:
            self._notice_ends = None
            _set_status_text(None)

    def _saved(self) -> None:
        took_s = self._schedule.duration_s
        notice = self.state.notice
        if took_s > LONGEST_SAVE_S:
            reason = f"Saving takes {took_s:.1f} s: done in quiet moments, not within 5 s of a change."
            self.state = SessionState("backing off", time.time(), reason, notice)
            return
        if self.state.state == "failed":
            LOG.info("the session is saved again")
        self.state = SessionState("ok", time.time(), None, notice)

    def _saving_failed(self, why: str) -> None:
        self._schedule.failed(time.monotonic())
        self._fail(f"The session could not be saved: {why}")

    def _fail(self, reason: str) -> None:
        if self.state.reason != reason:
            LOG.error("%s", reason)
        self.state = SessionState("failed", self.state.saved_at, reason, self.state.notice)

    def _tell(self, notice: str) -> None:
        """Show the person what happened, without asking for anything."""
        LOG.info("%s", notice)
        self.state = SessionState(self.state.state, self.state.saved_at, self.state.reason, notice)
        self._notice_ends = time.monotonic() + NOTICE_S
        _set_status_text(notice)

    def _quit(self) -> None:
        """End Blender, so that it saves the person's preferences; without a window there are none to save."""
        LOG.info("SIGTERM: Blender ends; session: %s", self.state.reason or "saved")
        self.end()
        if bpy.app.background:
            os._exit(0)
        with in_window():
            bpy.ops.wm.quit_blender()


_begun = False
_session: Session | None = None
_former_handler: Any = None
_OFF = SessionState()


def register() -> None:
    """Make checkpoints from now on. A session is kept from the first turn of `begin` on."""
    global _begun
    scene_history.register()
    _begun = False


def unregister() -> None:
    """Keep no session and make no checkpoints any more. The last saved session stays."""
    global _session
    if _session is not None:
        _session.end()
        _session = None
        signal.signal(signal.SIGTERM, _former_handler or signal.SIG_DFL)
    scene_history.unregister()


def begin() -> None:
    """Resume the last session; does so in the first of the main loop's turns only, before commands run in it."""
    global _begun, _session, _former_handler
    if _begun:
        return
    _begun = True
    if not os.environ.get("P2M_RUNTIME_DIR"):
        return
    store = SessionStore(Path.home() / ".p2m" / "session")
    try:
        if not store.lock():
            LOG.error("no session is kept: another Blender of this home keeps one")
            return
    except OSError as error:
        LOG.error("no session is kept: %s", error)
        return
    _session = Session(store)
    _former_handler = signal.signal(signal.SIGTERM, _terminate)
    process = str(os.getpid())
    if os.environ.get(_RESUMED_BY) == process:  # the add-on was enabled again
        watch.note_change()
    elif not bpy.data.filepath:  # a file on the command line is what the person wants to see
        _session.resume()
    os.environ[_RESUMED_BY] = process


def visit(commands: int) -> None:
    """Save if it is time to, and end Blender when it was asked to.

    Args:
        commands: How many commands have run since the last visit.
    """
    settle()
    if _session is not None:
        _session.visit(commands)


def save_now() -> SessionState:
    """Save the session at once, and return how that went."""
    if _session is not None:
        _session.save_now()
    return state()


def state() -> SessionState:
    """Return the session's state (any thread)."""
    return _OFF if _session is None else _session.state


def _terminate(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM: `Session.visit` saves and quits. A second one cuts off a command that does not end."""
    if _session is None:
        return
    if not _session.ending:
        _session.ending = True
        _session.cut_off = threading.Timer(COMMAND_GRACE_S, os.kill, (os.getpid(), number))
        _session.cut_off.daemon = True
        _session.cut_off.start()
    elif _session.cut_off is not None:
        LOG.warning("SIGTERM: Blender ends in the middle of its work")
        _session.save_now()
        _session.end()
        os._exit(0)


def _has_crashed() -> bool:
    """Return whether the Blender before this one crashed, as far as the image's supervisor knows."""
    exits = read_json(Path(os.environ["P2M_RUNTIME_DIR"]) / "blender-exits.json")
    reason = str(exits.get("reason") or "")
    from_outside = ("killed by SIGKILL", "killed by SIGTERM")
    return reason.startswith(("killed by", "exit code")) and not reason.startswith(from_outside)


def _in_stroke() -> bool:
    """Return whether the person is in the middle of a stroke or a drag."""
    for window in bpy.context.window_manager.windows:
        for operator in getattr(window, "modal_operators", ()):  # Blender 4.2 does not tell
            if not operator.bl_idname.startswith(_NO_STROKE) and not hasattr(bpy.types, operator.bl_idname):
                return True
    return False


def _weigh() -> int:
    """Return roughly how many bytes the scene's file has."""
    meshes = sum(len(mesh.vertices) for mesh in bpy.data.meshes)
    packed: int = sum(image.packed_file.size for image in bpy.data.images if image.packed_file)
    return 500_000 + 100 * meshes + packed


def _set_status_text(text: str | None) -> None:
    if not bpy.app.background:
        with in_window():
            bpy.context.workspace.status_text_set(text)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
