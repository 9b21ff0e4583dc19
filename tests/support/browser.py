"""Debian's Chromium, and a tab of somebody who is logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from .hub import Person

CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}


@asynccontextmanager
async def tab_of(person: Person) -> AsyncIterator[Page]:
    """A tab in which a person is logged in, closed when the block ends."""
    cookies = [
        {"name": cookie.name, "value": cookie.value or "", "domain": "127.0.0.1", "path": cookie.path}
        for cookie in person.session.cookies
    ]
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        context = await chromium.new_context(viewport={"width": 1280, "height": 1000})
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        yield await context.new_page()
        await chromium.close()
