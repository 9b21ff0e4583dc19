# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-over to Blender's main thread: other threads submit jobs, the main thread runs them. No Blender."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from .interrupt import Window
from .wire import Failure, Outcome

T = TypeVar("T")

STALE_S = 2.0
"""Seconds without a visit of the main thread after which Blender counts as busy with work of its own."""


@dataclass(frozen=True)
class Activity:
    """What the main thread is busy with.

    Attributes:
        what: A command's name, or a few words for Blender's own work.
        since: When it began, in seconds since the epoch.
    """

    what: str
    since: float

    @property
    def since_iso(self) -> str:
        """When it began, as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.since, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, eq=False)
class Job:
    """One command on its way.

    Attributes:
        name: The command's name.
        work: What to run; it must not raise.
        future: Its outcome. Cancelling it before it runs withdraws the work.
        window: Interrupts it while it runs.
    """

    name: str
    work: Callable[[], Outcome]
    future: Future[Outcome] = field(default_factory=Future)
    window: Window = field(default_factory=Window)


class MainThread:
    """The main thread's work, taken in turns from those who submit it.

    Attributes:
        file: Path of the open .blend file, None while it has none; written by the main thread.
        rendering: Whether Blender renders or bakes for the person at its window; written by the main thread.
        tcp_command_at: When the latest command came by TCP, in seconds since the epoch, None before; written by the
            I/O thread.
    """

    def __init__(self) -> None:
        self.file: str | None = None
        self.rendering = False
        self.tcp_command_at: float | None = None
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, deque[Job]] = {}
        self._arrivals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._job: Job | None = None
        self._stuck: Job | None = None
        self._running: Activity | None = None
        self._visited: float | None = None
        self._created = time.time()

    def submit(self, name: str, work: Callable[[], Outcome], lane: Hashable = None) -> Job:
        """Queue work for the main thread (any thread).

        Args:
            name: The command's name, for `activity`.
            work: What to run; it must not raise.
            lane: Who asks. Work of one lane runs in its order; lanes take turns, however much one of them submits.
        """
        job = Job(name, work)
        with self._lock:
            self._lanes.setdefault(lane, deque()).append(job)
        self._arrivals.put(None)
        return job

    def run_pending(self, budget_s: float = 0.03, linger_s: float = 0.002, wait_s: float = 0.0) -> int:
        """Run queued work (main thread only).

        Args:
            budget_s: Seconds after which no further job is begun, so that Blender's window stays alive.
            linger_s: Seconds to wait after a job for the next one: a client that sends one command after the other
                need not wait for Blender's next turn each time.
            wait_s: Seconds to wait for the first job.

        Returns:
            How many jobs ran.
        """
        self._visited = time.monotonic()
        done = 0
        wait = wait_s
        started = None
        while True:
            try:
                if wait > 0:
                    self._arrivals.get(timeout=wait)
                else:
                    self._arrivals.get_nowait()
            except queue.Empty:
                self._visited = time.monotonic()
                return done
            started = started or time.monotonic()
            done += self._run(self._next())
            left = budget_s - (time.monotonic() - started)
            if left <= 0:
                return done
            wait = min(linger_s, left)

    def interruptible(self, work: Callable[[], T]) -> T:
        """Run a part of the present command that may be interrupted at its deadline (main thread only).

        Raises:
            Interrupted: It was.
            BaseException: Whatever the work raised.
        """
        return work() if self._job is None else self._job.window.run(work)

    @property
    def in_command(self) -> bool:
        """Whether the main thread is running a command now."""
        return self._running is not None

    def activity(self) -> Activity | None:
        """Return what the main thread is busy with, None when it takes commands (any thread)."""
        running = self._running
        if running is not None:
            return running
        if self._visited is None:
            return Activity("starting up", self._created)
        idle = time.monotonic() - self._visited
        if idle > STALE_S:
            return Activity("work of its own, such as a render or a dialog", time.time() - idle)
        return None

    def mark_stuck(self, job: Job) -> None:
        """Note that a job which should have ended cannot be interrupted (any thread). It ends with the job."""
        self._stuck = job

    def stuck(self) -> Activity | None:
        """Return the command that should have ended and cannot be interrupted, None when there is none (any thread)."""
        running = self._running
        return running if self._stuck is not None and self._stuck is self._job else None

    def _next(self) -> Job:
        """Take the first job of the lane whose turn it is, and put that lane behind all others."""
        with self._lock:
            lane, jobs = next(iter(self._lanes.items()))
            job = jobs.popleft()
            del self._lanes[lane]
            if jobs:
                self._lanes[lane] = jobs
            return job

    def _run(self, job: Job) -> int:
        if not job.future.set_running_or_notify_cancel():
            return 0
        self._job, self._running = job, Activity(job.name, time.time())
        try:
            outcome = job.work()
        except BaseException as error:  # a signal's handler, between two commands' own code
            job.future.set_result(Failure(f"Interrupted: {type(error).__name__}", type=type(error).__name__))
            raise
        finally:
            self._visited = time.monotonic()
            self._job = self._running = self._stuck = None
        job.future.set_result(outcome)
        return 1


main_thread = MainThread()
"""The main thread of this process."""
