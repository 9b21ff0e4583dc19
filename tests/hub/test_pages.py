"""The pages people see: templates on top of the hub's own, and the modules behind them. No hub runs here."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import uvicorn
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub._data import DATA_FILES_PATH
from mcp.server import MCPServer

import p2m_spawner
from p2m_spawner.endings import Ending
from p2m_spawner.options_form import options_form
from p2m_spawner.profiles import Profiles
from p2m_spawner.readiness import Stage

PACKAGE = Path(p2m_spawner.__file__).parent
MODULES = PACKAGE / "static" / "js"
HUB_TEMPLATES = Path(DATA_FILES_PATH) / "templates"
HOSTILE = '"><script>alert(1)</script>'
TOKEN = "0123456789abcdef"

NODE = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "node"


def environment() -> Environment:
    """Templates resolved as the hub resolves them."""
    hub = FileSystemLoader([str(HUB_TEMPLATES)])
    ours = FileSystemLoader([str(PACKAGE / "templates"), str(HUB_TEMPLATES)])
    return Environment(loader=ChoiceLoader([PrefixLoader({"templates": hub}, "/"), ours]), autoescape=True)


def render(template: str, **values: Any) -> str:
    spawner = SimpleNamespace(name="", ready=False, active=False, options_form=None, _failed=False)
    user = SimpleNamespace(
        name="ada",
        escaped_name="ada",
        json_escaped_name="ada",
        url="/user/ada/",
        admin=False,
        spawner=spawner,
        spawners={"": spawner, HOSTILE: spawner},
        all_spawners=lambda include_default: [],
    )
    defaults = {
        "base_url": "/hub/",
        "prefix": "/",
        "user": user,
        "spawner": spawner,
        "default_server": spawner,
        "static_url": lambda path, include_version=True: f"/hub/static/{path}",
        "parsed_scopes": {},
        "version_hash": "1",
        "xsrf_token": "token",
        "logout_url": "/hub/logout",
        "named_server_limit_per_user": 0,
        "p2m_gateway": "services/p2m/",
    }
    for key in ("name", "admin"):
        if key in values:
            setattr(user, key, values.pop(key))
    spawner.ending = values.pop("ending", None)
    for key in ("ready", "active", "_failed", "blender_mode"):
        if key in values:
            setattr(spawner, key, values.pop(key))
    return environment().get_template(template).render({**defaults, **values})


def run_module(module: str, expression: str) -> Any:
    """The value of a JavaScript expression with `module`'s exports in `m`."""
    script = f"import * as m from {json.dumps((MODULES / module).as_uri())}; console.log(JSON.stringify({expression}))"
    command = [NODE, "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def href(page: str, test_id: str) -> str:
    match = re.search(rf'data-testid="{test_id}"[^>]*href="([^"]+)"', page)
    assert match, test_id
    return match[1]


# Home


def test_cards_of_a_stopped_server_start_it_and_lead_on_to_what_was_clicked():
    page = render("home.html")
    assert href(page, "open-blender") == "/hub/spawn/ada?next=/user/ada/blender/"
    assert href(page, "open-lab") == "/hub/spawn/ada?next=/user/ada/lab"


def test_cards_of_a_running_server_open_it_directly():
    page = render("home.html", ready=True, active=True)
    assert href(page, "open-blender") == "/user/ada/blender/"
    assert href(page, "open-lab") == "/user/ada/lab"


def test_home_has_every_hook_that_people_and_tests_rely_on():
    page = render("home.html")
    for hook in ("server-status", "open-blender", "open-lab", "connect-agent", "spawn-stages"):
        assert page.count(f'data-testid="{hook}"') == 1, hook


def test_named_servers_keep_the_hubs_own_table_and_no_id_twice():
    page = render("home.html", allow_named_servers=True)
    assert "new-server-btn" in page
    for name in ("start", "stop"):
        assert page.count(f'id="{name}"') <= 1


@pytest.mark.parametrize(
    "template", ["home.html", "spawn.html", "spawn_pending.html", "not_running.html", "error.html"]
)
def test_hostile_names_and_messages_stay_text(template: str):
    page = render(
        template,
        name=HOSTILE,
        failed=True,
        failed_message=HOSTILE,
        message=HOSTILE,
        status_message=HOSTILE,
        server_name=HOSTILE,
        error_message=HOSTILE,
        spawner_options_form=options_form(
            Profiles.from_list([{"name": "x", "title": HOSTILE, "description": HOSTILE}]).profiles, None
        ),
    )
    assert HOSTILE not in page


PAGES = ["home.html", "spawn.html", "spawn_pending.html", "not_running.html", "error.html", "404.html"]


@pytest.mark.parametrize("template", PAGES)
def test_pages_load_nothing_from_other_hosts(template: str):
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', render(template, failed=True, status_code=404))
    assert loaded
    assert all(url.startswith("/hub/") for url in loaded)


def test_every_static_file_that_a_page_names_exists():
    for template in PACKAGE.rglob("*.html"):
        for name in re.findall(r"p2m/static/([\w./-]+\w)\b(?!/)", template.read_text()):
            assert (PACKAGE / "static" / name).is_file(), f"{template.name}: {name}"


def test_account_pages_are_linked_only_for_our_own_accounts_and_approval_only_for_administrators():
    assert "change-password" not in render("home.html")
    assert "/hub/change-password" in render("home.html", p2m_accounts=True)
    assert "/hub/accounts" not in render("home.html", p2m_accounts=True)
    assert "/hub/accounts" in render("home.html", p2m_accounts=True, admin=True)


# Failures


@pytest.mark.parametrize(
    ("template", "attribute"), [("home.html", 'data-ending="{}"'), ("not_running.html", ">{}</p>")]
)
def test_the_pages_of_a_server_that_ended_say_why(template: str, attribute: str):
    page = render(template, ending=Ending(exit_code=137, out_of_memory=True, memory_limit=4 * 2**30), server_name="")
    assert attribute.format(Ending(exit_code=137, out_of_memory=True, memory_limit=4 * 2**30).sentence) in page.replace(
        "&#39;", "'"
    )


def test_a_failed_start_says_why():
    page = render("not_running.html", failed=True, failed_message="No port is free.", spawn_url="/hub/spawn/ada")
    assert "No port is free." in page


def test_a_failed_start_without_words_asks_the_hub_for_the_reason():
    assert "failure.js" in render("not_running.html", failed=True, spawn_url="/hub/spawn/ada")
    assert "failure.js" not in render("not_running.html", failed=True, failed_message="No port is free.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Spawn failed: 503 SpawnException(reason=ports): No port is free.", "No port is free."),
        ("Spawn failed: Timeout", "Timeout"),
    ],
)
def test_the_reason_of_a_failure_is_shown_without_the_hubs_prefixes(said: str, shown: str):
    assert run_module("words.js", f"m.failureReason({json.dumps({'message': said, 'failed': True})})") == shown


