"""Blender startup script: what a desktop of one full-screen window with software rendering needs."""

import ctypes
import re
import subprocess
import time
from pathlib import Path

import bpy

FRAME_DEADLINE_S = 20.0
FRAME_PAUSE_S = 0.05
MOTIF_DECORATIONS = 2  # flag of _MOTIF_WM_HINTS: the third number counts
PROP_MODE_REPLACE = 0


def welcome_new_user() -> None:
    """Choose preferences for a person who never saved any. Saved ones are the person's own."""
    saved = Path(bpy.utils.resource_path("USER")) / "config" / "userpref.blend"
    if saved.exists():
        return
    preferences = bpy.context.preferences
    preferences.system.viewport_aa = "OFF"  # redraws 30 % faster
    preferences.view.show_splash = False


def first_window() -> int:
    """Return the first window that the window manager has, 0 when there is none yet."""
    listed = subprocess.run(
        ["xprop", "-root", "_NET_CLIENT_LIST"], capture_output=True, text=True, timeout=2, check=True
    )
    found = re.search(r"0x[0-9a-f]+", listed.stdout)
    return int(found[0], 16) if found else 0


def take_frame(window: int) -> None:
    """Ask the window manager for no frame around a window, in Motif's words."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        raise OSError("no display")
    hints = ctypes.c_ulong(x11.XInternAtom(display, b"_MOTIF_WM_HINTS", 0))
    values = (ctypes.c_ulong * 5)(MOTIF_DECORATIONS, 0, 0, 0, 0)
    x11.XChangeProperty(display, ctypes.c_ulong(window), hints, hints, 32, PROP_MODE_REPLACE, values, len(values))
    x11.XCloseDisplay(display)


class TakeFrame:
    """Timer: takes the frame off Blender's first window, once the window manager has it.

    The window manager's own rules cannot tell it from the others: all of Blender's windows have the same class, and
    the same title when they appear.
    """

    def __init__(self) -> None:
        self.end = time.monotonic() + FRAME_DEADLINE_S

    def __call__(self) -> float | None:
        """Return when to be called again, None when done."""
        try:
            if window := first_window():
                take_frame(window)
                return None
        except (OSError, subprocess.SubprocessError) as error:
            print(f"p2m: the window keeps its frame: {error}")
            return None
        return FRAME_PAUSE_S if time.monotonic() < self.end else None


def register() -> None:
    """Blender calls this at start, before it opens a window."""
    if not bpy.app.background:
        welcome_new_user()
        bpy.app.timers.register(TakeFrame(), first_interval=0.0, persistent=True)


def unregister() -> None:
    """Nothing to take back."""
