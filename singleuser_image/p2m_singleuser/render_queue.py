"""``python -m p2m_singleuser.render_queue``: renders what waits, then ends.

One small process for all jobs, in a session of its own. Whoever submits a job starts one; it works only if it gets the
lock, so there is one at most. Why so, and not a loop in the MCP server or a service:

- A restart of the MCP server or of Blender does not touch it, and clients may come and go.
- Where nothing renders, nothing runs.
- It may be killed at any moment: each job's Blender is in a session of its own too and tells its progress and its end
  by files. The next queue finds the Blender that still runs by its process id and start time, and takes it over.

What it finds as running that does not run, and that did not say how it ended, was `interrupted`: the container was
stopped. What was still queued then is rendered at the container's next start. `QueueStarter` sees to both.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from p2m_singleuser.jobs import Job, JobStore, Process, start_of

LOG = logging.getLogger("p2m.render")

REPORTER = Path("/usr/local/lib/p2m/render_job.py")
"""What each job's Blender runs: it renders, and tells progress and outcome."""

NICENESS = 10
OOM_SCORE = 500
"""Added to a render's badness (0 to 1000): when memory runs out it goes before the person's Blender."""

TICK_S = 0.2
KILL_AFTER_S = 5.0
"""Seconds a cancelled Blender gets to end by itself."""

WATCH_S = 10.0
LOCK_PATIENCE_S = 0.5
_NOT_FOR_RENDERS = ("P2M_", "BLENDER_SYSTEM_SCRIPTS", "JUPYTER", "JPY_")


class Processes(Protocol):
    """How the queue starts and ends a job's Blender."""

    def start(self, job: Job) -> Process:
        """Start a job's Blender.

        Raises:
            OSError: It cannot be started.
        """

    def alive(self, process: Process) -> bool:
        """Return whether it still runs."""

    def exit_code(self, process: Process) -> int | None:
        """Return the exit code of one that ended; negative for a signal; None for one that another queue started."""

    def end(self, process: Process, *, by_force: bool) -> None:
        """Ask it to end, or make it."""


class RenderQueue:
    """Takes jobs from queued to their end.

    Args:
        store: The jobs.
        processes: How Blender is started and ended.
        parallel: Renders at the same time; previews have a lane of their own, one at a time.
    """

    def __init__(self, store: JobStore, processes: Processes, parallel: int = 1) -> None:
        self._store = store
        self._processes = processes
        self._parallel = parallel
        self._asked_to_end: dict[str, float] = {}

    def tick(self, now: float) -> bool:
        """Do what can be done now.

        Returns:
            Whether anything is left to wait for.
        """
        for job in self._store.active():
            if job.state == "running":
                self._follow(job, now)
        for job in self._store.active():
            if job.state == "queued" and self._store.cancel_requested(job.id):
                self._end(job.ended("cancelled", now, "It was cancelled before it began."))
        self._start_next(now)
        return bool(self._store.active())

    def _start_next(self, now: float) -> None:
        active = self._store.active()
        running = [job for job in active if job.state == "running"]
        previews = sum(job.kind == "preview" for job in running)
        free = {"preview": 1 - previews, "render": self._parallel - (len(running) - previews)}
        for job in active:
            lane = "preview" if job.kind == "preview" else "render"
            if job.state != "queued" or free[lane] <= 0:
                continue
            free[lane] -= 1
            try:
                process = self._processes.start(job)
            except OSError as error:
                self._end(job.ended("failed", now, f"Blender could not be started: {error}"))
            else:
                self._store.save(job.begun(process, now))

    def _follow(self, job: Job, now: float) -> None:
        process = job.process
        cancelled = self._store.cancel_requested(job.id)
        if process is not None and self._processes.alive(process):
            if cancelled:
                asked_at = self._asked_to_end.setdefault(job.id, now)
                self._processes.end(process, by_force=now - asked_at > KILL_AFTER_S)
            return
        self._asked_to_end.pop(job.id, None)
        outcome = self._store.outcome(job.id)
        if outcome is not None:
            self._end(job.ended("failed" if outcome.error else "done", now, outcome.error))
        elif cancelled:
            self._end(job.ended("cancelled", now, "It was cancelled while it ran."))
        elif process is None or (code := self._processes.exit_code(process)) is None:
            self._end(job.ended("interrupted", now, "The container was stopped, or the render was killed."))
        else:
            said = self._store.log_end(job.id)
            self._end(job.ended("failed", now, f"Blender ended with {_explain(code)}. Its last words: {said}"))

    def _end(self, job: Job) -> None:
        self._store.save(job)
        self._store.drop_scene(job.id)
        LOG.info("render job %s: %s%s", job.id, job.state, f" ({job.reason})" if job.reason else "")