# Status in words


def words(**view: Any) -> dict[str, Any]:
    arguments = ", ".join(f"{key}: {json.dumps(value)}" for key, value in view.items())
    return run_module("words.js", f"m.describe({{{arguments}}})")


def status(state: str, **blender: Any) -> dict[str, Any]:
    said = {"state": state, "version": "4.3.2", "pid": 7, "file": "/home/blender/castle.blend", "restarts": 0}
    return {
        "ready": state == "ready",
        "blender": {**said, "reason": None, **blender},
        "mcp": {"state": "ready", "num_tools": 27},
        "ui": {"state": "ready"},
        "jobs": [],
    }


RUNNING = {"ready": True, "pending": None}


@pytest.mark.parametrize(
    ("view", "state"),
    [
        ({"server": None}, "stopped"),
        ({"server": {"ready": False, "pending": "spawn"}}, "starting"),
        ({"server": {"ready": False, "pending": "stop"}}, "stopping"),
        ({"server": RUNNING, "blender": None}, "running"),
        ({"server": RUNNING, "blender": status("ready")}, "ready"),
        ({"server": RUNNING, "blender": status("busy")}, "busy"),
        ({"server": RUNNING, "blender": status("restarting")}, "starting"),
        ({"server": RUNNING, "blender": status("failed")}, "failed"),
        ({"server": None, "failure": {"message": "Spawn failed: no"}}, "failed"),
        ({"server": {"ready": False, "pending": "check"}}, "starting"),
        ({"server": RUNNING, "blender": status("failed"), "restarting": True}, "starting"),
        ({"server": RUNNING, "blender": status("failed"), "restartFailure": "It hangs."}, "failed"),
        ({"server": None, "ending": "Your Blender used more memory than its limit."}, "failed"),
        ({"server": None, "offline": True}, "unknown"),
    ],
)
def test_status_is_told_for_each_state(view: dict[str, Any], state: str):
    assert words(**view)["state"] == state


