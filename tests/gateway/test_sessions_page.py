"""The administrators' page: everybody's servers live, what can be done to them, and a thousand of them."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests
import uvicorn
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.servers import LARGEST_DOCUMENT, Servers
from p2m_spawner.gateway.sessions_page import MOST_JOBS, ROWS, Processors, Rows, Sessions
from p2m_spawner.hub_client import HubClient
from tests.support.browser import OUTPUT, tab_of
from tests.support.clock import Clock
from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client
from tests.support.waiting import wait_for

from .test_connect_page import DESK, PHONE, SECOND, Scripts, fits

# A thousand servers

FAST = 2.0
"""Seconds for a page; on a quiet machine it takes a tenth of that."""


class Crowd:
    """A hub with many users, and their servers, as far as the page asks them; real requests on the loopback.

    Args:
        size: How many users; all run but every tenth.
    """

    def __init__(self, size: int) -> None:
        self.names = [f"user{number:04}" for number in range(size)]
        self.silent: set[str] = set()
        self.over = asyncio.Event()
        self.said = json.dumps(STATUS)
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.app = Starlette(
            routes=[
                Route("/hub/api/users", self.users),
                Route("/hub/api/p2m/users/{name}/server", self.place),
                Route("/hub/api/p2m/endings/{name}/", self.ending),
                Route("/user/{name}/p2m/status", self.status),
            ]
        )

    async def users(self, request: Request) -> Response:
        query = request.query_params
        assert query["sort"] == "name"
        found = [
            name
            for number, name in enumerate(self.names)
            if query.get("name_filter", "").lower() in name and (number % 10 or query.get("state") != "active")
        ]
        offset, limit = int(query["offset"]), int(query["limit"])
        items = [self.model(name) for name in found[offset : offset + limit]]
        return JSONResponse({"items": items, "_pagination": {"total": len(found)}})

    def model(self, name: str) -> dict[str, Any]:
        server = {
            "name": "",
            "url": f"/user/{name}/",
            "ready": True,
            "pending": None,
            "started": "2026-11-25T03:00:00Z",
            "last_activity": "2026-11-25T03:10:00Z",
        }
        return {"name": name, "admin": False, "servers": {"": server} if int(name[-1]) else {}}

    async def place(self, request: Request) -> Response:
        return JSONResponse({"address": self.url, "ports": {"ui": None, "mcp": None}})

    async def ending(self, request: Request) -> Response:
        return JSONResponse({"reason": "out_of_memory", "exit_code": 137, "out_of_memory": True, "log": "x" * 10_000})

    async def status(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.asked.append(name)
        if name in self.silent:
            await self.over.wait()
        return Response(self.said, media_type="application/json")


STATUS = {
    "ready": True,
    "blender": {"state": "ready", "version": "4.3.2", "pid": 7, "file": None, "restarts": 0, "reason": None},
    "mcp": {"state": "ready", "num_tools": 40},
    "ui": {"state": "ready"},
    "jobs": [],
    "memory": {"used_bytes": 900 * 2**20, "limit_bytes": 4 * 2**30},
    "cpu": {"used_seconds": 12.5, "limit_cores": 2.0},
}


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    crowd = Crowd(1000)
    server = uvicorn.Server(uvicorn.Config(crowd.app, log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[crowd.listener]))
    yield crowd
    crowd.over.set()
    server.should_exit = True
    await task
    crowd.listener.close()


@pytest.fixture
async def sessions(crowd: Crowd) -> AsyncIterator[Sessions]:
    async with HubClient(f"{crowd.url}/hub/api", "token") as hub, Servers(hub, "token") as servers:
        yield Sessions(hub, servers)


async def test_a_page_of_a_thousand_servers_asks_those_on_it_alone(crowd: Crowd, sessions: Sessions) -> None:
    async def timed(what: str, which: Rows) -> dict[str, Any]:
        crowd.asked.clear()
        began = time.perf_counter()
        page = await sessions.page(which)
        took = time.perf_counter() - began
        print(f"{what}: {len(page['rows'])} of {page['total']} servers in {took:.3f} s")
        assert took < FAST, what
        return page

    first = await timed("first page", Rows())
    assert (len(first["rows"]), first["total"], first["limit"]) == (ROWS, 900, ROWS)
    assert sorted(crowd.asked) == [row["name"] for row in first["rows"]]
    assert first["rows"][0]["name"] == "user0001"
    await timed("the same again", Rows())
    last = await timed("last page", Rows(offset=850))
    assert last["rows"][-1]["name"] == "user0999"
    found = await timed("search", Rows(search="user012"))
    assert [row["name"] for row in found["rows"]] == [f"user012{number}" for number in range(1, 10)]
    everybody = await timed("everybody", Rows(everybody=True))
    assert everybody["total"] == 1000


async def test_a_row_says_how_the_server_is(crowd: Crowd, sessions: Sessions) -> None:
    row = (await sessions.page(Rows()))["rows"][0]
    assert row["state"] == "ready"
    assert row["blender"]["state"] == "ready"
    assert row["mcp"]["num_tools"] == 40
    assert row["memory"] == {"used": 900 * 2**20, "limit": 4 * 2**30}
    assert row["cpu"] == {"used": None, "limit": 2.0}, "one reading measures nothing yet"
    assert row["last_activity"] == "2026-11-25T03:10:00+00:00"
    assert row["ending"] is None


async def test_a_stopped_row_says_how_the_server_ended_without_its_log(sessions: Sessions) -> None:
    row = (await sessions.page(Rows(everybody=True)))["rows"][0]
    assert (row["name"], row["state"]) == ("user0000", "stopped")
    assert row["ending"] == {"reason": "out_of_memory", "exit_code": 137, "out_of_memory": True}


async def test_servers_that_do_not_answer_do_not_hold_the_page_up_for_long(crowd: Crowd, sessions: Sessions) -> None:
    crowd.silent = set(crowd.names)
    async with asyncio.timeout(15):
        page = await sessions.page(Rows())
    assert [row["blender"] for row in page["rows"]] == [None] * ROWS


ODD = [
    "[]",
    '"x"',
    "1",
    "{}",
    '{"blender": [], "mcp": "x", "jobs": [1, "x"], "cpu": {"used_seconds": "x"}}',
    '{"blender": {"state": 1, "reason": {}}, "jobs": {}, "memory": {"used_bytes": NaN}, "cpu": {"used_seconds": NaN}}',
    '{"mcp": {"num_tools": Infinity}, "memory": {"used_bytes": 1e999}, "cpu": {"limit_cores": -Infinity}}',
    '{"mcp": {"num_tools": 1' + "0" * 400 + '}, "blender": {"restarts": true}}',
]


@pytest.mark.parametrize("said", ODD)
async def test_what_a_container_says_can_be_anything(crowd: Crowd, sessions: Sessions, said: str) -> None:
    crowd.said = said
    for _ in range(2):
        row = (await sessions.page(Rows()))["rows"][0]
        json.dumps(row, allow_nan=False)
    assert row["jobs"] == []
    assert {value for part in ("memory", "cpu") for value in (row[part] or {}).values()} <= {None}


async def test_what_a_container_says_is_shown_in_bounds(crowd: Crowd, sessions: Sessions) -> None:
    job = {"state": "running", "progress": 0.5, "more": "x" * 1000}
    crowd.said = json.dumps({"blender": {"state": "failed", "reason": "x" * 100_000}, "jobs": [job] * 500})
    row = (await sessions.page(Rows()))["rows"][0]
    assert len(json.dumps(row)) < 10_000
    assert len(row["jobs"]) == MOST_JOBS
    crowd.said = json.dumps({"blender": {"state": "x" * LARGEST_DOCUMENT}})
    assert (await sessions.page(Rows()))["rows"][0]["blender"] is None


def test_processors_in_use_are_measured_between_two_readings() -> None:
    clock = Clock()
    processors = Processors(clock)
    assert processors.used("ada", 10.0) is None
    clock.now += 4
    assert processors.used("ada", 16.0) == 1.5
    clock.now += 0.2
    assert processors.used("ada", 16.1) == 1.5, "too short to measure"
    clock.now += 3.8
    assert processors.used("ada", 16.0) == 0
    assert processors.used("bob", None) is None


# Who may


SCRIPTED = ["sessions", "sessions/admin/log", "audit"]
CHANGES = ["sessions/admin/stop", "sessions/admin/restart-blender"]


@pytest.fixture(scope="module")
def user(light: Hub) -> Scripts:
    return Scripts(light.person("eve").sign_up().log_in())


@pytest.fixture(scope="module")
def admin(light: Hub) -> Scripts:
    return Scripts(light.admin())


def test_the_page_is_for_administrators(user: Scripts, admin: Scripts) -> None:
    refused = user.session.get(f"{user.url}admin", timeout=10)
    assert refused.status_code == 403
    assert "for administrators" in refused.text
    assert admin.session.get(f"{admin.url}admin", timeout=10).status_code == 200


def test_everything_on_it_is_for_administrators(user: Scripts) -> None:
    answers = [user.get(path) for path in SCRIPTED] + [user.post(path) for path in CHANGES]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(403, "forbidden")] * len(answers)


def test_actions_on_nobody_and_on_a_sleeping_server(admin: Scripts) -> None:
    for path in ("stop", "restart-blender"):
        assert admin.post(f"sessions/nobody-at-all/{path}").status_code == 404
    assert admin.get("sessions/nobody-at-all/log").status_code == 404
    assert admin.post("sessions/admin/restart-blender").json()["error"] == "not_running"
    assert admin.post("sessions/admin/stop").status_code == 202
    assert admin.get("sessions/admin/log").json() == {"log": "", "ending": None}


@pytest.mark.parametrize("query", [{"offset": "-1"}, {"offset": "x"}, {"search": "x" * 101}, {"limit": "1"}])
def test_odd_questions_are_refused(admin: Scripts, query: dict[str, str]) -> None:
    assert admin.get("sessions", params=query).status_code == 422


def test_the_log_is_only_for_the_gateway(light: Hub, admin: Scripts) -> None:
    person = light.admin()
    for lines in ("200", "0"):
        answer = person.api("GET", f"p2m/users/{person.name}/server/log", params={"lines": lines})
        assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/hub/admin", "/hub/home"])
def test_the_hubs_pages_link_there_for_administrators(light: Hub, user: Scripts, admin: Scripts, path: str) -> None:
    link = 'href="/services/p2m/admin"'
    assert link in admin.session.get(light.url + path, timeout=10).text
    assert link not in user.session.get(light.url + "/hub/home", timeout=10).text


# With containers and a browser


@pytest.fixture(scope="module")
def two(hub: Hub) -> Iterator[tuple[Person, Person]]:
    """Two people whose Blenders run."""
    people = (hub.person("lise"), hub.person("emmy"))
    for person in people:
        person.sign_up().log_in().request_server()
    for person in people:
        wait_for(person.is_ready, 90, f"server of {person.name}")
    yield people
    for person in people:
        person.stop_server()


@pytest_asyncio.fixture(loop_scope="session")
async def page(hub: Hub, browser: Browser) -> AsyncIterator[Page]:
    """The page, reached by the hub's navigation."""
    async with tab_of(browser, hub.admin()) as tab:
        tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        problems: list[str] = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
        await tab.goto(f"{hub.url}/hub/admin")
        await expect(tab.get_by_text("Add Users", exact=False).first).to_be_visible(timeout=20 * SECOND)
        await tab.get_by_role("link", name="Sessions").click()
        await tab.wait_for_url("**/services/p2m/admin")
        yield tab
        assert not problems


