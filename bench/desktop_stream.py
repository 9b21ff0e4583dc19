"""The desktop in a browser: frames seen while the viewport orbits, bytes a second, and from a key to its picture.

Ours with the settings that matter, plain websockify with noVNC, and Selkies, one after the other on one container, each
watched by a Chromium of its own on the same machine. Inside Blender a timer turns the view whenever Blender is not
busy, so what Blender draws is the limit. A mark in the viewport tells one picture from the next.

    python -m bench desktop_stream
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, Route, TimeoutError, sync_playwright

from bench.record import Table
from bench.stage import Stage
from bench.streams import (
    SELKIES_PORT,
    WEBSOCKIFY_PORT,
    address,
    install_selkies,
    install_websockify,
    start_selkies,
)
from tests.support.blenders import RunningBlender
from tests.support.browser import CHROMIUM

OURS = "p2m as delivered"
JPEG, ANTI_ALIASED, WEBSOCKIFY = "p2m, JPEG", "p2m, anti-aliasing 8", "websockify and noVNC"
CAPPED = {f"p2m, at most {most} frames/s": most for most in (30, 10)}
LEAN = ("--video-streaming-mode=false", "--audio-enabled=false", "--ui-show-sidebar=false")
SELKIES = {
    "Selkies, factory settings": (),
    "Selkies, h264, 30 frames/s": (*LEAN, "--encoder=h264enc", "--framerate=30"),
    "Selkies, h264, 60 frames/s": (*LEAN, "--encoder=h264enc", "--framerate=60"),
    "Selkies, JPEG, 30 frames/s": (*LEAN, "--encoder=jpeg", "--framerate=30"),
}
"""Its command line's options."""

WAYS = (OURS, JPEG, *CAPPED, ANTI_ALIASED, WEBSOCKIFY, *SELKIES)

SEEN, DRAWN = "seen in the browser", "drawn by Blender"

WATCHER = """
const probe = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
const context = probe.getContext("2d", {willReadFrequently: true});
let last = null;
window.bench = {frames: 0, changedAt: 0, keyAt: 0};
window.addEventListener("keydown", () => { window.bench.keyAt = performance.now(); }, {capture: true});

function look() {
  requestAnimationFrame(look);
  // Selkies shows a video, in front of a canvas of the same size.
  const pictures = [...document.querySelectorAll("video"), ...document.querySelectorAll("canvas")];
  const size = (e) => (e.videoWidth === undefined ? [e.width, e.height] : [e.videoWidth, e.videoHeight]);
  const area = (e) => size(e)[0] * size(e)[1];
  const picture = pictures.reduce((best, e) => (!best || area(e) > area(best) ? e : best), null);
  if (!picture || area(picture) < 100000) {
    return;
  }
  const [width, height] = size(picture);
  context.drawImage(picture, MARK_X * width, MARK_Y * height, 1, 1, 0, 0, 1, 1);
  const bright = context.getImageData(0, 0, 1, 1).data[1] > 127;
  if (last !== null && bright !== last) {
    window.bench.frames += 1;
    window.bench.changedAt = performance.now();
  }
  last = bright;
}
requestAnimationFrame(look);
"""
"""Run in the page: counts how often the mark has changed, and notes when."""

PREPARE = """
import bpy, gpu
from gpu_extras.batch import batch_for_shader
from mathutils import Quaternion
bench = bpy.app.driver_namespace["bench"] = {"drawn": 0, "orbits": False}

def drawn():
    bench["drawn"] += 1
    shade = bench["drawn"] % 2
    region = bpy.context.region
    x, y = region.width // 2, region.height // 2
    corners = [(x - 20, y - 20), (x + 20, y - 20), (x - 20, y + 20), (x + 20, y + 20)]
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", (shade, shade, shade, 1))
    batch_for_shader(shader, "TRI_STRIP", {"pos": corners}).draw(shader)

def orbit():
    if bench["orbits"]:
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    view = area.spaces.active.region_3d
                    view.view_rotation = Quaternion((0, 0, 1), 0.05) @ view.view_rotation
                    area.tag_redraw()
    return 0.0 if bench["orbits"] else 0.1

class BENCH_OT_turn(bpy.types.Operator):
    bl_idname, bl_label = "bench.turn", "Turn the view"

    def execute(self, context):
        view = context.space_data.region_3d
        view.view_rotation = Quaternion((0, 0, 1), 1.0) @ view.view_rotation
        context.area.tag_redraw()
        return {"FINISHED"}

bpy.utils.register_class(BENCH_OT_turn)
keys = bpy.context.window_manager.keyconfigs.addon.keymaps.new("3D View", space_type="VIEW_3D")
keys.keymap_items.new("bench.turn", "Y", "PRESS")
bpy.types.SpaceView3D.draw_handler_add(drawn, (), "WINDOW", "POST_PIXEL")
bpy.app.timers.register(orbit)
window = bpy.context.window_manager.windows[0]
region = next(r for a in window.screen.areas if a.type == "VIEW_3D" for r in a.regions if r.type == "WINDOW")
print((region.x + region.width / 2) / window.width, 1 - (region.y + region.height / 2) / window.height)
"""
"""Run in Blender: a mark in the middle of the viewport is white in every other picture that Blender draws. Prints where
it is, as parts of the window's width and height."""

SWITCH = "import bpy; bpy.app.driver_namespace['bench']['orbits'] = {}"
COUNT = "import bpy; print(bpy.app.driver_namespace['bench']['drawn'])"
ANTI_ALIASING = "import bpy; bpy.context.preferences.system.viewport_aa = '{}'"