def test_ready_names_version_file_and_number_of_tools():
    facts = dict(words(server=RUNNING, blender=status("ready"))["facts"])
    assert facts == {"Blender": "4.3.2", "File": "castle.blend", "Tools for agents": "27"}


def test_a_blender_without_a_window_says_so_where_it_would_be_opened():
    headless = {**status("ready"), "ui": {"state": "off"}}
    assert "no window" in words(server=RUNNING, blender=headless)["detail"]
    assert run_module("words.js", f"m.desktopWords({json.dumps(headless)})").startswith("This server has no desktop")
    shown = run_module("words.js", "m.desktopWords(null)")
    assert shown in render("home.html")
    assert shown in render("home.html", ready=True, active=True)
    assert "This server has no desktop" in render("home.html", ready=True, active=True, blender_mode="headless")


def test_a_blender_that_failed_gives_its_reason():
    assert words(server=RUNNING, blender=status("failed", reason="No display"))["detail"] == "No display"


@pytest.mark.parametrize(
    ("state", "offered"), [("failed", True), ("busy", True), ("ready", False), ("starting", False)]
)
def test_restarting_blender_is_offered_where_it_is_a_way_out(state: str, offered: bool):
    assert words(server=RUNNING, blender=status(state)).get("restart", False) is offered


def test_a_server_that_ended_says_why():
    sentence = "Your Blender used more memory than its limit of 4 GB and was ended by the system."
    assert words(server=None, ending=sentence)["detail"] == sentence


# Stages


def test_every_stage_of_a_start_is_on_the_page():
    listed = re.findall(r'\("(\w+)", "', (PACKAGE / "templates" / "p2m" / "stages.html").read_text())
    assert tuple(listed) == get_args(Stage)


# Configurations for MCP clients


EVERYBODYS = "https://hub.example/services/p2m/mcp"
ADAS = "https://hub.example/user/ada/p2m/mcp"


def snippets(**more: Any) -> dict[str, str]:
    given = {"gatewayUrl": EVERYBODYS, "directUrl": ADAS, "token": TOKEN, **more}
    return run_module("snippets.js", f"m.snippets({json.dumps(given)})")


def test_clients_that_sign_in_get_the_address_for_everybody_and_no_token():
    texts = snippets()
    assert texts["claude-desktop"] == EVERYBODYS
    assert texts["claude-code"] == f'claude mcp add --transport http blender "{EVERYBODYS}"'
    assert json.loads(texts["vscode"]) == {"servers": {"blender": {"type": "http", "url": EVERYBODYS}}}
    assert json.loads(texts["cursor"]) == {"mcpServers": {"blender": {"url": EVERYBODYS}}}


@pytest.mark.parametrize(("mode", "url"), [("full", ADAS), ("no-code", EVERYBODYS), ("read-only", EVERYBODYS)])
def test_a_token_goes_into_a_header_and_to_an_address_that_takes_it(mode: str, url: str):
    texts = snippets(mode=mode)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert json.loads(texts["vscode-token"]) == {
        "servers": {"blender": {"type": "http", "url": url, "headers": headers}}
    }
    assert json.loads(texts["cursor-token"]) == {"mcpServers": {"blender": {"url": url, "headers": headers}}}
    for kind in ("vscode-token", "cursor-token", "claude-code-token", "python"):
        assert url in texts[kind]
        assert TOKEN in texts[kind]
        assert not re.search(rf"https?://\S*{TOKEN}", texts[kind])