def row_of(page: Page, person: Person) -> Any:
    return page.locator(f"tr[data-user='{person.name}']")


async def test_two_servers_are_seen_live(page: Page, two: tuple[Person, Person], pictures: Path) -> None:
    for person in two:
        row = row_of(page, person)
        await expect(row).to_contain_text(re.compile(r"Blender ready · \d\d tools"), timeout=30 * SECOND)
        await expect(row.locator("[data-part=cpu]")).to_have_text(
            re.compile(r"^\d+(\.\d+)? of 2$"), timeout=15 * SECOND
        )
        await expect(row.locator("[data-part=activity]")).to_have_text(re.compile("just now|min ago"))
    await page.screenshot(path=pictures / "sessions.png")
    for size, suffix in ((PHONE, "-phone"), (DESK, "")):
        await page.set_viewport_size(size)
        assert await fits(page), size
        await page.screenshot(path=OUTPUT / f"sessions{suffix}-full.png", full_page=True)
    await page.get_by_label("Search by name").fill(two[0].name.upper())
    await expect(page.get_by_test_id("rows").locator("tr")).to_have_count(1)
    await expect(row_of(page, two[0])).to_be_visible()
    await page.get_by_label("Search by name").fill("nobody at all")
    await expect(page.get_by_text("Nobody of this name.")).to_be_visible()


