"""Render jobs as files, which outlive every process that has to do with them.

Each job is a directory ``~/.p2m/jobs/ID``:

| file | written by | what |
|---|---|---|
| ``job.json`` | who submits it, then only the render queue | the `Job` |
| ``scene.blend`` | Blender's add-on | the copy that is rendered; removed when the job has ended |
| ``log.txt`` | the job's Blender | its output |
| ``progress.json`` | the job's Blender | the `Progress` |
| ``outcome.json`` | the job's Blender, last | ``{"files": [paths], "error": sentence or null}`` |
| ``result.png`` | the job's Blender | the picture, small enough for an agent |
| ``cancel`` | who wants it cancelled | nothing; that it is there says it |

So nobody has to be asked what state a job is in, and nobody writes a file that somebody else writes. `render_queue`
does the work.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

KEPT_JOBS = 50
"""Ended jobs whose records are kept; older ones are removed."""

ABANDONED_AFTER_S = 3600.0
"""Seconds after which a directory that never became a job is removed."""

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Kind = Literal["preview", "still", "animation"]

_NEXT: dict[State, set[State]] = {
    "queued": {"running", "cancelled", "failed"},
    "running": {"done", "failed", "cancelled", "interrupted"},
}
_LOCK_PAUSE_S = 0.02
_LOG_CHARS = 600
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


class NoSuchJob(LookupError):
    """There is no job of this id; the text is a sentence."""


@dataclass(frozen=True)
class Process:
    """A process that stays the same one, although numbers are used again.

    Attributes:
        pid: Its number.
        started: When it was started, in the kernel's words (see `start_of`).
    """

    pid: int
    started: str

    def alive(self) -> bool:
        """Return whether it still runs."""
        return start_of(self.pid) == self.started


@dataclass(frozen=True)
class Request:
    """What is to be rendered.

    Attributes:
        engine: "cycles", "eevee" or "workbench".
        samples: For each pixel.
        width: In pixels.
        height: In pixels.
        frame_start: First frame.
        frame_end: Last frame, the first again for a still.
        frame_step: From one frame to the next.
        format: "png", "jpeg", "exr" or, of animations only, "mp4".
        output: Absolute path of the file; of a sequence of pictures the folder they go into.
    """

    engine: str
    samples: int
    width: int
    height: int
    frame_start: int
    frame_end: int
    frame_step: int
    format: str
    output: str

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return (self.frame_end - self.frame_start) // self.frame_step + 1


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        frame: The frame under way, None before the first.
        frames_done: Finished frames.
        share: Of the frame under way, 0 to 1, as far as the engine says.
    """

    frame: int | None = None
    frames_done: int = 0
    share: float = 0.0

    def of(self, frames: int) -> float:
        """Return how much of so many frames is done, 0 to 1."""
        return min(1.0, (self.frames_done + self.share) / max(frames, 1))


@dataclass(frozen=True)
class Outcome:
    """How a job's Blender says it ended.

    Attributes:
        files: What it wrote.
        error: Why it failed, None when it did not.
    """

    files: list[str]
    error: str | None


@dataclass(frozen=True)
class Job:
    """One render.

    Attributes:
        id: Name of its directory; later jobs sort after earlier ones.
        kind: A preview does not wait for renders, only for other previews.
        request: What is rendered.
        created_at: Seconds since the epoch, as the two following.
        started_at: When it left the queue, None before.
        ended_at: When it ended, None before.
        state: See `State`.
        reason: A sentence that says why it failed, was interrupted or cancelled.
        process: Its Blender, None before it was started.
    """

    id: str
    kind: Kind
    request: Request
    created_at: float
    state: State = "queued"
    started_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    process: Process | None = None

    @property
    def active(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in _NEXT

    def begun(self, process: Process, now: float) -> Self:
        """Return the job with its Blender started."""
        return self._moved("running", process=process, started_at=now)

    def ended(self, state: State, now: float, reason: str | None = None) -> Self:
        """Return the job at its end."""
        return self._moved(state, ended_at=now, reason=reason)

    def _moved(self, state: State, **changes: Any) -> Self:
        if state not in _NEXT.get(self.state, set()):
            raise ValueError(f"job {self.id} cannot go from {self.state} to {state}")
        return replace(self, state=state, **changes)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            data = json.loads(text)
            process = data.pop("process")
            request = Request(**data.pop("request"))
            return cls(**data, request=request, process=Process(**process) if process else None)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a job: {error}") from error

    def to_json(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self), indent=1)


