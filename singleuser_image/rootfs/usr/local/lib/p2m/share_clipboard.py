"""Offers text that was copied in Blender again, so that the VNC server sees that it is text.

Blender 4.3 answers the question for the clipboard's formats (TARGETS) with the wrong type, and Xtigervnc then takes the
clipboard for one without text. xclip answers correctly. Runs until the display ends; sleeps until something is copied.
"""

import ctypes
import subprocess
import sys

LARGEST = 4 * 1024 * 1024  # bytes
PATIENCE_S = 5.0
SET_SELECTION_OWNER = 1  # XFixesSetSelectionOwnerNotifyMask


class SelectionNotify(ctypes.Structure):
    """XFixesSelectionNotifyEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("subtype", ctypes.c_int),
        ("owner", ctypes.c_ulong),
        ("selection", ctypes.c_ulong),
        ("timestamp", ctypes.c_ulong),
        ("selection_timestamp", ctypes.c_ulong),
    ]


class Event(ctypes.Union):
    """XEvent: as large as any of its members."""

    _fields_ = [("type", ctypes.c_int), ("selection", SelectionNotify), ("room", ctypes.c_long * 24)]


def is_blender(window: int) -> bool:
    """Say whether a window is one of Blender's."""
    shown = subprocess.run(
        ["xprop", "-id", hex(window), "WM_CLASS"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return '"Blender"' in shown.stdout


def offer_again() -> None:
    """Take the clipboard's text and offer it."""
    try:
        copied = subprocess.run(
            ["xclip", "-selection", "clipboard", "-target", "UTF8_STRING", "-out"],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        ).stdout
        if 0 < len(copied) <= LARGEST:
            subprocess.run(
                ["xclip", "-selection", "clipboard", "-in"],
                input=copied,
                stdout=subprocess.DEVNULL,  # xclip's child lives on and would keep a pipe open
                timeout=PATIENCE_S,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        print(f"clipboard: {error}", flush=True)


def main() -> int:
    """Wait for new owners of the clipboard."""
    x11 = ctypes.CDLL("libX11.so.6")
    xfixes = ctypes.CDLL("libXfixes.so.3")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        return 1
    root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
    clipboard = ctypes.c_ulong(x11.XInternAtom(display, b"CLIPBOARD", 0))
    first_event, first_error = ctypes.c_int(), ctypes.c_int()
    if not xfixes.XFixesQueryExtension(display, ctypes.byref(first_event), ctypes.byref(first_error)):
        return 1
    xfixes.XFixesSelectSelectionInput(display, root, clipboard, ctypes.c_ulong(SET_SELECTION_OWNER))
    event = Event()
    while True:
        x11.XNextEvent(display, ctypes.byref(event))
        if event.type == first_event.value and event.selection.owner and is_blender(event.selection.owner):
            offer_again()


if __name__ == "__main__":
    sys.exit(main())