class BlenderProcesses:
    """`Processes` that are real.

    Args:
        store: Where the jobs' directories are.
        environ: Environment to start from.
    """

    def __init__(self, store: JobStore, environ: Mapping[str, str]) -> None:
        self._store = store
        self._environ = render_environment(environ)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, job: Job) -> Process:
        """Start a job's Blender in a session of its own; its output goes into the job's log."""
        directory = self._store.path(job.id)
        command = ["blender", "-b", "-noaudio", str(directory / "scene.blend")]
        report = ["--python-exit-code", "1", "--python", str(REPORTER), "--", str(directory)]
        with (directory / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                command + report,
                cwd=directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with suppress(OSError):
            Path(f"/proc/{child.pid}/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
        self._children[child.pid] = child
        return Process(child.pid, start_of(child.pid) or "ended at once")

    def alive(self, process: Process) -> bool:
        """Return whether it still runs."""
        return process.alive()

    def exit_code(self, process: Process) -> int | None:
        """Return how a Blender that this queue started has ended."""
        child = self._children.pop(process.pid, None)
        return None if child is None else child.wait()

    def end(self, process: Process, *, by_force: bool) -> None:
        """Signal the whole session."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)


class QueueStarter:
    """Sees to it that the queue is worked on while there is something in it.

    Args:
        store: The jobs.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._starting = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Start a queue if there is something to do and none is at work."""
        with self._starting:
            if self._child is not None and self._child.poll() is not None:
                self._child = None
            if self._store.active() and not self._store.is_worked_on():
                self._child = subprocess.Popen(
                    [sys.executable, "-sP", "-m", "p2m_singleuser.render_queue"],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )

    def watch(self) -> None:
        """Do so now and every `WATCH_S` seconds, in a thread that ends with the process."""

        def forever() -> None:
            while True:
                try:
                    self.ensure()
                except OSError:
                    LOG.exception("the render queue could not be started")
                time.sleep(WATCH_S)

        threading.Thread(target=forever, name="render-queue-watch", daemon=True).start()


def render_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job's Blender: it serves no socket, and knows no token of the hub."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_NOT_FOR_RENDERS)}
    return {"LIBGL_ALWAYS_SOFTWARE": "1", **kept}


def parallel_renders(environ: Mapping[str, str]) -> int:
    """Return ``P2M_RENDER_JOBS``, at least 1; 1 when it is not set or no number."""
    text = environ.get("P2M_RENDER_JOBS", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() else 1


def work(store: JobStore, queue: RenderQueue) -> None:
    """Work until nothing is left.

    A job that is submitted while the last look is taken is not lost: its submitter found the lock taken, so the look
    that follows after the lock was given back sees it.
    """
    while store.active():
        with store.queue_lock(LOCK_PATIENCE_S) as mine:
            if not mine:
                return
            while queue.tick(time.time()):
                time.sleep(TICK_S)
            store.prune(time.time())


def _explain(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    killed = signal.Signals(-code).name
    return f"{killed} (out of memory?)" if killed == "SIGKILL" else killed


def main() -> None:
    """Render what waits, then end."""
    logging.basicConfig(level=logging.INFO, format="p2m: %(message)s")
    os.nice(NICENESS)
    store = JobStore()
    work(store, RenderQueue(store, BlenderProcesses(store, os.environ), parallel_renders(os.environ)))


if __name__ == "__main__":
    main()