async def test_memory_is_seen_and_how_a_killed_server_ended(page: Page, two: tuple[Person, Person]) -> None:
    memory = row_of(page, two[0]).locator("[data-part=memory]")
    await expect(memory).to_have_text(re.compile(r"^[\d.]+ [MG]B of 4 GB$"), timeout=30 * SECOND)
    await asyncio.to_thread(two[1].container().kill)
    await page.get_by_label("Which servers").select_option("true")
    await expect(row_of(page, two[1])).to_contain_text("Ended: killed, exit code 137", timeout=60 * SECOND)
    await page.get_by_role("button", name=f"Logs: {two[1].name}").click()
    ending = page.get_by_test_id("ending")
    await expect(ending).to_contain_text("137", timeout=20 * SECOND)
    await expect(ending.locator("#ending-log")).to_contain_text("jupyter", ignore_case=True)
    await asyncio.to_thread(two[1].start_server)


async def test_the_log_of_a_container_is_shown(page: Page, two: tuple[Person, Person]) -> None:
    await page.get_by_role("button", name=f"Logs: {two[0].name}").click()
    log = page.get_by_test_id("log")
    await expect(log).to_contain_text("jupyter", ignore_case=True, timeout=20 * SECOND)
    await page.screenshot(path=OUTPUT / "sessions-log.png")
    last = (await asyncio.to_thread(two[0].container().logs, tail=200)).decode().splitlines()
    assert (await log.inner_text()).splitlines()[0] in "\n".join(last)
    await page.set_viewport_size(PHONE)
    assert await fits(page)
    await page.screenshot(path=OUTPUT / "sessions-log-phone.png")