def test_upstreams_client_is_told_only_where_raw_sockets_are_published():
    assert "stdio" not in snippets()
    server = json.loads(snippets(rawPort=10007)["stdio"])["mcpServers"]["blender"]
    assert server["env"] == {"BLENDER_HOST": "127.0.0.1", "BLENDER_PORT": "10007"}


@pytest.fixture
async def mcp_url() -> AsyncIterator[str]:
    """An MCP server with one tool, for bearers of `TOKEN` only."""
    server = MCPServer("pages")

    @server.tool()
    def get_scene_info() -> str:
        """What is in the scene."""
        return "a cube"

    app = server.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != f"Bearer {TOKEN}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    runner = uvicorn.Server(uvicorn.Config(guarded, log_level="warning"))
    task = asyncio.create_task(runner.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    runner.should_exit = True
    await task
    listener.close()


async def test_the_python_configuration_lists_the_tools_of_a_server_that_wants_the_token(mcp_url: str):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        snippets(directUrl=mcp_url)["python"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert out.decode().splitlines() == ["get_scene_info - What is in the scene."], err.decode()


# Sessions, for administrators


def session_words(**row: Any) -> dict[str, Any]:
    defaults = {"state": "ready", "blender": None, "mcp": None, "jobs": [], "memory": None, "cpu": None, "ending": None}
    given = {**defaults, "progress": None, "last_activity": "2026-11-25T03:10:00Z", **row}
    now = "Date.parse('2026-11-25T03:15:30Z')"
    return run_module("session_words.js", f"m.describeSession({json.dumps(given)}, {now})")


MCP = {"state": "ready", "num_tools": 40}


@pytest.mark.parametrize(
    ("row", "dot", "detail"),
    [
        ({"state": "stopped"}, "stopped", ""),
        ({"state": "stopped", "ending": {"reason": "out_of_memory", "exit_code": 137}}, "failed",
         "Ended: out of memory, exit code 137"),
        ({"state": "stopped", "ending": {"reason": "removed", "exit_code": None}}, "failed", "Ended: removed"),
        ({"state": "stopped", "ending": {"reason": "killed", "started_again": True}}, "stopped", ""),
        ({"state": "starting", "progress": "Starting Blender …"}, "starting", "Starting Blender …"),
        ({"state": "stopping"}, "stopping", ""),
        ({}, "unknown", "It does not answer."),
        ({"blender": {"state": "ready"}, "mcp": MCP}, "ready", "Blender ready · 40 tools"),
        ({"blender": {"state": "busy", "restarts": 2}, "mcp": {"state": "down"}}, "busy",
         "Blender busy · MCP down · 2 restarts"),
        ({"blender": {"state": "failed", "reason": "No display"}, "mcp": MCP}, "failed",
         "Blender failed (No display) · 40 tools"),
    ],
)  # fmt: skip
def test_a_session_is_told_in_words(row: dict[str, Any], dot: str, detail: str):
    words = session_words(**row)
    assert (words["dot"], words["detail"], words["activity"]) == (dot, detail, "5 min ago")


def test_use_is_told_against_its_limit():
    words = session_words(memory={"used": 900 * 2**20, "limit": 4 * 2**30}, cpu={"used": 0.5, "limit": 2})
    assert words["memory"] == {"text": "900 MB of 4 GB", "share": 900 / 4096}
    assert words["cpu"] == {"text": "0.5 of 2", "share": 0.25}
    nothing = {"text": "–", "share": None}
    for odd in (None, {"used": None, "limit": 1}, {"used": "x", "limit": 1}, {"used": -1, "limit": 1}):
        assert session_words(memory=odd, cpu=odd)["memory"] == nothing
    assert session_words(cpu={"used": 3, "limit": None})["cpu"] == {"text": "3", "share": None}


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([], "–"),
        ([{"state": "queued"}], "1 render"),
        ([{"state": "queued"}, {"state": "running", "progress": 0.439}], "2 renders, 43 %"),
    ],
)
def test_renders_are_counted_with_the_progress_of_the_one_that_runs(jobs: list[Any], said: str):
    assert session_words(jobs=jobs)["jobs"] == said
