"""Run Python in Blender."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import CHANGES_ANYTHING, Toolset

tools = Toolset()

DEFAULT_TIMEOUT_S = 180.0
LONGEST_TIMEOUT_S = 3600.0


class CodeResult(BaseModel):
    """What a script left behind."""

    executed: bool = Field(description="True: the code ran to its end.")
    result: str = Field(description="What the code printed to stdout; of more than a million characters, both ends.")
    stderr: str = Field(default="", description="What the code printed to stderr, warnings for instance.")


@tools.tool(title="Run Python in Blender", annotations=CHANGES_ANYTHING, needs="full")
async def execute_blender_code(
    ctx: BlenderContext,
    code: Annotated[str, Field(description="Python source. `bpy` is there; print() what you want to see.")],
    timeout_s: Annotated[
        float,
        Field(description="Seconds the code may take; after that it is interrupted.", gt=0, le=LONGEST_TIMEOUT_S),
    ] = DEFAULT_TIMEOUT_S,
) -> CodeResult:
    """Run Python code inside Blender and return what it printed.

    The code runs in Blender's main thread with full access to bpy. If it fails or takes too long, the error carries
    the exception and the traceback with your lines. Prefer several short calls to one long script.
    """
    answer = await ask(ctx, "execute_code", deadline_s=timeout_s, announce="Blender runs the code", code=code)
    return CodeResult.model_validate(answer)
