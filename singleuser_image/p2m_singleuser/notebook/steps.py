"""What takes several calls of tools, written once for both clients: each step is yielded and its result sent in."""

from __future__ import annotations

import io
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Literal

from p2m_singleuser.notebook.errors import BlenderProblem
from p2m_singleuser.notebook.model_view import HEIGHT, Model
from p2m_singleuser.notebook.pictures import Animation, File, Picture

LARGEST_VIEW_BYTES = 16 * 1024 * 1024
"""Largest model that is put into a notebook."""

View = Literal["front", "back", "left", "right", "top", "bottom", "iso"]
Shading = Literal["solid", "material", "wireframe", "rendered"]


@dataclass(frozen=True)
class Step:
    """One call of a tool.

    Attributes:
        tool: Its name.
        arguments: What it is called with.
        done: How many steps were done before.
        total: How many there are.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 1


def view(objects: list[str] | None = None, height: int = HEIGHT) -> Generator[Step, File, Model]:
    """Show the scene as an interactive 3D view, to be turned with the mouse and zoomed with the wheel.

    Args:
        objects: Names of the objects to show; all visible ones when left out.
        height: Of the view, in CSS pixels.

    Returns:
        The model; ``save()`` writes it as GLB.

    Raises:
        BlenderFailed: There is nothing to show, no such object, or the model is larger than 16 MB.
    """
    arguments: dict[str, Any] = {"max_bytes": LARGEST_VIEW_BYTES}
    if objects is not None:
        arguments["objects"] = list(objects)
    found = yield Step("get_model", arguments)
    name = ", ".join(objects) if objects else "the scene"
    return Model(found.data, found.mime_type, name, height)


def turntable(
    frames: int = 24, seconds: float = 3.0, size: int = 480, shading: Shading = "solid", view: View = "iso"
) -> Generator[Step, Picture, Animation]:
    """Show the scene from all around, as an animation that repeats. Nothing in the scene changes.

    Args:
        frames: Pictures of one round (count), 2 to 180.
        seconds: Duration of one round.
        size: Longest side, in pixels.
        shading: solid and wireframe take a fraction of a second a picture; material and rendered about 2 s.
        view: Where the round begins, and from how high it looks.

    Returns:
        The animation; ``save()`` writes it as WebP.

    Raises:
        BlenderProblem: Fewer than 2 or more than 180 frames, or a duration that is not above 0.
    """
    if not 2 <= frames <= 180 or not seconds > 0:
        raise BlenderProblem("turntable() takes 2 to 180 frames and a duration above 0 seconds.")
    pictures = []
    for number in range(frames):
        arguments = {"view": view, "shading": shading, "max_size": size, "turn": math.tau * number / frames}
        pictures.append((yield Step("get_viewport_screenshot", arguments, number, frames)))
    return animated(pictures, seconds / frames)


def animated(pictures: list[Picture], seconds: float) -> Animation:
    """Return pictures as one animation, as WebP: all colours, a fraction of GIF's size.

    Args:
        pictures: In their order, of one size.
        seconds: How long each is shown.
    """
    from PIL import Image

    first, *others = [Image.open(io.BytesIO(picture.data)).convert("RGB") for picture in pictures]
    written = io.BytesIO()
    first.save(
        written,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=round(seconds * 1000),
        loop=0,
        quality=80,
        method=2,
    )
    return Animation(written.getvalue(), "image/webp", "turntable.webp")
