"""One hub for the end-to-end tests, with the real engine, image and browser."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support.browser import CHROMIUM
from tests.support.hub import Hub, Person

OUTPUT = Path(__file__).resolve().parents[1] / "output"


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with open sign-up and published raw sockets."""
    running = Hub(tmp_path_factory.mktemp("e2e") / "state", P2M_PUBLISH_MCP="1", P2M_MCP_TIMEOUT="90").start()
    yield running
    running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(request: pytest.FixtureRequest, failed) -> Iterator[None]:
    """Print the log of the hub and of its containers when a test fails."""
    yield
    if failed() and "hub" in request.fixturenames:
        request.getfixturevalue("hub").print_logs()


@pytest.fixture
def person(hub: Hub) -> Iterator[Person]:
    """Somebody signed up and logged in, without a server; stopped afterwards."""
    someone = hub.person().sign_up().log_in()
    yield someone
    someone.stop_server()


@pytest.fixture
def running_person(person: Person) -> Person:
    """Somebody whose server is ready."""
    return person.start_server()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        yield chromium
        await chromium.close()


@pytest.fixture
async def context(browser: Browser) -> BrowserContext:
    """A fresh profile: no cookies."""
    return await browser.new_context(viewport={"width": 1280, "height": 800})


@pytest.fixture
async def page(context: BrowserContext, request: pytest.FixtureRequest, failed) -> AsyncIterator[Page]:
    """A tab of it; when the test fails, pictures of all tabs are kept in tests/output."""
    yield await context.new_page()
    if failed():
        for number, tab in enumerate(context.pages):
            await tab.screenshot(path=OUTPUT / f"{request.node.name}-{number}.png")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of pages go: tests/output, or with `make pictures` docs/img, where the README takes them from."""
    folder = Path(__file__).resolve().parents[2] / "docs/img" if os.environ.get("P2M_TEST_PICTURES") else OUTPUT
    folder.mkdir(parents=True, exist_ok=True)
    return folder
