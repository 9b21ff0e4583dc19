"""Memory and CPU of a user who does nothing: desktop, headless, desktop with a viewer, and upstream's way.

What the engine counts for the whole container: memory without the page cache that it can give back, as `docker stats`
shows it, and CPU time. Upstream's way is a VNC desktop and Blender with the add-on, without any Jupyter server.

    python -m bench footprint
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import sync_playwright

from bench.record import Table
from bench.stage import Stage
from tests.support.blenders import RunningBlender
from tests.support.browser import CHROMIUM

COLUMN = "per user"
VIEWER, THEIRS = "p2m desktop, with viewer", "upstream: VNC and add-on"


def used(container: Any) -> tuple[float, float]:
    """Megabytes in use, and seconds of CPU used so far."""
    stats = container.stats(stream=False, one_shot=True)
    memory = stats["memory_stats"]
    cache = memory["stats"].get("inactive_file", 0)
    return (memory["usage"] - cache) / 1024**2, stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9


@contextlib.contextmanager
def viewer(blender: RunningBlender) -> Iterator[None]:
    """Somebody whose browser shows the desktop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{blender.url}blender/?token={blender.token}")
        page.wait_for_selector("#overlay.done", state="attached", timeout=60_000)
        yield
        browser.close()


def measure(stage: Stage, runs: int = 5, seconds: float = 5.0, settle: float = 8.0) -> list[Table]:
    """Watch containers that idle.

    Args:
        stage: What it runs on.
        runs: How many times each is watched, in turns; the one with a viewer afterwards.
        seconds: How long each time.
        settle: Seconds after the start before the first look.
    """
    memory = Table("Memory of an idle user", "MB", [COLUMN])
    cpu = Table("CPU of an idle user", "% of a core", [COLUMN])

    def watch(containers: dict[str, Any]) -> None:
        before = {name: used(container)[1] for name, container in containers.items()}
        began = time.monotonic()
        time.sleep(seconds)
        for name, container in containers.items():
            megabytes, cpu_seconds = used(container)
            memory.add(name, COLUMN, [megabytes])
            cpu.add(name, COLUMN, [100 * (cpu_seconds - before[name]) / (time.monotonic() - began)])

    desktop = stage.desktop
    idle = {
        "p2m desktop": desktop.container,
        "p2m headless": stage.headless.container,
        THEIRS: stage.upstream,
    }
    time.sleep(settle)
    for _ in range(runs):
        watch(idle)
    with viewer(desktop):
        time.sleep(settle)
        for _ in range(runs):
            watch({VIEWER: desktop.container})
    return [memory, cpu]
