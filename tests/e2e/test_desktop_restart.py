"""The desktop page's button restarts Blender."""

import asyncio

from playwright.async_api import Page, expect

from tests.support.browsing import log_in
from tests.support.hub import Person
from tests.support.waiting import wait_for


async def test_the_button_restarts_blender_and_its_picture_comes_back(someone: Person, page: Page):
    await log_in(page, someone)
    await page.goto(someone.server_url("blender/"))
    await expect(page.locator("#overlay.done")).to_be_attached(timeout=30_000)
    before = someone.status()["blender"]["pid"]
    asked: list[str] = []

    async def accept(dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    page.on("dialog", accept)
    await page.click("#handle")
    await page.click("#restart")
    await expect(page.locator("#message")).to_have_text("Blender is restarting…")
    assert asked

    def another_answers() -> bool:
        now = someone.status()["blender"]
        return now["state"] == "ready" and now["pid"] not in (0, before)

    await asyncio.to_thread(wait_for, another_answers, 60, "the next Blender")
    await expect(page.locator("#overlay.done")).to_be_attached(timeout=30_000)
