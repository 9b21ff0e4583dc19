"""The *Connect* page: what somebody reads there is how it is, and what they copy there works."""

import asyncio
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests
from playwright.async_api import Browser, Page, expect

from tests.support.browser import OUTPUT, tab_of
from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client
from tests.support.waiting import wait_for_async

from .conftest import Api

SECOND = 1000
PHONE = {"width": 375, "height": 812}
DESK = {"width": 1280, "height": 1000}


class Scripts:
    """What the script of the Connect page sends, by a session that has opened it.

    Args:
        person: Logged in at the hub.
    """

    def __init__(self, person: Person) -> None:
        self.url = f"{person.hub.url}/services/p2m/"
        self.session = person.session
        page = self.session.get(self.url, timeout=30)
        assert page.status_code == 200, page.text
        self.xsrf = re.search(r'data-xsrf="([^"]+)"', page.text)[1]  # type: ignore[index]

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(f"{self.url}pages/{path}", headers={"X-XSRFToken": self.xsrf}, timeout=60, **options)

    def post(self, path: str, body: Any = None) -> requests.Response:
        headers = {"X-XSRFToken": self.xsrf}
        return self.session.post(f"{self.url}pages/{path}", json=body or {}, headers=headers, timeout=60)

    def make(self, mode: str, **more: Any) -> str:
        made = self.post("tokens", {"mode": mode, **more})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def listed(self) -> dict[str, Any]:
        return dict(self.get("tokens").json())


# Without containers


@pytest.fixture(scope="module")
def ada(light: Hub) -> Person:
    return light.person("ada").sign_up().log_in()


@pytest.fixture(scope="module")
def scripts(ada: Person) -> Scripts:
    return Scripts(ada)


def test_the_page_is_for_who_is_signed_in_and_sends_others_to_the_hub(light: Hub, scripts: Scripts) -> None:
    stranger = requests.get(scripts.url, timeout=10, allow_redirects=False)
    assert stranger.status_code == 303
    assert stranger.headers["Location"].startswith("/hub/api/oauth2/authorize?")


def test_the_page_runs_no_script_but_its_own_files(scripts: Scripts) -> None:
    page = scripts.session.get(scripts.url, timeout=10)
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert all(re.search(r'\bsrc="/hub/', tag) for tag in re.findall(r"<script[^>]*>", page.text))
    assert not re.search(r'\son\w+="|style="', page.text)


@pytest.mark.parametrize("path", ["", "admin"])
def test_a_page_is_not_given_to_scripts_of_other_pages(scripts: Scripts, path: str) -> None:
    for mode in ("cors", "no-cors", "same-origin"):
        answer = scripts.session.get(scripts.url + path, headers={"Sec-Fetch-Mode": mode}, timeout=10)
        assert answer.status_code == 403
        assert scripts.xsrf not in answer.text


