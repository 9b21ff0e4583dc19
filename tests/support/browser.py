"""Debian's Chromium, driven by Playwright: fixtures for all tests, and a tab of somebody logged in."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from .hub import Person

OUTPUT = Path(__file__).resolve().parents[1] / "output"

CHROMIUM = {
    "executable_path": Path(__file__).with_name("chromium_launcher.py"),
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}

expect.set_options(timeout=15_000)  # milliseconds: a deadline for pages on a machine that does other things too


@asynccontextmanager
async def tab_of(browser: Browser, person: Person) -> AsyncIterator[Page]:
    """A tab of a fresh profile in which a person is logged in, closed when the block ends."""
    cookies = [
        {"name": cookie.name, "value": cookie.value or "", "domain": "127.0.0.1", "path": cookie.path}
        for cookie in person.session.cookies
    ]
    async with await browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        yield await context.new_page()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, one for all tests of a process; they run in its event loop."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile: no cookies."""
    async with await browser.new_context(viewport={"width": 1280, "height": 800}) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="session")
async def page(
    context: BrowserContext, request: pytest.FixtureRequest, failed: Callable[[], bool]
) -> AsyncIterator[Page]:
    """A tab of it; when the test fails, pictures of all tabs are kept in tests/output."""
    yield await context.new_page()
    if failed():
        OUTPUT.mkdir(exist_ok=True)
        for number, tab in enumerate(context.pages):
            await tab.screenshot(path=OUTPUT / f"{request.node.name}-{number}.png")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of pages go: tests/output, or with `make pictures` docs/img, where the docs take them from."""
    folder = Path(__file__).resolve().parents[2] / "docs/img" if os.environ.get("P2M_TEST_PICTURES") else OUTPUT
    folder.mkdir(parents=True, exist_ok=True)
    return folder
