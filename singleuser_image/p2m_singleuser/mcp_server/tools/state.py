"""How Blender is, and restarting it."""

from __future__ import annotations

from typing import Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from p2m_singleuser import restart
from p2m_singleuser.link import BlenderTimeout, BlenderUnavailable, exits_of
from p2m_singleuser.mcp_server.blender import BlenderContext, need_leave_to_change, sender_of
from p2m_singleuser.mcp_server.toolset import CHANGES_ANYTHING, READS, Toolset

tools = Toolset()

PROBE_S = 2.0
STEPS = 4


class SessionFacts(BaseModel):
    """How well the person's work is kept."""

    state: Literal["ok", "backing off", "failed", "off"] = Field(
        description="ok: saved within seconds of each change. backing off: the scene is large and saved less often. "
        "failed: the last save did not succeed. off: nothing is saved by itself."
    )
    saved_at: str | None = Field(description="When it was saved last, ISO 8601 in UTC; null while it never was.")
    reason: str | None = Field(description="A sentence; null when all is well.")
    notice: str | None = Field(description="What the start of this Blender brought back; null if nothing.")


class BlenderStatus(BaseModel):
    """How Blender is."""

    state: Literal["ready", "busy", "starting", "restarting", "failed"] = Field(
        description="ready takes commands; busy is working on one; starting and restarting pass by themselves; "
        "failed needs restart_blender."
    )
    reason: str | None = Field(default=None, description="Why it is not ready, as a sentence; null when it is.")
    busy_with: str | None = Field(default=None, description="What Blender is working on; null when it is free.")
    busy_since: str | None = Field(default=None, description="Since when, ISO 8601 in UTC; null when it is free.")
    overdue: bool = Field(
        default=False,
        description="True: that is beyond its deadline and cannot be interrupted. Wait, or call restart_blender.",
    )
    version: str | None = Field(default=None, description="Version of Blender; null while it does not answer.")
    file: str | None = Field(default=None, description="Path of the open .blend file; null when it has none.")
    window: bool | None = Field(default=None, description="Whether a person can see this Blender in a window.")
    mode: str | None = Field(
        default=None, description="Widest mode of this Blender: full, no-code or read-only. Yours may be narrower."
    )
    paused: bool = Field(default=False, description="True: a person has paused agents; only looking works.")
    session: SessionFacts | None = Field(
        default=None, description="Saving of unsaved work; null while Blender does not answer."
    )
    restarts: int = Field(default=0, description="How often Blender ended since the server started (count).")


class RestartResult(BaseModel):
    """How the restart went."""

    seconds: float = Field(description="Seconds it took until Blender answered again.")
    saved: bool = Field(description="Whether the session was saved before.")
    version: str = Field(description="Version of Blender.")
    file: str | None = Field(description="Path of the open .blend file; null when it has none.")


@tools.tool(title="Blender's state", annotations=READS)
async def get_blender_status(ctx: BlenderContext) -> BlenderStatus:
    """Say whether Blender takes commands, what keeps it, and what you may do. Answers also while Blender is busy."""
    link = ctx.request_context.lifespan_context
    exits = exits_of(link.path.parent)
    restarts = exits.get("restarts", 0)
    try:
        answer = await link.call("get_status", deadline_s=PROBE_S, sender=sender_of(ctx))
    except BlenderUnavailable as error:
        state: Literal["failed", "restarting", "starting"]
        state = "failed" if exits.get("failed") else "restarting" if exits else "starting"
        return BlenderStatus(state=state, reason=str(error), restarts=restarts)
    except BlenderTimeout as error:
        return BlenderStatus(state="busy", reason=str(error), restarts=restarts)
    reason = f"Blender is busy with {answer['busy_with']}." if answer["state"] == "busy" else None
    return BlenderStatus.model_validate({**answer, "reason": reason, "restarts": restarts})


@tools.tool(title="Restart Blender", annotations=CHANGES_ANYTHING)
async def restart_blender(ctx: BlenderContext) -> RestartResult:
    """End Blender and start it again; the way out when it hangs or was given up after too many crashes.

    It takes about five seconds, eleven when Blender hangs, and interrupts whatever others do in it. Where Blender can
    still save, the session is saved before.
    """
    link = ctx.request_context.lifespan_context
    need_leave_to_change(ctx, "Blender was not restarted")
    step = 0

    async def say(sentence: str) -> None:
        nonlocal step
        await ctx.report_progress(step, total=STEPS, message=sentence)
        step += 1

    try:
        done = await restart.restart_blender(link, say)
    except restart.RestartFailed as error:
        raise ToolError(str(error)) from error
    await say(f"Blender answers again after {done.seconds:.1f} s")
    return RestartResult(
        seconds=round(done.seconds, 2), saved=done.saved, version=done.status["version"], file=done.status["file"]
    )