@pytest.mark.parametrize("path", ["state", "tokens", "sessions", "sessions/ada/log"])
def test_what_scripts_read_needs_the_pages_own_token(scripts: Scripts, path: str) -> None:
    for headers in ({}, {"X-XSRFToken": "x" * 22}):
        answer = scripts.session.get(f"{scripts.url}pages/{path}", headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (403, "xsrf")


CHANGES = ["start", "test", "tokens", "tokens/revoke", "sessions/ada/stop", "sessions/ada/restart-blender"]


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_needs_the_pages_own_token_and_is_never_a_get(scripts: Scripts, path: str) -> None:
    answer = scripts.session.post(f"{scripts.url}pages/{path}", json={}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (403, "xsrf")
    if path != "tokens":
        assert scripts.get(path).status_code == 405


@pytest.mark.parametrize("mode", ["full", "no-code", "read-only"])
def test_a_token_is_made_listed_and_revoked(light: Hub, scripts: Scripts, mode: str) -> None:
    token = scripts.make(mode, name=f"Cursor & {mode}", days=7)
    listed = next(entry for entry in scripts.listed()["tokens"] if entry["name"] == f"Cursor & {mode}")
    assert listed["mode"] == mode
    left = datetime.fromisoformat(listed["expires"]) - datetime.now(UTC)
    assert timedelta(days=6) < left <= timedelta(days=7)
    api = Api(light, token)
    assert api.get("user/session").status_code == 200
    assert scripts.post("tokens/revoke", {"kind": "token", "id": listed["id"]}).status_code == 204
    assert api.get("user/session").status_code == 401
    assert listed["id"] not in {entry["id"] for entry in scripts.listed()["tokens"]}
    assert scripts.post("tokens/revoke", {"kind": "token", "id": listed["id"]}).status_code == 404


@pytest.mark.parametrize("mode", ["no-code", "read-only"])
def test_a_token_that_may_do_less_does_nothing_else_at_the_hub(
    light: Hub, ada: Person, scripts: Scripts, mode: str
) -> None:
    headers = {"Authorization": f"Bearer {scripts.make(mode)}"}
    for method, path in (("POST", "server"), ("DELETE", "server"), ("GET", "tokens"), ("POST", "tokens")):
        answer = requests.request(
            method, f"{light.url}/hub/api/users/{ada.name}/{path}", headers=headers, json={}, timeout=10
        )
        assert answer.status_code in (403, 404), (method, path, answer.text)


def test_clients_that_have_signed_in_are_listed_and_revoked(light: Hub, ada: Person, scripts: Scripts) -> None:
    api = Api(light)
    api.log_in(ada)
    assert api.get("user/session").status_code == 200
    client = scripts.listed()["clients"][0]
    assert (client["name"], client["mode"]) == ("REST API", "full")
    assert scripts.post("tokens/revoke", {"kind": "client", "id": client["id"]}).status_code == 204
    assert api.get("user/session").status_code == 401


def test_nobody_ends_what_belongs_to_others(light: Hub, scripts: Scripts) -> None:
    bob = light.person("bob").sign_up().log_in()
    theirs = Scripts(bob)
    token = theirs.make("read-only", name="Bob's")
    api = Api(light)
    api.log_in(bob)
    listed = theirs.listed()
    for kind in ("token", "client"):
        entry = listed[f"{kind}s"][0]
        assert scripts.post("tokens/revoke", {"kind": kind, "id": entry["id"]}).status_code == 404
    assert Api(light, token).get("user/session").status_code == 200
    assert api.get("user/session").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "root"},
        {"days": 0},
        {"days": 100_000},
        {"days": "x"},
        {"name": "x" * 61},
        {"name": "a\nb"},
        {"scopes": ["admin:users"]},
        [],
        "x",
    ],
)
def test_odd_wishes_are_refused(scripts: Scripts, body: Any) -> None:
    answer = scripts.session.post(
        f"{scripts.url}pages/tokens", data=json.dumps(body), headers={"X-XSRFToken": scripts.xsrf}, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")


def test_a_hostile_name_of_a_token_stays_text(scripts: Scripts) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    scripts.make("read-only", name=hostile)
    assert hostile in [entry["name"] for entry in scripts.listed()["tokens"]]
    assert hostile not in scripts.session.get(scripts.url, timeout=10).text


def test_why_there_is_no_connection_is_said(scripts: Scripts) -> None:
    answer = scripts.post("test")
    assert (answer.status_code, answer.json()["error"]) == (504, "not_connected")
    assert answer.json()["message"] == "There are no containers today."


# With a Blender and a browser


@pytest.fixture(scope="module")
def grace(hub: Hub) -> Iterator[Person]:
    """Somebody whose Blender sleeps at first."""
    person = hub.person("grace").sign_up().log_in()
    yield person
    person.stop_server()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, grace: Person) -> AsyncIterator[Page]:
    """The Connect page of somebody, reached from their home page."""
    async with tab_of(browser, grace) as tab:
        await tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        problems: list[str] = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
        await tab.goto(f"{grace.hub.url}/hub/home")
        await tab.get_by_test_id("connect-agent").click()
        await tab.wait_for_url("**/services/p2m/")
        yield tab
        assert not problems


