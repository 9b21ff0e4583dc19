# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's window, as the context that operators look for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import bpy


@contextmanager
def in_window() -> Iterator[None]:
    """Run as if the person's 3D viewport were under the mouse, so that operators find their context.

    Without a window (``blender -b``) the context is Blender's own. The scene is evaluated first: the call before may
    have changed it in the same turn of Blender's loop.
    """
    with ExitStack() as stack:
        window = next(iter(bpy.context.window_manager.windows), None)
        if window is not None:
            stack.enter_context(bpy.context.temp_override(window=window, **_viewport_of(window)))
        bpy.context.view_layer.update()
        yield


def _viewport_of(window: Any) -> dict[str, Any]:
    for area in window.screen.areas:
        if area.type == "VIEW_3D":
            for region in area.regions:
                if region.type == "WINDOW":
                    return {"area": area, "region": region}
    return {}
