"""Render pictures and animations, beside the Blender that the person works in."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent
from pydantic import BaseModel, Field

from p2m_singleuser.jobs import Job, JobStore
from p2m_singleuser.mcp_server.blender import BlenderContext, need_leave_to_change
from p2m_singleuser.mcp_server.renders import (
    Engine,
    Format,
    RenderJob,
    describe,
    find,
    follow,
    see_to_it,
    submit,
)
from p2m_singleuser.mcp_server.toolset import EDITS, READS, REPLACES, Toolset

tools = Toolset()

CANCEL_S = 15.0
"""Seconds in which a cancelled job ends."""

JobId = Annotated[str, Field(description="The job's id, from start_render or list_jobs.", pattern=r"^[0-9a-f-]{22}$")]
EngineField = Annotated[
    Engine,
    Field(
        description="cycles: light as it is; the fastest with materials here, where there is no GPU (512 pixels and 16 "
        "samples: about 2 s). workbench: plain surfaces, about as fast. eevee: 10 to 30 s before the first sample, "
        "then seconds for each: few samples only."
    ),
]


class JobList(BaseModel):
    """The render jobs."""

    jobs: list[RenderJob] = Field(description="The newest first; ended ones stay listed until 50 newer have ended.")


@tools.tool(title="Quick render", annotations=READS)
async def render_preview(
    ctx: BlenderContext,
    max_size: Annotated[int, Field(description="Longest side of the picture, in pixels.", ge=16, le=1920)] = 512,
    engine: EngineField = "cycles",
    samples: Annotated[int, Field(description="Samples for each pixel (count).", ge=1, le=1024)] = 16,
    frame: Annotated[int | None, Field(description="Frame number; null for the current one.")] = None,
    timeout_s: Annotated[float, Field(description="Seconds to wait before it is given up.", gt=0, le=600)] = 180,
) -> Annotated[CallToolResult, RenderJob]:
    """Render the scene's camera view small, wait for it and return the picture. Nothing is kept.

    Takes about 3 s for a simple scene with the defaults. It renders a copy, so the person can go on working meanwhile.
    """
    store = JobStore()
    job = await submit(
        ctx,
        kind="preview",
        engine=engine,
        samples=samples,
        size=(None, None),
        longest_side=max_size,
        frames=(frame, frame, 1),
        format="png",
        name=None,
    )
    try:
        job = await follow(ctx, store, job.id, timeout_s)
    except asyncio.CancelledError:
        store.cancel(job.id)
        raise
    if job.active:
        store.cancel(job.id)
        raise ToolError(
            f"The preview was not done within {timeout_s:g} s and is cancelled. Use fewer samples or pixels, or "
            "start_render, which needs nobody to wait."
        )
    if job.state != "done":
        raise ToolError(f"The preview {job.state}: {job.reason}")
    result = _with_picture(store, job)
    store.discard(job.id)
    return result


@tools.tool(title="Start a render", annotations=EDITS)
async def start_render(
    ctx: BlenderContext,
    name: Annotated[
        str | None,
        Field(
            description="File name in the home's folder renders, without ending; null for the scene file's name. "
            "Nothing is overwritten: a taken name gets a number.",
            pattern=r"^[\w][\w .-]{0,79}$",
        ),
    ] = None,
    engine: EngineField = "cycles",
    samples: Annotated[
        int | None,
        Field(description="Samples for each pixel (count); null: cycles 64, eevee 16, workbench 8.", ge=1, le=65536),
    ] = None,
    width: Annotated[
        int | None, Field(description="In pixels; null for the scene's, or in proportion to height.", ge=4, le=16384)
    ] = None,
    height: Annotated[
        int | None, Field(description="In pixels; null for the scene's, or in proportion to width.", ge=4, le=16384)
    ] = None,
    frame: Annotated[int | None, Field(description="Frame number of a still; null for the current one.")] = None,
    animation: Annotated[bool, Field(description="Render a range of frames instead of one.")] = False,
    frame_start: Annotated[int | None, Field(description="Animation's first frame; null for the scene's.")] = None,
    frame_end: Annotated[int | None, Field(description="Animation's last frame; null for the scene's.")] = None,
    frame_step: Annotated[
        int | None, Field(description="From one frame to the next (count); null for the scene's.", ge=1)
    ] = None,
    format: Annotated[
        Format,
        Field(description="png, jpeg, exr: pictures, an animation's in a folder of their own. mp4: animations only."),
    ] = "png",
) -> RenderJob:
    """Render a copy of the scene as it is now into a file, in the background, and return the job at once.

    The job goes on when you disconnect and when Blender is restarted; one renders at a time, the others wait. get_job
    tells how far it is and, at the end, returns the picture. The person goes on working meanwhile.
    """
    need_leave_to_change(ctx, "Nothing was rendered")
    if format == "mp4" and not animation:
        raise ToolError("mp4 is for animations. Set animation, or choose png, jpeg or exr.")
    job = await submit(
        ctx,
        kind="animation" if animation else "still",
        engine=engine,
        samples=samples,
        size=(width, height),
        frames=(frame_start, frame_end, frame_step) if animation else (frame, frame, 1),
        format=format,
        name=name,
    )
    return describe(JobStore(), job)


@tools.tool(title="Render job", annotations=READS)
async def get_job(
    ctx: BlenderContext,
    id: JobId,
    wait_s: Annotated[
        float, Field(description="Seconds to wait for the job's end; 0 answers at once.", ge=0, le=600)
    ] = 0,
) -> Annotated[CallToolResult, RenderJob]:
    """Tell how far a render is; once it is done, with its picture (an animation's last) of at most 1024 pixels."""
    store = JobStore()
    find(store, id)
    await see_to_it(store)
    job = await follow(ctx, store, id, wait_s)
    return _with_picture(store, job)


@tools.tool(title="Render jobs", annotations=READS)
async def list_jobs(ctx: BlenderContext) -> JobList:
    """List the renders that run, wait or have ended, also those from before a restart."""
    store = JobStore()
    await see_to_it(store)
    return JobList(jobs=[describe(store, job) for job in reversed(store.jobs())])


@tools.tool(title="Cancel a render", annotations=REPLACES)
async def cancel_job(ctx: BlenderContext, id: JobId) -> RenderJob:
    """End a render that runs or waits. Frames that are finished stay; one that has ended already is left alone."""
    need_leave_to_change(ctx, "The render goes on")
    store = JobStore()
    if find(store, id).active:
        store.cancel(id)
        await see_to_it(store)
    job = await follow(ctx, store, id, CANCEL_S)
    if job.active:
        raise ToolError(f"The render did not end within {CANCEL_S:g} s. It will; ask get_job in a few seconds.")
    return describe(store, job)


def _with_picture(store: JobStore, job: Job) -> CallToolResult:
    described = describe(store, job)
    content: list[TextContent | ImageContent] = [TextContent(type="text", text=described.model_dump_json())]
    if job.state == "done" and (data := _read(store.path(job.id, "result.png"))):
        content.append(ImageContent(type="image", data=base64.b64encode(data).decode("ascii"), mime_type="image/png"))
    return CallToolResult(content=list(content), structured_content=described.model_dump(mode="json"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