async def copied(page: Page, kind: str) -> str:
    """What the copy button of a configuration puts on the clipboard."""
    pane = page.locator(f".tab-pane:has(#config-{kind})")
    await page.locator(f"#tab-{(await pane.get_attribute('id') or '').removeprefix('pane-')}").click()
    button = page.locator(f"[data-copy='#config-{kind}']")
    await button.click()
    await expect(button).to_have_text("Copied")
    return str(await page.evaluate("navigator.clipboard.readText()"))


async def make_token(page: Page, mode: str, name: str) -> str:
    await page.get_by_label("For", exact=True).fill(name)
    await page.locator("#agent-token-mode").select_option(mode)
    await page.get_by_test_id("create-token").click()
    await expect(page.get_by_test_id("tokens")).to_contain_text(name)
    return (await page.get_by_test_id("agent-token").inner_text()).strip()


async def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def take(page: Page, path: Path) -> None:
    """Take a picture of the whole page, once on a desk and once on a phone; nothing sticks out on either."""
    OUTPUT.mkdir(exist_ok=True)
    for size, suffix in ((PHONE, "-phone"), (DESK, "")):
        await page.set_viewport_size(size)
        assert await fits(page), size
        await page.screenshot(path=path.with_name(f"{path.stem}{suffix}.png"), full_page=True)


async def test_a_test_wakes_blender_and_counts_its_tools(page: Page) -> None:
    await expect(page.get_by_test_id("server-status")).to_contain_text("Blender is not running")
    await take(page, OUTPUT / "connect-asleep.png")
    await page.get_by_test_id("test-connection").click()
    result = page.get_by_test_id("test-result")
    await expect(result).to_contain_text("Waking Blender")
    await expect(result).to_have_attribute("data-state", re.compile("ok|bad"), timeout=60 * SECOND)
    if await result.get_attribute("data-state") == "bad":  # a busy machine may need more than 30 s
        await expect(page.get_by_test_id("server-status")).to_have_attribute("data-state", "ready", timeout=90 * SECOND)
        await page.get_by_test_id("test-connection").click()
    await expect(result).to_have_text(re.compile(r"Connected: \d\d tools, round trip [\d.]+ ms\."), timeout=60 * SECOND)
    tools, milliseconds = re.findall(r"\d+(?:\.\d+)?", await result.inner_text())
    assert int(tools) >= 30
    assert 0 < float(milliseconds) < 30_000
    await expect(page.get_by_test_id("server-status")).to_contain_text("Blender is ready", timeout=30 * SECOND)
    await expect(page.locator("#status-facts")).to_contain_text(f"Tools for agents{tools}")