KEY = "y"
"""Turns the view."""

SETTLE_MS = 1500
STILL_MS = 400.0
KEY_DEADLINE_MS = 5000


@dataclass(frozen=True)
class Blender:
    """What is done in Blender, by its socket."""

    running: RunningBlender

    def run(self, code: str) -> str:
        """Run code; return what it printed."""
        with self.running.connect() as client:
            return client.run(code)

    def sent_kilobytes(self) -> float:
        """What the container has sent so far."""
        networks = self.running.container.stats(stream=False, one_shot=True)["networks"]
        return float(sum(network["tx_bytes"] for network in networks.values())) / 1024


def with_jpeg(route: Route) -> None:
    """Our page, with the request for JPEG pictures that it leaves out."""
    script = route.fetch()
    text = script.text()
    kept = text.replace("e < encodings.pseudoEncodingQualityLevel0 ||", "true ||")
    assert kept != text
    route.fulfill(response=script, body=kept)


def frame_rate(blender: Blender, most: int) -> None:
    """Let the X server send so many frames a second at most."""
    blender.running.exec("vncconfig", "-display", ":1", "-set", f"FrameRate={most}")


@contextlib.contextmanager
def shown(blender: Blender, way: str, page: Page) -> Iterator[None]:
    """Show the desktop in one of `WAYS` until the block ends."""
    undo: Callable[[], Any] = lambda: None  # noqa: E731
    url = f"{blender.running.url}blender/?token={blender.running.token}"
    if way == JPEG:
        page.route("**/screen.js*", with_jpeg)
    elif way in CAPPED:
        frame_rate(blender, CAPPED[way])
        undo = lambda: frame_rate(blender, 60)  # noqa: E731
    elif way == ANTI_ALIASED:
        blender.run(ANTI_ALIASING.format(8))
        undo = lambda: blender.run(ANTI_ALIASING.format("OFF"))  # noqa: E731
    elif way == WEBSOCKIFY:
        url = f"{address(blender.running, WEBSOCKIFY_PORT)}/vnc_lite.html?path=websockify&scale=true"
    elif way in SELKIES:
        start_selkies(blender.running, *SELKIES[way])
        url = address(blender.running, SELKIES_PORT)
    page.goto(url)
    try:
        yield
    finally:
        undo()


def watch(blender: Blender, page: Page, seconds: float) -> tuple[float, float, float]:
    """Frames a second seen and drawn, and kilobytes a second, while the viewport orbits."""

    def look() -> tuple[float, float, float]:
        return page.evaluate("window.bench.frames"), float(blender.run(COUNT)), blender.sent_kilobytes()

    before, began = look(), time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    after, took = look(), time.monotonic() - began
    seen, drawn, kilobytes = (b - a for a, b in zip(before, after, strict=True))
    return seen / took, drawn / took, kilobytes / took


def press(page: Page) -> list[float]:
    """Milliseconds from a key, pressed after the picture has stood still, until it changes; none within the limit."""
    page.wait_for_function(f"performance.now() - window.bench.changedAt > {STILL_MS}", timeout=30_000)
    page.keyboard.press(KEY)
    try:
        page.wait_for_function("window.bench.changedAt > window.bench.keyAt", timeout=KEY_DEADLINE_MS)
    except TimeoutError:
        return []
    return [float(page.evaluate("window.bench.changedAt - window.bench.keyAt"))]


def measure(stage: Stage, runs: int = 5, seconds: float = 2.0, ways: tuple[str, ...] = WAYS) -> list[Table]:
    """Look at the desktop.

    Args:
        stage: What it runs on.
        runs: Times that each way is watched for frames, and keys pressed.
        seconds: How long each time.
        ways: Of `WAYS`.
    """
    frames = Table("Frames while the viewport orbits", "frames/s", [SEEN, DRAWN])
    bytes_ = Table("What is sent while the viewport orbits", "kB/s", ["sent"])
    latency = Table("From a key to its picture", "ms", ["key to picture"])
    blender = Blender(stage.desktop)
    selkies = address(stage.desktop, SELKIES_PORT)
    if WEBSOCKIFY in ways:
        install_websockify(stage.desktop)
    if set(ways) & set(SELKIES):
        install_selkies(stage.desktop)
    mark_x, mark_y = blender.run(PREPARE).split()[-2:]
    watcher = WATCHER.replace("MARK_X", mark_x).replace("MARK_Y", mark_y)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM["executable_path"],  # type: ignore[arg-type]
            # Selkies' page decodes by WebCodecs, which browsers give only to secure origins.
            args=[*CHROMIUM["args"], f"--unsafely-treat-insecure-origin-as-secure={selkies}"],  # type: ignore[misc]
        )
        for way in ways:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
            page.add_init_script(watcher)
            blender.run(SWITCH.format(True))
            with shown(blender, way, page):
                page.wait_for_function("window.bench.frames > 0", timeout=60_000)
                page.wait_for_timeout(SETTLE_MS)  # until what covers the picture while it comes is gone
                page.mouse.click(560, 420)
                for _ in range(runs):
                    seen, drawn, kilobytes = watch(blender, page, seconds)
                    frames.add(way, SEEN, [seen])
                    frames.add(way, DRAWN, [drawn])
                    bytes_.add(way, "sent", [kilobytes])
                blender.run(SWITCH.format(False))
                for _ in range(runs):
                    latency.add(way, "key to picture", press(page))
            page.close()
        browser.close()
    return [frames, bytes_, latency]
