"""The 3D view in JupyterLab, in Chromium: it shows the object, turns with the mouse, and asks nobody outside."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.async_api import FrameLocator, Page, async_playwright

from tests.support.browser import CHROMIUM, OUTPUT
from tests.support.pictures import changed_share, colours, open_png
from tests.support.standalone import Standalone
from tests.support.waiting import wait_for

WITH_WEBGL = {
    "executable_path": CHROMIUM["executable_path"],
    "args": [
        *(argument for argument in CHROMIUM["args"] if argument != "--disable-gpu"),
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    ],
}
"""Chromium that draws WebGL without a graphics card."""

DRAWN_MS = 60_000
"""Milliseconds in which a page is drawn on a busy machine."""

CELLS = [
    "from p2m_singleuser.notebook import connect\nblender = await connect()",
    "await blender.create_object('monkey', 'Suzanne', dimensions=[2, 2, 2])\n"
    "await blender.set_material(['Suzanne'], base_color='#c03010')\n"
    "await blender.view(objects=['Suzanne'])",
]


@pytest.fixture
async def page(failed: Callable[[], bool]) -> AsyncIterator[Page]:
    """A tab of a Chromium that can draw in 3D."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**WITH_WEBGL)  # type: ignore[arg-type]
        tab = await chromium.new_page(viewport={"width": 1200, "height": 900})
        yield tab
        if failed():
            OUTPUT.mkdir(exist_ok=True)
            await tab.screenshot(path=OUTPUT / "view-in-browser.png")
        await chromium.close()


async def test_a_view_shows_the_model_and_turns(page: Page, server: Standalone, pictures: Path) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(f"{urlsplit(request.url).scheme}://{urlsplit(request.url).netloc}"))
    put(server, "view.ipynb", notebook(CELLS))
    await log_in(page, server)
    await page.goto(f"{server.url}lab/tree/view.ipynb")
    await page.locator(".jp-Notebook").wait_for(timeout=DRAWN_MS)
    # JupyterLab runs nothing before.
    await page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=DRAWN_MS)
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    await drawn(page)

    view = page.locator("iframe[title='3D view of Suzanne']")
    before = open_png(await view.screenshot())
    assert colours(before) > 200
    counted = before.getcolors(maxcolors=before.width * before.height) or []
    red = sum(count for count, pixel in counted if pixel[0] > 1.5 * max(pixel[1:]))  # type: ignore[index,operator,arg-type]
    assert red > before.width * before.height / 50, "the model in its colour"
    await page.screenshot(path=pictures / "notebook-view.png")
    box = await view.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(*middle)
    await page.mouse.down()
    await page.mouse.move(middle[0] + 200, middle[1], steps=10)
    await page.mouse.up()
    async with asyncio.timeout(20):
        while changed_share(before, open_png(await view.screenshot())) < 0.1:
            await page.wait_for_timeout(100)
    assert {origin for origin in asked if origin.startswith("http")} == {server.url.rstrip("/")}

    await page.get_by_role("menuitem", name="File", exact=True).click()
    await page.get_by_role("menuitem", name="Save Notebook", exact=False).first.click()
    saved = await asyncio.to_thread(saved_with_output, server, "view.ipynb")
    saved["cells"][0]["source"] += "\n# changed by somebody else"
    for cell in saved["cells"]:
        cell["metadata"].pop("trusted", None)
    text = json.dumps(saved)  # as a file: the server vouches for notebooks that it saves as such
    contents(server, "PUT", "strange.ipynb", json={"type": "file", "format": "text", "content": text})
    await page.goto(f"{server.url}lab/tree/view.ipynb?reset")
    await drawn(page)  # opened again: trusted, for it was run here
    await page.goto(f"{server.url}lab/tree/strange.ipynb?reset")
    await page.get_by_text("Trust this notebook to see the 3D view.").wait_for(timeout=DRAWN_MS)
    assert await page.locator("iframe[title^='3D view']").count() == 0


async def drawn(page: Page) -> None:
    """Wait until the view has drawn its model."""
    inside: FrameLocator = page.frame_locator("iframe[title='3D view of Suzanne']")
    await inside.locator("model-viewer").wait_for(timeout=DRAWN_MS)
    loaded = "viewer => viewer.loaded || new Promise(done => viewer.addEventListener('load', done)).then(() => true)"
    assert await inside.locator("model-viewer").evaluate(loaded)
    two_frames = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    await inside.locator("model-viewer").evaluate(two_frames)


async def log_in(page: Page, server: Standalone) -> None:
    """Log in with the server's token, as its page asks for it."""
    await page.goto(f"{server.url}login")
    await page.locator("#password_input").fill(server.token)
    await page.locator("#login_submit").click()
    await page.wait_for_url(lambda url: "login" not in url)


def notebook(cells: list[str]) -> dict[str, Any]:
    """A notebook that has these cells and was never run."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"cell-{number}", "source": text}
            | {"metadata": {}, "outputs": [], "execution_count": None}
            for number, text in enumerate(cells)
        ],
    }


def put(server: Standalone, name: str, content: dict[str, Any]) -> None:
    """Save a notebook in the home."""
    contents(server, "PUT", name, json={"type": "notebook", "format": "json", "content": content})


def saved_with_output(server: Standalone, name: str) -> dict[str, Any]:
    """What a notebook's file holds, once the view is in it."""

    def look() -> dict[str, Any]:
        content: dict[str, Any] = contents(server, "GET", name).json()["content"]
        return content if "<iframe" in json.dumps(content) else {}

    return wait_for(look, 30, "a saved notebook with the view")


def contents(server: Standalone, method: str, name: str, **options: Any) -> requests.Response:
    """Ask the server's contents API."""
    headers = {"Authorization": f"token {server.token}"}
    answer = requests.request(method, f"{server.url}api/contents/{name}", headers=headers, timeout=30, **options)
    answer.raise_for_status()
    return answer
