"""Back and forth: Blender's undo history, and checkpoints on disk."""

from __future__ import annotations

from typing import Annotated

from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import EDITS, READS, REPLACES, Toolset

tools = Toolset()

UNDOES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
"""The tool takes something away; calling it again takes away more."""

RESTORE_S = 120.0
"""Seconds that Blender may take to open a checkpoint."""

Steps = Annotated[int, Field(description="Most steps (count); each call of an agent is one.", ge=1, le=100)]


class StepsTaken(BaseModel):
    """How far undo or redo went."""

    steps: int = Field(description="Steps taken (count); fewer than asked for when the history has no more.")


class Checkpoint(BaseModel):
    """A state of the scene that can be restored."""

    id: int = Field(description="Its number; restore_checkpoint takes it. Later ones have higher numbers.")
    label: str = Field(description="Why it was made: 'before' and a tool's name, or the label it was created with.")
    created_at: str = Field(description="When it was made, ISO 8601 in UTC.")
    size_bytes: int = Field(description="Size of its file in bytes.")
    file: str | None = Field(description="Path of the .blend file that was open then; null if the scene had none.")


class CheckpointList(BaseModel):
    """The checkpoints, the newest first."""

    checkpoints: list[Checkpoint] = Field(description="The newest first.")
    count: int = Field(description="How many checkpoints there are.")


class Restored(BaseModel):
    """What was restored, and the way back."""

    restored: Checkpoint = Field(description="The checkpoint the scene is at now.")
    before_id: int = Field(description="Number of the checkpoint of what was there before: restore it to go back.")
    file: str | None = Field(description="Path of the open .blend file now; null if the scene has none.")


@tools.tool(title="Undo", annotations=UNDOES)
async def undo(ctx: BlenderContext, steps: Steps = 1) -> StepsTaken:
    """Take back the last steps, of whoever made them: each agent's call that changed something is one step, and so is
    each action of the person.

    For states further back, or after a file was opened, use restore_checkpoint.
    """
    return StepsTaken.model_validate(await ask(ctx, "undo", steps=steps))


@tools.tool(title="Redo", annotations=UNDOES)
async def redo(ctx: BlenderContext, steps: Steps = 1) -> StepsTaken:
    """Do again what undo took back last. Any change after the undo makes this impossible."""
    return StepsTaken.model_validate(await ask(ctx, "redo", steps=steps))


@tools.tool(title="Create a checkpoint", annotations=EDITS, needs="read-only")
async def create_checkpoint(
    ctx: BlenderContext,
    label: Annotated[
        str, Field(description="What to call it in the list.", min_length=1, max_length=100)
    ] = "checkpoint",
) -> Checkpoint:
    """Keep the scene as it is now, to come back to it later.

    One is made by itself before each call that changes something; create one to mark a state by name. The latest 50 are
    kept, up to 2 GB.
    """
    answer = await ask(ctx, "create_checkpoint", announce="Blender saves a checkpoint", label=label)
    return Checkpoint.model_validate(answer)


@tools.tool(title="List checkpoints", annotations=READS)
async def list_checkpoints(
    ctx: BlenderContext,
    limit: Annotated[int, Field(description="Most checkpoints to list (count).", ge=1, le=50)] = 20,
) -> CheckpointList:
    """List the states of the scene that can be restored, the newest first."""
    return CheckpointList.model_validate(await ask(ctx, "list_checkpoints", limit=limit))


@tools.tool(title="Restore a checkpoint", annotations=REPLACES)
async def restore_checkpoint(
    ctx: BlenderContext,
    id: Annotated[int, Field(description="Number of the checkpoint, as list_checkpoints has it.", ge=1)],
) -> Restored:
    """Put the whole scene back to a checkpoint, under the file name it had then. No file of the user is written.

    The scene of now becomes a checkpoint first (before_id), so this can be taken back.
    """
    answer = await ask(
        ctx,
        "restore_checkpoint",
        deadline_s=RESTORE_S,
        announce="Blender opens the checkpoint",
        id=id,
    )
    return Restored.model_validate(answer)
