"""Run in Blender by bake-shaders: shows what users look at first, so that Mesa compiles its shaders."""

import time
from collections.abc import Iterator

import bpy

STARTED = time.monotonic()


def views() -> Iterator[str]:
    """Show one view after the other."""
    preferences = bpy.context.preferences
    window = bpy.context.window_manager.windows[0]
    for anti_aliasing in ("OFF", "8"):
        preferences.system.viewport_aa = anti_aliasing
        preferences.view.show_splash = False
        yield f"anti-aliasing {anti_aliasing}"
    preferences.system.viewport_aa = "OFF"
    for workspace in bpy.data.workspaces:
        window.workspace = workspace
        yield workspace.name
    window.workspace = bpy.data.workspaces["Layout"]
    yield "Layout"
    area = next(a for a in window.screen.areas if a.type == "VIEW_3D")
    for shading in ("WIREFRAME", "MATERIAL", "SOLID"):
        area.spaces.active.shading.type = shading
        yield shading
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.object.mode_set(mode="EDIT")
    yield "edit mode"


def step(shown: Iterator[str] = views()) -> float | None:  # noqa: B008 - one iterator is the point
    """Show the next view and let Blender draw it; quit after the last."""
    name = next(shown, None)
    if name is None:
        bpy.ops.wm.quit_blender()
        return None
    print(f"{time.monotonic() - STARTED:5.1f} s {name}", flush=True)
    return 0.5


bpy.app.timers.register(step, first_interval=1.0)