async def test_what_is_copied_works(page: Page, grace: Person) -> None:
    base, direct = f"{grace.hub.url}/services/p2m/mcp", grace.mcp_url
    await expect(page.get_by_test_id("server-status")).to_contain_text("Blender is ready", timeout=30 * SECOND)
    assert await page.get_by_test_id("gateway-url").inner_text() == base
    assert await copied(page, "claude-desktop") == base
    assert await copied(page, "claude-code") == f'claude mcp add --transport http blender "{base}"'
    assert json.loads(await copied(page, "vscode")) == {"servers": {"blender": {"type": "http", "url": base}}}
    assert json.loads(await copied(page, "cursor")) == {"mcpServers": {"blender": {"url": base}}}

    token = await make_token(page, "full", "My script")
    assert token not in page.url
    assert await page.get_by_test_id("agent-url").inner_text() == direct
    words = shlex.split(await copied(page, "claude-code-token"))
    header = f"Authorization: Bearer {token}"
    assert words == ["claude", "mcp", "add", "--transport", "http", "blender", direct, "--header", header]
    for kind, key in (("vscode-token", "servers"), ("cursor-token", "mcpServers")):
        server = json.loads(await copied(page, kind))[key]["blender"]
        assert await tools_of(server) >= 30
    stdio = json.loads(await copied(page, "stdio"))["mcpServers"]["blender"]
    assert (stdio["command"], stdio["args"]) == ("uvx", ["blender-mcp"])
    assert await asyncio.to_thread(ping, stdio["env"]) == "success"

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        await copied(page, "python"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    assert "get_scene_info - " in out.decode(), error.decode()


async def tools_of(server: dict[str, Any]) -> int:
    """How many tools an entry of a client's configuration leads to."""
    bearer = server["headers"]["Authorization"].removeprefix("Bearer ")
    async with mcp_client(server["url"], bearer) as client:
        return len((await client.list_tools()).tools)


def ping(environment: dict[str, str]) -> str:
    """Ask Blender's raw socket, as upstream's client does."""
    with socket.create_connection((environment["BLENDER_HOST"], int(environment["BLENDER_PORT"])), 10) as raw:
        raw.sendall(json.dumps({"type": "ping", "params": {}}).encode())
        return str(json.loads(raw.recv(65536))["status"])


async def test_a_token_that_may_do_less_is_for_the_address_for_everybody_alone(page: Page, grace: Person) -> None:
    token = await make_token(page, "read-only", "Looks only")
    base = f"{grace.hub.url}/services/p2m/mcp"
    assert await page.get_by_test_id("agent-url").inner_text() == base
    server = json.loads(await copied(page, "vscode-token"))["servers"]["blender"]
    assert server == {"type": "http", "url": base, "headers": {"Authorization": f"Bearer {token}"}}
    await page.locator("#tab-claude-code").click()
    await expect(page.locator("#claude-code-limited")).to_be_visible()
    await expect(page.locator("#config-claude-code-token")).to_be_hidden()
    answer = requests.post(grace.mcp_url, headers={"Authorization": f"Bearer {token}"}, json={}, timeout=10)
    assert answer.status_code in (401, 403)


async def test_a_revoked_token_stops_working(page: Page, grace: Person) -> None:
    token = await make_token(page, "full", "Short-lived")
    assert await asyncio.to_thread(lambda: Api(grace.hub, token).get("user/session").status_code) == 200
    await page.get_by_role("button", name="Revoke Short-lived").click()
    await expect(page.get_by_test_id("tokens")).not_to_contain_text("Short-lived")
    assert await asyncio.to_thread(lambda: Api(grace.hub, token).get("user/session").status_code) == 401

    def refused() -> bool:
        answer = requests.post(grace.mcp_url, headers={"Authorization": f"Bearer {token}"}, json={}, timeout=10)
        return answer.status_code in (401, 403)

    await wait_for_async(lambda: asyncio.to_thread(refused), 60, "the direct address to refuse it", interval=1)


async def test_the_page_is_live_and_readable_in_the_dark(page: Page, grace: Person, pictures: Path) -> None:
    status = page.get_by_test_id("server-status")
    await expect(status).to_contain_text("Blender is ready", timeout=30 * SECOND)
    await page.locator("#tab-vscode").click()
    await page.get_by_test_id("test-connection").click()
    await expect(status).to_contain_text("Connected: ", timeout=30 * SECOND)
    await page.screenshot(path=pictures / "connect.png")
    await take(page, OUTPUT / "connect-ready.png")
    await page.emulate_media(color_scheme="dark")
    await page.reload()
    await expect(status).to_contain_text("Blender is ready", timeout=30 * SECOND)
    await take(page, OUTPUT / "connect-dark.png")
    await asyncio.to_thread(grace.stop_server)
    await expect(status).to_contain_text("Blender is not running", timeout=30 * SECOND)
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(status).to_contain_text("Starting", timeout=10 * SECOND)
    await expect(status).to_contain_text("Blender is ready", timeout=90 * SECOND)
