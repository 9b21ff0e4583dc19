"""From the URL to a tool call with nothing configured by hand: the SDK's own OAuth client, and a person in Chromium."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx2
import requests
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from playwright.async_api import Page, expect
from pydantic import AnyUrl

from tests.conformance.suites import PREVIEW
from tests.support.hub import ROOT, Hub, Person
from tests.support.mcp_client import text_of
from tests.support.oauth_client import OAuthClient
from tests.support.ports import free_port

WAITING = 90.0
"""Seconds for a start or for Chromium on a busy machine."""


class Storage:
    """Keeps tokens, as an SDK client wants it."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Program:
    """A program on the person's computer: it listens on whatever port is free, and knows one URL.

    Args:
        url: The MCP URL of the hub.
        browse: What the person does in the browser that the program opens.
    """

    def __init__(self, url: str, browse: Callable[[str], Awaitable[None]]) -> None:
        self.url = url
        self.storage = Storage()
        self.asked = 0
        self._browse = browse
        self._answer: asyncio.Future[dict[str, str]] | None = None
        loop = asyncio.get_running_loop()

        class Callback(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
                handler.send_response(200)
                handler.end_headers()
                handler.wfile.write(b"You can close this page.")
                loop.call_soon_threadsafe(self._came_back, query)

            def log_message(self, format: str, *args: object) -> None:
                print("program:", format % args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Connect to the URL."""
        metadata = OAuthClientMetadata(
            client_name="Scene Agent",
            redirect_uris=[AnyUrl(f"http://127.0.0.1:{self._server.server_port}/callback")],
            token_endpoint_auth_method="none",
        )
        provider = OAuthClientProvider(self.url, metadata, self.storage, self._open_browser, self._callback)
        timeout = httpx2.Timeout(WAITING, read=WAITING)
        async with (
            httpx2.AsyncClient(auth=provider, timeout=timeout) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            yield client

    async def _open_browser(self, url: str) -> None:
        self.asked += 1
        self._answer = asyncio.get_running_loop().create_future()
        await self._browse(url)

    def _came_back(self, query: dict[str, str]) -> None:
        if self._answer is not None and not self._answer.done() and {"code", "error"} & set(query):
            self._answer.set_result(query)

    async def _callback(self) -> AuthorizationCodeResult:
        assert self._answer is not None
        answer = await asyncio.wait_for(self._answer, WAITING)
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])


async def log_in(page: Page, person: Person) -> None:
    """Fill in the hub's login page."""
    await page.fill("#username_input", person.name)
    await page.fill("#password_input", person.password)
    await page.click("#login_submit")


async def agree(page: Page, url: str, person: Person, mode: str) -> None:
    """Log in at the hub if it asks, and let a program in."""
    await page.goto(url)
    if await page.locator("#username_input").count():
        await log_in(page, person)
    await expect(page.get_by_test_id("consent")).to_be_visible(timeout=WAITING * 1000)
    await page.check(f'input[name="mode"][value="{mode}"]')
    await page.get_by_role("button", name="Let it in").click()
    await expect(page.get_by_text("You can close this page.")).to_be_visible(timeout=WAITING * 1000)


async def test_a_person_pastes_the_url_and_their_sleeping_blender_answers(hub: Hub, page: Page) -> None:
    person = hub.person("ada").sign_up()
    url = f"{hub.url}/services/p2m/mcp"
    program = Program(url, lambda opened: agree(page, opened, person, "full"))
    try:
        async with program.client() as client:
            add = {"code": "import bpy; bpy.ops.mesh.primitive_cube_add(); bpy.context.object.name = 'Marker'"}
            text_of(await client.call_tool("execute_blender_code", add))
            scene = await client.call_tool("get_scene_info", {})
            assert scene.structured_content is not None
            assert "Marker" in {item["name"] for item in scene.structured_content["objects"]}
        async with program.client() as client:  # tokens are there: nobody is asked again
            assert (await client.list_tools()).tools
        assert program.asked == 1
    finally:
        program.close()

    looking = Program(url, lambda opened: agree(page, opened, person, "read-only"))
    try:
        async with looking.client() as client:
            seen = await client.call_tool("get_scene_info", {})
            assert "Marker" in str(seen.structured_content)
            refused = await client.call_tool("execute_blender_code", {"code": "print(1)"})
            assert refused.is_error
    finally:
        looking.close()


async def test_the_consent_page_names_the_program_and_fits_a_phone(light: Hub, page: Page, pictures: Path) -> None:
    person = light.person("ada").sign_up()
    app = OAuthClient(light, "http://127.0.0.1:33418/callback", client_name="Claude Code")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(app.url())
    await log_in(page, person)
    consent = page.get_by_test_id("consent")
    await expect(consent).to_contain_text("Claude Code", timeout=WAITING * 1000)
    await expect(page.get_by_test_id("publisher")).to_have_attribute("data-verified", "false")
    await expect(page.get_by_test_id("goes-to")).to_have_text("127.0.0.1:33418")
    await expect(page.get_by_role("radio")).to_have_count(3)
    await page.screenshot(path=pictures / "consent.png", full_page=True)
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    await page.screenshot(path=pictures / "consent-phone.png", full_page=True)
    assert problems == []


async def test_chromium_follows_the_answer_to_where_the_page_says(light: Hub, page: Page) -> None:
    """Content-Security-Policy's form-action holds for redirects too, and would stop them."""
    person = light.person("ada").sign_up()
    target = f"http://127.0.0.1:{free_port()}/callback"
    app = OAuthClient(light, target)
    await page.goto(app.url())
    await log_in(page, person)
    button = page.get_by_role("button", name="Let it in")
    await expect(button).to_be_visible(timeout=WAITING * 1000)
    async with page.expect_request(lambda sent: sent.url.startswith(f"{target}?code="), timeout=WAITING * 1000):
        await button.click(no_wait_after=True)


async def test_the_conformance_suites_authorization_scenarios_pass(light: Hub, tmp_path: Path) -> None:
    """Both of those for authorization servers; the suite opens no browser, so the person here follows its URL."""
    person = light.person("ada").sign_up()
    app = OAuthClient(light, "http://127.0.0.1/callback")
    port = free_port()
    suite = await asyncio.create_subprocess_exec(
        ROOT / ".venv/bin/node", ROOT / "node_modules" / PREVIEW / "dist/index.js", "authorization",
        "--url", f"{light.url}/services/p2m", "--client-id", app.id, "--port", str(port),
        "--resource", f"{light.url}/services/p2m/mcp", "--output-dir", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert suite.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(WAITING):
            async for line in suite.stdout:
                said += line.decode()
                if url := re.search(r"http\S+/oauth/authorize\?\S+", line.decode()):
                    page = await asyncio.to_thread(person.session.get, url[0], timeout=30)
                    pressed = await asyncio.to_thread(app.press, person, page)
                    await asyncio.to_thread(requests.get, pressed.headers["Location"], timeout=30)
            code = await suite.wait()
    finally:
        if suite.returncode is None:
            suite.kill()
            await suite.wait()
        print(said, file=sys.stderr)
    assert code == 0, said
    assert "authorization-code-grant" in said
