"""Restarts Blender from outside, so that it works when Blender hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from p2m_singleuser.link import BlenderError, BlenderLink, BlenderLinkError

COMMAND = "p2m-restart-blender"
SAVE_S = 5.0
"""Seconds that Blender gets to save the session."""

STOP_S = 20.0
"""Seconds until Blender's process is gone; s6 kills it after six."""

START_S = 60.0
"""Seconds from then on until it answers."""

_PAUSE_S = 0.1

Say = Callable[[str], Awaitable[None]]


class RestartFailed(Exception):
    """Blender was not restarted, or does not answer since; the text is a sentence."""


@dataclass(frozen=True)
class Restarted:
    """How a restart went.

    Attributes:
        seconds: How long it took until Blender answered.
        saved: Whether Blender saved the session before.
        status: What Blender says of itself since (docs/protocol.md, ``get_status``).
    """

    seconds: float
    saved: bool
    status: dict[str, Any]


_one_at_a_time = asyncio.Lock()


async def restart_blender(link: BlenderLink, say: Say) -> Restarted:
    """Save the session if Blender can, end Blender, and wait until the next one answers.

    Args:
        link: Blender.
        say: Hears sentences for whoever waits.

    Raises:
        RestartFailed: See there.
    """
    async with _one_at_a_time:
        began = time.monotonic()
        await say("Saving the session")
        saved = await _save(link)
        await say("Ending Blender")
        await _run_command()
        await say("Blender is starting")
        status = await _wait(link)
        return Restarted(time.monotonic() - began, saved, status)


async def _save(link: BlenderLink) -> bool:
    """Ask Blender to save; one that hangs, is gone or cannot save does not stop the restart."""
    try:
        await link.call("save_session", deadline_s=SAVE_S)
    except BlenderLinkError:
        return False
    return True


async def _run_command() -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            COMMAND, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise RestartFailed(f"{COMMAND} cannot be run: {error}") from error
    try:
        async with asyncio.timeout(STOP_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise RestartFailed(f"Blender did not end within {STOP_S:g} s; restart the server.") from None
    if process.returncode:
        said = output.decode("utf-8", "replace").strip()
        raise RestartFailed(f"{COMMAND} failed with exit code {process.returncode}: {said}")


async def _wait(link: BlenderLink) -> dict[str, Any]:
    reason = "nothing answered"
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            await link.call("ping", deadline_s=2.0)
            status: dict[str, Any] = await link.call("get_status", deadline_s=2.0)
        except BlenderError as error:
            raise RestartFailed(f"Blender was restarted and answers with an error: {error}") from error
        except BlenderLinkError as error:
            reason = str(error)
        else:
            return status
        await asyncio.sleep(_PAUSE_S)
    raise RestartFailed(f"Blender was restarted and does not answer within {START_S:g} s: {reason}")
