"""A Blender that crashes, hangs or cannot load its extension: what the home page says, and its button."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from playwright.async_api import Page, expect

from tests.support.browsing import log_in
from tests.support.hub import Hub, Person
from tests.support.image import IMAGE
from tests.support.scenes import has_object, run_code
from tests.support.waiting import wait_for

from .conftest import SCENE

SECOND = 1000

KILL_BLENDER = """
cat /run/p2m/blender-exits.json 2>/dev/null | grep -q '"failed": true' && exit 0
for process in /proc/[0-9]*; do
    read -r name <$process/comm && [ "$name" = blender ] && kill -KILL ${process#/proc/}
done
echo 0 >/run/p2m/blender-delay  # nobody sits out the back-off
exit 1
"""


async def test_a_blender_that_was_given_up_is_restarted_from_the_home_page(person: Person, page: Page):
    def given_up() -> bool:
        return bool(person.container().exec_run(["sh", "-c", KILL_BLENDER]).exit_code == 0)

    await asyncio.to_thread(wait_for, given_up, 90, "a Blender that is given up", interval=0.5)
    await log_in(page, person)
    await expect(page.locator("#status-title")).to_have_text("Blender does not start", timeout=30 * SECOND)
    await expect(page.locator("#status-detail")).to_contain_text("killed by SIGKILL")
    await page.get_by_role("button", name="Restart Blender").click()
    await expect(page.locator("#status-title")).to_have_text("Blender is ready", timeout=90 * SECOND)
    await expect(page.get_by_role("button", name="Restart Blender")).to_be_hidden()
    assert await asyncio.to_thread(has_object, person, SCENE)


HANG = "import ctypes; ctypes.PyDLL(None).sleep(3600)"  # keeps even the thread of the socket from working


async def test_a_blender_that_hangs_is_busy_for_so_long_and_can_be_restarted(person: Person, page: Page):
    hanging = asyncio.create_task(asyncio.to_thread(run_code, person, HANG))
    await log_in(page, person)
    await expect(page.locator("#status-detail")).to_contain_text(
        "Blender is in one long operation, for", timeout=60 * SECOND
    )
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Restart Blender").click()
    await expect(page.locator("#status-title")).to_have_text("Blender is ready", timeout=90 * SECOND)
    assert await asyncio.to_thread(has_object, person, SCENE)
    (outcome,) = await asyncio.gather(hanging, return_exceptions=True)
    assert isinstance(outcome, Exception), "the call that hung was told"

    # The page stays open, and says how all of it ends.
    await asyncio.to_thread(person.container().kill)
    await expect(page.locator("#status-title")).to_have_text("Blender is not running", timeout=30 * SECOND)
    await expect(page.locator("#status-detail")).to_contain_text("Your Blender's container was killed from outside.")


@pytest.fixture(scope="module")
def image_with_a_broken_extension() -> Iterator[str]:
    """Our image with an extension that cannot be loaded."""
    engine = docker.from_env()
    dockerfile = (
        f"FROM {IMAGE}\nUSER root\n"
        "RUN echo 'raise RuntimeError(\"no such luck\")' >>/usr/share/blender/extensions/system/p2m_blender/panels.py"
        " && printf '#!/bin/sh\\n' >/usr/local/lib/p2m/back-off\n"  # nobody sits it out
        "USER blender\n"
    )
    tag = "p2m/test-broken-extension:latest"
    made, _ = engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)
    yield tag
    engine.images.remove(made.id, force=True)


def test_an_extension_that_cannot_be_loaded_fails_the_start_with_its_error(
    tmp_path: Path, image_with_a_broken_extension: str
):
    hub = Hub(tmp_path / "state", P2M_IMAGE=image_with_a_broken_extension, P2M_MCP_TIMEOUT="180").start()
    try:
        person = hub.person().sign_up().log_in()
        told = person.start_and_follow()
        print(*told, sep="\n")
        assert "The extension cannot be enabled: RuntimeError: no such luck" in told[-1]
        assert any("being started again (restart" in message for message in told)
        assert hub.containers() == []
        assert person.ending()["reason"] == "start_failed"
    finally:
        hub.down()


def test_without_a_window_the_extensions_error_is_the_reason_as_well(image_with_a_broken_extension: str):
    container = docker.from_env().containers.run(
        image_with_a_broken_extension, detach=True, environment={"P2M_BLENDER_MODE": "headless"}
    )
    try:

        def exits() -> str:
            return container.exec_run(["cat", "/run/p2m/blender-exits.json"]).output.decode()

        reason = "exit code 1: The extension cannot be enabled: RuntimeError: no such luck"
        wait_for(lambda: reason in exits(), 90, "the reason", interval=0.5)
    finally:
        container.remove(force=True)