async def test_tool_calls_are_found_in_the_audit(page: Page, hub: Hub, two: tuple[Person, Person]) -> None:
    """Also shows that a token that only looks runs no code."""
    person = two[0]
    token = await asyncio.to_thread(lambda: Scripts(person).make("read-only", name="Looks"))
    async with mcp_client(f"{hub.url}/services/p2m/mcp", token) as client:
        assert not (await client.call_tool("get_scene_info", {})).is_error
        refused = await client.call_tool("execute_blender_code", {"code": "print(1)"})
        assert refused.is_error, refused
        assert "read-only" in str(refused.content)

    await page.get_by_label("Calls of a user").fill(person.name)
    await page.get_by_role("button", name="Search").click()
    rows = page.get_by_test_id("audit").locator("tbody tr")
    await expect(rows).to_have_count(2, timeout=10 * SECOND)
    await expect(rows.last).to_contain_text("get_scene_info")
    await expect(rows.last).to_contain_text("read-only")
    await expect(rows.first).to_contain_text("execute_blender_code")
    await page.screenshot(path=OUTPUT / "sessions-audit.png", full_page=True)
    await page.get_by_label("Calls by outcome").select_option("ok")
    await page.get_by_role("button", name="Search").click()
    await expect(rows).to_have_count(1)
    await page.set_viewport_size(PHONE)
    assert await fits(page)


async def test_blender_is_restarted(page: Page, two: tuple[Person, Person]) -> None:
    def pid() -> int:
        status = requests.get(
            two[0].server_url("p2m/status"), headers={"Authorization": f"Bearer {two[0].token}"}, timeout=10
        )
        return int(status.json()["blender"]["pid"])

    before = await asyncio.to_thread(pid)
    row = row_of(page, two[0])
    await page.get_by_role("button", name=f"Restart Blender: {two[0].name}").click()
    await expect(row).to_contain_text("Restarting Blender")
    await expect(row).to_contain_text("Blender ready", timeout=90 * SECOND)
    await expect(row).to_contain_text("1 restart")
    await expect(page.locator("#problem")).to_be_hidden()
    assert await asyncio.to_thread(pid) != before


async def test_a_server_is_stopped_and_stays_among_everybody(page: Page, hub: Hub, two: tuple[Person, Person]) -> None:
    row = row_of(page, two[1])
    await page.get_by_role("button", name=f"Stop: {two[1].name}").click()
    await expect(row).to_have_count(0, timeout=60 * SECOND)
    assert not two[1].api("GET", f"users/{two[1].name}").json()["servers"]
    await page.get_by_label("Which servers").select_option("true")
    await expect(row).to_contain_text("Stopped", timeout=15 * SECOND)
    await expect(row_of(page, two[0])).to_contain_text("Running")
    await page.emulate_media(color_scheme="dark")
    await page.reload()
    await expect(row_of(page, two[0])).to_contain_text("Running", timeout=15 * SECOND)
    await page.screenshot(path=OUTPUT / "sessions-dark.png")
