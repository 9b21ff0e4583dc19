"""Render jobs as the tools see them: submitting one, waiting for it, describing it."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from p2m_singleuser.jobs import Job, JobStore, Kind, NoSuchJob, Request, State
from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.render_queue import QueueStarter

Engine = Literal["cycles", "eevee", "workbench"]
Format = Literal["png", "jpeg", "exr", "mp4"]

SUFFIXES: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "exr": ".exr", "mp4": ".mp4"}
SAMPLES: dict[Engine, int] = {"cycles": 64, "eevee": 16, "workbench": 8}
"""Of a render that names none."""

MOST_FRAMES = 100_000

_UNSAFE = re.compile(r"[^\w .-]")
SAVING_S = 120.0
"""Seconds that writing the copy of the scene may take."""

POLL_S = 0.2
PROGRESS_S = 1.0


class RenderJob(BaseModel):
    """A render, wherever it is on its way."""

    id: str = Field(description="What get_job and cancel_job take.")
    kind: Kind = Field(description="still, animation, or preview.")
    state: State = Field(
        description="queued: others are before it. running. done: the file is there. failed: see reason. cancelled. "
        "interrupted: the container was stopped meanwhile; start it anew."
    )
    reason: str | None = Field(description="Why it failed, was cancelled or interrupted; null otherwise.")
    progress: float = Field(description="Done, from 0 to 1.")
    frame: int | None = Field(description="Frame under way (frame number); null before the first.")
    frames: int = Field(description="Frames in all (count).")
    frames_done: int = Field(description="Finished frames (count).")
    engine: Engine = Field(description="Render engine.")
    samples: int = Field(description="Samples for each pixel (count).")
    width: int = Field(description="In pixels.")
    height: int = Field(description="In pixels.")
    output: str = Field(description="File, or folder of an animation's pictures; relative to the home.")
    created_at: datetime = Field(description="When it was submitted, UTC.")
    started_at: datetime | None = Field(description="When it left the queue, UTC; null before.")
    ended_at: datetime | None = Field(description="When it ended, UTC; null before.")
    duration_s: float = Field(description="Running time until now or its end, in seconds; 0 while it is queued.")


def describe(store: JobStore, job: Job) -> RenderJob:
    """Return a job as the tools tell it."""
    request, progress = job.request, store.progress(job.id)
    until = job.ended_at or time.time()
    return RenderJob(
        id=job.id,
        kind=job.kind,
        state=job.state,
        reason=job.reason,
        progress=round(store.share(job), 4),
        frame=progress.frame,
        frames=request.frames,
        frames_done=progress.frames_done,
        engine=request.engine,  # type: ignore[arg-type]  # pydantic checks it
        samples=request.samples,
        width=request.width,
        height=request.height,
        output=in_home(Path(request.output)),
        created_at=_moment(job.created_at),
        started_at=_moment(job.started_at) if job.started_at else None,
        ended_at=_moment(job.ended_at) if job.ended_at else None,
        duration_s=round(until - job.started_at, 2) if job.started_at else 0.0,
    )


async def submit(
    ctx: BlenderContext,
    *,
    kind: Kind,
    engine: Engine,
    samples: int | None,
    size: tuple[int | None, int | None],
    longest_side: int | None = None,
    frames: tuple[int | None, int | None, int | None],
    format: Format,
    name: str | None,
) -> Job:
    """Let Blender write a copy of the scene, and put the job into the queue.

    Args:
        ctx: The tool's context.
        kind: What it is.
        engine: Render engine.
        samples: For each pixel; None for the engine's usual.
        size: Width and height in pixels; None for what the scene or the other side says.
        longest_side: In pixels; makes the picture this large, with the scene's proportions.
        frames: First, last and step; None for the scene's, for a still the scene's current frame.
        format: Of the files.
        name: Of the file in ``~/renders``, without its ending; None for the scene file's name.

    Raises:
        ToolError: Blender is not there, the scene has no camera, or the frames make no sense.
    """
    store = JobStore()
    now = time.time()
    job_id = await asyncio.to_thread(store.new_id, now)
    try:
        scene = await ask(
            ctx,
            "save_render_copy",
            deadline_s=SAVING_S,
            hint="Look whether the home is full.",
            filepath=str(store.path(job_id, "scene.blend")),
        )
        if not scene["has_camera"]:
            raise ToolError("The scene has no camera to render from. Add one and make it the scene's camera first.")
        width, height = _size(scene["resolution"], size, longest_side)
        first, last, step = _frames(kind, frames, scene)
        suffix = SUFFIXES[format]
        output = (
            store.path(job_id, f"preview{suffix}")
            if kind == "preview"
            else free_output(
                store, name or Path(scene["file"] or "render").stem, suffix, folder=_is_sequence(kind, format)
            )
        )
        request = Request(engine, samples or SAMPLES[engine], width, height, first, last, step, format, str(output))
        job = Job(id=job_id, kind=kind, request=request, created_at=now)
        store.save(job)
    except BaseException:
        store.discard(job_id)
        raise
    await asyncio.to_thread(_starter(store.root).ensure)
    return job


async def follow(ctx: BlenderContext, store: JobStore, job_id: str, seconds: float) -> Job:
    """Wait until a job has ended, and tell a client that asked for it how far it is.

    Args:
        ctx: The tool's context.
        store: The jobs.
        job_id: Which.
        seconds: How long at most.

    Returns:
        The job, ended or not.

    Raises:
        ToolError: There is no such job.
    """
    end = time.monotonic() + seconds
    told_at = float("-inf")
    while True:
        job = find(store, job_id)
        if not job.active or time.monotonic() >= end:
            return job
        if time.monotonic() - told_at >= PROGRESS_S:
            told_at = time.monotonic()
            await ctx.report_progress(store.share(job), 1.0, f"{job.kind} {job.state}: {store.share(job):.0%}")
        await asyncio.sleep(POLL_S)


def find(store: JobStore, job_id: str) -> Job:
    """Return a job.

    Raises:
        ToolError: There is none of this id.
    """
    try:
        return store.get(job_id)
    except NoSuchJob as error:
        raise ToolError(str(error)) from error


async def see_to_it(store: JobStore) -> None:
    """Make sure that what waits is worked on."""
    await asyncio.to_thread(_starter(store.root).ensure)


def in_home(path: Path) -> str:
    """Return a path relative to the home, as it is when it is elsewhere."""
    return str(path.relative_to(Path.home())) if path.is_relative_to(Path.home()) else str(path)


def free_output(store: JobStore, name: str, suffix: str, *, folder: bool) -> Path:
    """Return a path in ``~/renders`` that is not there and that no waiting job will write.

    Args:
        store: The jobs.
        name: Wished for. Characters that Blender would replace (``#``, ``{``) become ``_``; a taken name gets ``-2``,
            ``-3`` … behind it.
        suffix: Ending of the file.
        folder: Whether it is a folder, which has no ending.
    """
    name = _UNSAFE.sub("_", name.removesuffix(suffix))
    taken = {job.request.output for job in store.active()}
    number = 1
    while True:
        numbered = name if number == 1 else f"{name}-{number}"
        path = Path.home() / "renders" / (numbered if folder else f"{numbered}{suffix}")
        if not path.exists() and str(path) not in taken:
            return path
        number += 1


@cache
def _starter(root: Path) -> QueueStarter:
    return QueueStarter(JobStore(root))


def _is_sequence(kind: Kind, format: Format) -> bool:
    return kind == "animation" and format != "mp4"


def _size(scene: list[int], size: tuple[int | None, int | None], longest_side: int | None) -> tuple[int, int]:
    width, height = size
    if longest_side is not None:
        factor = longest_side / max(scene)
        return max(1, round(scene[0] * factor)), max(1, round(scene[1] * factor))
    if width is None and height is None:
        return scene[0], scene[1]
    return (
        width if width is not None else max(1, round((height or 1) * scene[0] / scene[1])),
        height if height is not None else max(1, round((width or 1) * scene[1] / scene[0])),
    )


def _frames(
    kind: Kind, frames: tuple[int | None, int | None, int | None], scene: dict[str, int]
) -> tuple[int, int, int]:
    first, last, step = frames
    if kind != "animation":
        still = scene["frame_current"] if first is None else first
        return still, still, 1
    first = scene["frame_start"] if first is None else first
    last = scene["frame_end"] if last is None else last
    step = scene["frame_step"] if step is None else step
    if last < first:
        raise ToolError(
            f"The last frame, {last}, is before the first, {first}. Give frame_start and frame_end in order."
        )
    if (last - first) // step >= MOST_FRAMES:
        raise ToolError(f"That would be more than {MOST_FRAMES} frames. Render a shorter range.")
    return first, last, step


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
