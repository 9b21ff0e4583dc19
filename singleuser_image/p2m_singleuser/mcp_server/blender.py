"""How a tool asks Blender: life signs while it works, and errors an agent can act on."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from p2m_singleuser import modes
from p2m_singleuser.link import (
    DEFAULT_DEADLINE_S,
    BlenderError,
    BlenderLink,
    BlenderTimeout,
    BlenderUnavailable,
    Sender,
)

HEARTBEAT_S = 1.0
"""Seconds between progress notifications while Blender works on a command."""

AFTER_TIMEOUT = "Look at the scene with get_scene_info before you repeat the call, and split long work into steps."

SAYS_ALL = {"Busy", "ModeRefused", "Paused"}
"""Types of errors that say by themselves what to do next."""

BlenderContext = Context[BlenderLink, Any]
"""What a tool's first parameter is: MCP's request context; its lifespan context is the link to Blender."""


async def ask(
    ctx: BlenderContext,
    command: str,
    *,
    deadline_s: float = DEFAULT_DEADLINE_S,
    announce: str | None = None,
    hint: str = "",
    **params: Any,
) -> Any:
    """Run one command in Blender for a tool and return its result.

    A client that asked for progress hears each `HEARTBEAT_S` that Blender is still at work. When the client cancels
    the call, waiting ends at once and Blender interrupts the command.

    Args:
        ctx: The tool's context.
        command: Name of the command on Blender's socket.
        deadline_s: Seconds Blender may take.
        announce: Sentence of a progress notification sent before the command; None sends none.
        hint: Sentence for the agent when the command fails: what to do next.
        **params: The command's parameters.

    Returns:
        The command's result.

    Raises:
        ToolError: Blender is not there, the command failed, or it took too long. The text says what to do next.
    """
    link = ctx.request_context.lifespan_context
    if announce is not None:
        await ctx.report_progress(0, message=announce)
    started = time.monotonic()
    call = asyncio.create_task(link.call(command, deadline_s=deadline_s, sender=sender_of(ctx), **params))
    try:
        while not (await asyncio.wait([call], timeout=HEARTBEAT_S))[0]:
            elapsed = time.monotonic() - started
            await ctx.report_progress(elapsed, message=f"Blender is working on {command}: {elapsed:.0f} s")
        return call.result()
    except BlenderUnavailable as error:
        raise ToolError(str(error)) from error
    except BlenderTimeout as error:
        text = _sentences(str(error), AFTER_TIMEOUT)
        raise ToolError(_report(text, error) if error.traceback else text) from error
    except BlenderError as error:
        if error.traceback:
            raise ToolError(_report(f"{error.type}: {error.message}", error)) from error
        raise ToolError(_sentences(error.message, "" if error.type in SAYS_ALL else hint)) from error
    finally:
        call.cancel()


def sender_of(ctx: BlenderContext) -> Sender:
    """Return in which mode a request runs, and which program sent it."""
    request = ctx.request_context.request
    if request is None:
        return Sender()
    client = ctx.session.client_params
    name = client.client_info.name if client is not None else request.headers.get("user-agent")
    return Sender(modes.narrowest(request.headers.getlist(modes.HEADER)), name)


def need_leave_to_change(ctx: BlenderContext, what: str) -> None:
    """Stop a tool that changes something without a command of Blender's, which asks by itself.

    Args:
        ctx: The tool's context.
        what: What does not happen then, as the beginning of a sentence.

    Raises:
        ToolError: The request's mode, this container's, or a person's pause forbids it.
    """
    runtime = ctx.request_context.lifespan_context.path.parent
    if refused := modes.why_no_change(sender_of(ctx).mode, os.environ, runtime):
        raise ToolError(f"{what}. {refused}")


def _report(what: str, error: BlenderError | BlenderTimeout) -> str:
    """Return how an agent's code failed: what happened, traceback, and what it had printed."""
    text = f"{what}\n\n{error.traceback.rstrip()}"
    return f"{text}\n\nPrinted before the error:\n{error.output}" if error.output else text


def _sentences(first: str, second: str) -> str:
    return f"{first.rstrip('.')}. {second}".rstrip()