class JobStore:
    """The directory of all jobs.

    Args:
        root: By default ``~/.p2m/jobs``.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else Path.home() / ".p2m" / "jobs"
        self._ended: dict[str, Job] = {}  # what has ended does not change: it is read once

    def path(self, job_id: str, name: str = "") -> Path:
        """Return a job's directory, or a file in it.

        Raises:
            NoSuchJob: This cannot be an id.
        """
        if not _ID.fullmatch(job_id):
            raise _unknown(job_id)
        return self.root / job_id / name

    def new_id(self, now: float) -> str:
        """Make a job's directory and return its id; without a `save` it is no job yet and goes away in time."""
        job_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"
        self.path(job_id).mkdir(parents=True)
        return job_id

    def save(self, job: Job) -> None:
        """Write a job's record in one step: readers never see half of it."""
        path = self.path(job.id, "job.json")
        temporary = path.with_name("job.json.new")
        temporary.write_text(job.to_json(), encoding="utf-8")
        temporary.replace(path)

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NoSuchJob: There is none of this id.
        """
        if job_id in self._ended:
            return self._ended[job_id]
        try:
            job = Job.from_json(self.path(job_id, "job.json").read_bytes())
        except (OSError, ValueError) as error:
            raise _unknown(job_id) from error
        if not job.active:
            self._ended[job_id] = job
        return job

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        found = []
        for name in self._ids():
            try:
                found.append(self.get(name))
            except NoSuchJob:
                continue  # submitted only now, removed only now, or damaged
        return sorted(found, key=lambda job: (job.created_at, job.id))

    def active(self) -> list[Job]:
        """Return the jobs that wait or run, the oldest first."""
        return [job for job in self.jobs() if job.active]

    def progress(self, job_id: str) -> Progress:
        """Return how far a job's Blender says it is."""
        try:
            return Progress(**json.loads(self.path(job_id, "progress.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Progress()

    def outcome(self, job_id: str) -> Outcome | None:
        """Return how a job's Blender says it ended, None when it did not say."""
        try:
            return Outcome(**json.loads(self.path(job_id, "outcome.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def share(self, job: Job) -> float:
        """Return how much of a job is done, 0 to 1."""
        if job.state == "done":
            return 1.0
        return self.progress(job.id).of(job.request.frames)

    def log_end(self, job_id: str) -> str:
        """Return the end of a job's log, without the lines that only tell its progress."""
        try:
            with self.path(job_id, "log.txt").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        said = [line.strip() for line in text.splitlines() if any(c.isalnum() for c in line)]
        return "\n".join(line for line in said if not line.startswith(("Fra:", "Blender quit")))[-_LOG_CHARS:]

    def cancel(self, job_id: str) -> None:
        """Ask the queue to end a job.

        Raises:
            NoSuchJob: There is none of this id.
        """
        self.get(job_id)
        self.path(job_id, "cancel").touch()

    def cancel_requested(self, job_id: str) -> bool:
        """Return whether somebody wants a job ended."""
        return self.path(job_id, "cancel").exists()

    def discard(self, job_id: str) -> None:
        """Remove a job's directory with all that is in it."""
        self._ended.pop(job_id, None)
        shutil.rmtree(self.path(job_id), ignore_errors=True)

    def drop_scene(self, job_id: str) -> None:
        """Remove the copy of the scene."""
        self.path(job_id, "scene.blend").unlink(missing_ok=True)

    def prune(self, now: float) -> None:
        """Remove the records of jobs that ended long ago, and directories that never became a job."""
        jobs = self.jobs()
        for job in [job for job in jobs if not job.active][:-KEPT_JOBS]:
            self.discard(job.id)
        known = {job.id for job in jobs}
        for name in self._ids():
            if name not in known and now - _changed_at(self.root / name, now) > ABANDONED_AFTER_S:
                self.discard(name)

    @contextmanager
    def queue_lock(self, patience_s: float = 0.0) -> Iterator[bool]:
        """Be the only one who works on the queue, as long as the block lasts.

        Args:
            patience_s: Seconds to try for: `is_worked_on` has the lock for an instant.

        Yields:
            Whether that is so; False when somebody else is.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + patience_s
        with (self.root / "queue.lock").open("ab") as file:
            while not _locked(file):
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(_LOCK_PAUSE_S)
            yield True

    def is_worked_on(self) -> bool:
        """Return whether a render queue is at work: it ends when there is nothing left to do."""
        if not self.root.is_dir():
            return False
        with self.queue_lock() as free:
            return not free

    def _ids(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.root) if _ID.fullmatch(entry.name))
        except OSError:
            return []


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def start_of(pid: int) -> str | None:
    """Return when a process was started; None when there is none, or only what it left for its parent.

    The kernel counts from the machine's start (proc_pid_stat(5), field 22), hence the name of that start with it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"


def _changed_at(path: Path, otherwise: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return otherwise


def _unknown(job_id: str) -> NoSuchJob:
    return NoSuchJob(f"There is no render job {job_id!r}; list_jobs lists those that there are.")
