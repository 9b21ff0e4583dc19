"""Render jobs: their states, their files, and the queue, with processes that are only said to run."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2m_singleuser import render_queue
from p2m_singleuser.jobs import KEPT_JOBS, Job, JobStore, NoSuchJob, Process, Progress, Request, start_of
from p2m_singleuser.mcp_server.renders import free_output
from p2m_singleuser.render_queue import QueueStarter, RenderQueue, parallel_renders, render_environment, work

STILL = Request("cycles", 16, 640, 480, 1, 1, 1, "png", "/home/blender/renders/x.png")
ANIMATION = Request("cycles", 16, 640, 480, 1, 10, 3, "png", "/home/blender/renders/y")


class FakeProcesses:
    """Processes that run until a test says otherwise."""

    def __init__(self) -> None:
        self.running: dict[int, str] = {}
        self.codes: dict[int, int] = {}
        self.ended: list[tuple[str, bool]] = []
        self.broken = False

    def start(self, job: Job) -> Process:
        if self.broken:
            raise FileNotFoundError("blender")
        pid = 100 + len(self.codes) + len(self.running)
        self.running[pid] = job.id
        return Process(pid, "then")

    def alive(self, process: Process) -> bool:
        return process.pid in self.running

    def exit_code(self, process: Process) -> int | None:
        return self.codes.get(process.pid)

    def end(self, process: Process, *, by_force: bool) -> None:
        self.ended.append((self.running[process.pid], by_force))

    def exits(self, job_id: str, code: int) -> None:
        pid = next(pid for pid, name in self.running.items() if name == job_id)
        del self.running[pid]
        self.codes[pid] = code


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs")


@pytest.fixture
def processes() -> FakeProcesses:
    return FakeProcesses()


@pytest.fixture
def queue(store: JobStore, processes: FakeProcesses) -> RenderQueue:
    return RenderQueue(store, processes)


def submit(store: JobStore, created_at: float, kind: str = "still", request: Request = STILL) -> str:
    job_id = store.new_id(created_at)
    store.path(job_id, "scene.blend").touch()
    store.save(Job(id=job_id, kind=kind, request=request, created_at=created_at))
    return job_id


def states(store: JobStore) -> list[str]:
    return [job.state for job in store.jobs()]


def test_a_job_is_rendered_and_its_scene_removed(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    assert queue.tick(2.0)
    assert store.get(job_id).state == "running"
    assert store.get(job_id).started_at == 2.0
    store.path(job_id, "outcome.json").write_text('{"files": ["/x.png"], "error": null}')
    assert queue.tick(3.0), "it still runs: Blender is on its way out"
    processes.exits(job_id, 0)
    assert not queue.tick(4.0)
    job = store.get(job_id)
    assert (job.state, job.ended_at, job.reason, store.share(job)) == ("done", 4.0, None, 1.0)
    assert not store.path(job_id, "scene.blend").exists()


def test_one_renders_at_a_time_in_their_order(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    second, first = submit(store, 2.0), submit(store, 1.0)
    queue.tick(3.0)
    assert (store.get(first).state, store.get(second).state) == ("running", "queued")
    processes.exits(first, 1)
    queue.tick(4.0)
    assert (store.get(first).state, store.get(second).state) == ("failed", "running")


def test_more_at_a_time_when_told_so(store: JobStore, processes: FakeProcesses):
    for created_at in (1.0, 2.0, 3.0):
        submit(store, created_at)
    RenderQueue(store, processes, parallel=2).tick(4.0)
    assert states(store) == ["running", "running", "queued"]


def test_a_preview_waits_for_no_render_only_for_previews(store: JobStore, queue: RenderQueue):
    for created_at, kind in enumerate(("still", "preview", "preview", "still")):
        submit(store, float(created_at), kind)
    queue.tick(5.0)
    assert states(store) == ["running", "running", "queued", "queued"]


def test_a_queued_job_is_cancelled_without_being_started(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    store.cancel(job_id)
    assert not queue.tick(2.0)
    assert store.get(job_id).state == "cancelled"
    assert processes.running == {}


def test_a_running_job_is_asked_to_end_then_made_to(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    queue.tick(2.0)
    store.cancel(job_id)
    queue.tick(3.0)
    queue.tick(20.0)
    assert processes.ended == [(job_id, False), (job_id, True)]
    processes.exits(job_id, -9)
    queue.tick(21.0)
    assert store.get(job_id).state == "cancelled"


def test_a_crash_fails_with_the_end_of_the_log(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    queue.tick(2.0)
    store.path(job_id, "log.txt").write_text("Fra:1 Mem:1M | Sample 1/4\nError: no texture\n\nBlender quit\n")
    processes.exits(job_id, -11)
    queue.tick(3.0)
    job = store.get(job_id)
    assert job.state == "failed"
    assert job.reason == "Blender ended with SIGSEGV. Its last words: Error: no texture"


def test_an_error_that_blender_tells_is_the_reason(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    queue.tick(2.0)
    store.path(job_id, "outcome.json").write_text('{"files": [], "error": "No camera"}')
    processes.exits(job_id, 1)
    queue.tick(3.0)
    assert (store.get(job_id).state, store.get(job_id).reason) == ("failed", "No camera")


def test_a_blender_that_cannot_be_started_fails_its_job(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    processes.broken = True
    job_id = submit(store, 1.0)
    assert not queue.tick(2.0)
    assert "could not be started" in (store.get(job_id).reason or "")


def test_a_new_queue_takes_over_what_still_runs(store: JobStore, queue: RenderQueue, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    queue.tick(2.0)
    following = RenderQueue(JobStore(store.root), processes)
    assert following.tick(3.0)
    assert store.get(job_id).state == "running"
    store.path(job_id, "outcome.json").write_text('{"files": [], "error": null}')
    processes.running.clear()
    following.tick(4.0)
    assert store.get(job_id).state == "done"


def test_what_ran_when_the_container_ended_is_interrupted_and_what_waited_runs(
    store: JobStore, queue: RenderQueue, processes: FakeProcesses
):
    running, waiting = submit(store, 1.0), submit(store, 2.0)
    queue.tick(3.0)
    processes.running.clear()
    RenderQueue(JobStore(store.root), processes).tick(4.0)
    assert (store.get(running).state, store.get(waiting).state) == ("interrupted", "running")
    assert not store.path(running, "scene.blend").exists()


@given(st.lists(st.sampled_from(["submit", "preview", "cancel", "done", "crash", "restart"]), max_size=25))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_every_job_ends_and_never_too_many_run(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
):
    store, processes = JobStore(tmp_path_factory.mktemp("jobs")), FakeProcesses()
    queue, now = RenderQueue(store, processes), 1000.0
    for event in events:
        now += 1
        active = store.active()
        if event in {"submit", "preview"}:
            submit(store, now, "still" if event == "submit" else "preview")
        elif event == "restart":
            processes.running.clear()
            queue = RenderQueue(store, processes)
        elif event == "cancel" and active:
            store.cancel(active[-1].id)
        elif processes.running:
            job_id = next(iter(processes.running.values()))
            if event == "done":
                store.path(job_id, "outcome.json").write_text('{"files": [], "error": null}')
            processes.exits(job_id, 0 if event == "done" else 1)
        queue.tick(now)
        running = [job.kind for job in store.active() if job.state == "running"]
        assert running.count("preview") <= 1
        assert running.count("still") <= 1
    while store.active():
        now += 1
        for job_id in list(processes.running.values()):
            processes.exits(job_id, 1)
        queue.tick(now)
    assert all(job.ended_at for job in store.jobs())


def test_only_allowed_steps_are_taken():
    job = Job(id="20260101-000000-abcdef", kind="still", request=STILL, created_at=1.0)
    with pytest.raises(ValueError, match="cannot go from queued to done"):
        job.ended("done", 2.0)
    ended = job.ended("cancelled", 2.0)
    with pytest.raises(ValueError, match="cannot go from cancelled"):
        ended.begun(Process(1, "then"), 3.0)


def test_a_record_is_read_as_it_was_written(store: JobStore):
    job = Job(id=store.new_id(1.0), kind="animation", request=ANIMATION, created_at=1.0).begun(Process(7, "then"), 2.0)
    store.save(job)
    assert JobStore(store.root).get(job.id) == job


def test_progress_counts_frames_and_the_share_of_the_one_under_way(store: JobStore):
    assert ANIMATION.frames == 4
    assert Progress(frame=4, frames_done=1, share=0.5).of(4) == 0.375
    assert Progress(frames_done=9).of(4) == 1.0
    job_id = submit(store, 1.0, "animation", ANIMATION)
    assert store.share(store.get(job_id)) == 0.0
    store.path(job_id, "progress.json").write_text('{"frame": 4, "frames_done": 1, "share": 0.5}')
    assert store.share(store.get(job_id)) == 0.375


@pytest.mark.parametrize("job_id", ["", "..", "../../etc", "20260101-000000-abcdeg", "20260101-000000-abcdef"])
def test_an_id_of_no_job_is_refused(store: JobStore, job_id: str):
    with pytest.raises(NoSuchJob, match="There is no render job"):
        store.get(job_id)


def test_damaged_records_are_passed_over(store: JobStore):
    good, bad = submit(store, 1.0), submit(store, 2.0)
    store.path(bad, "job.json").write_text('{"id": 1}')
    assert [job.id for job in store.jobs()] == [good]


def test_only_the_newest_records_are_kept_and_what_never_became_a_job_goes(store: JobStore):
    active = submit(store, 0.0)
    ended = []
    for created_at in range(1, KEPT_JOBS + 4):
        job_id = submit(store, float(created_at))
        store.save(store.get(job_id).ended("cancelled", 100.0))
        ended.append(job_id)
    abandoned = store.new_id(1.0)
    store.prune(time.time())
    assert store.path(abandoned).exists(), "its submitter may still be at work"
    store.prune(time.time() + 7200)
    assert not store.path(abandoned).exists()
    assert [job.id for job in store.jobs()] == [active, *ended[3:]]


def test_the_lock_is_one_queues(store: JobStore):
    assert not store.is_worked_on()
    with store.queue_lock() as first, JobStore(store.root).queue_lock() as second:
        assert (first, second) == (True, False)
        assert store.is_worked_on()
    assert not store.is_worked_on()


def test_a_process_is_known_by_its_start_and_a_dead_one_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process(child.pid, start_of(child.pid) or "")
    assert process.alive()
    assert not Process(child.pid, "another time").alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive(), "what is only left for its parent does not run"
    child.wait()
    assert start_of(child.pid) is None


def test_a_queue_works_until_nothing_is_left_and_lets_go_of_the_lock(store: JobStore, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    store.cancel(job_id)
    work(store, RenderQueue(store, processes))
    assert store.get(job_id).state == "cancelled"
    assert not store.is_worked_on()


def test_a_queue_leaves_the_work_to_one_that_is_at_it(store: JobStore, processes: FakeProcesses):
    job_id = submit(store, 1.0)
    with store.queue_lock():
        work(store, RenderQueue(store, processes))
    assert store.get(job_id).state == "queued"


def test_no_queue_is_started_for_nothing_or_beside_another(store: JobStore, monkeypatch: pytest.MonkeyPatch):
    started: list[object] = []
    monkeypatch.setattr(render_queue.subprocess, "Popen", lambda *a, **_: started.append(a))
    starter = QueueStarter(store)
    starter.ensure()
    submit(store, 1.0)
    with store.queue_lock():
        starter.ensure()
    assert started == []
    starter.ensure()
    assert len(started) == 1


def test_a_render_knows_no_token_and_serves_no_socket():
    environ = {
        "HOME": "/h",
        "P2M_BLENDER_MODE": "headless",
        "BLENDER_SYSTEM_SCRIPTS": "/s",
        "JUPYTERHUB_API_TOKEN": "t",
    }
    assert render_environment(environ) == {"HOME": "/h", "LIBGL_ALWAYS_SOFTWARE": "1"}


@pytest.mark.parametrize(("text", "jobs"), [("", 1), ("3", 3), ("0", 1), ("-2", 1), ("many", 1), ("²", 1)])
def test_the_limit_is_a_number_of_one_or_more(text: str, jobs: int):
    assert parallel_renders({"P2M_RENDER_JOBS": text}) == jobs


def test_a_render_takes_a_name_that_is_free(store: JobStore, monkeypatch: pytest.MonkeyPatch):
    home = store.root.parent
    monkeypatch.setenv("HOME", str(home))
    assert free_output(store, "shot", ".png", folder=False) == home / "renders/shot.png"
    (home / "renders").mkdir()
    (home / "renders/shot.png").touch()
    submit(store, 1.0, request=replace(STILL, output=str(home / "renders/shot-2.png")))
    assert free_output(store, "shot.png", ".png", folder=False) == home / "renders/shot-3.png"
    assert free_output(store, "shot", ".png", folder=True) == home / "renders/shot"
    assert free_output(store, "../take #{1}", ".exr", folder=False) == home / "renders/.._take __1_.exr"
