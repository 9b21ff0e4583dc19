"""Settings, caches, the tools' list, the metrics page's filter, and that the documentation keeps up with the code."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub_config.gateway import SCOPES
from p2m_spawner.gateway.mcp_probe import NoTools, count_tools
from p2m_spawner.gateway.metrics_page import families
from p2m_spawner.gateway.recent import Recent
from p2m_spawner.gateway.rest.table import calls
from p2m_spawner.gateway.settings import GatewaySettings, SettingError

DOCS = Path(__file__).resolve().parents[2] / "docs/rest.md"

ENVIRONMENT = {
    "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:8082",
    "JUPYTERHUB_SERVICE_PREFIX": "/base/services/p2m/",
    "JUPYTERHUB_BASE_URL": "/base/",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/base/hub/api",
    "JUPYTERHUB_API_TOKEN": "secret-token",
    "P2M_STATE": "/srv/state",
    "P2M_PUBLIC_URL": "",
}


def test_settings_come_from_the_hubs_environment_and_hide_the_token() -> None:
    settings = GatewaySettings.from_environment(ENVIRONMENT)
    assert (settings.host, settings.port, settings.hub_prefix) == ("127.0.0.1", 8082, "/base/hub/")
    assert settings.db_url == "sqlite:////srv/state/gateway.sqlite"
    assert settings.public_url is None
    assert "secret-token" not in repr(settings)


@pytest.mark.parametrize("missing", ["JUPYTERHUB_API_TOKEN", "JUPYTERHUB_SERVICE_URL", "P2M_STATE"])
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(SettingError, match=missing):
        GatewaySettings.from_environment({name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_recent_answers_grow_old_and_stay_few() -> None:
    now = 0.0
    recent: Recent[int] = Recent(10.0, 3, lambda: now)
    for number in range(5):
        recent.put(str(number), number)
    assert len(recent) == 3
    assert (recent.get("0"), recent.get("4")) == (None, 4)
    now = 11.0
    assert recent.get("4") is None


TOOLS = {"tools": [{"name": "a"}, {"name": "b"}]}


def reply(result: Any, kind: str = "application/json") -> httpx2.Response:
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result})
    if kind == "text/event-stream":
        text = f": keep-alive\r\n\r\nevent: message\r\ndata: {text}\r\n\r\n"
    return httpx2.Response(200, text=text, headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_tools_are_counted_over_all_pages(kind: str) -> None:
    pages = iter([reply({**TOOLS, "nextCursor": "x"}, kind), reply(TOOLS, kind)])
    transport = httpx2.MockTransport(lambda request: next(pages))
    async with httpx2.AsyncClient(transport=transport) as http:
        assert await count_tools(http, "http://server/mcp") == 4


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(502, text="<html>"),
        httpx2.Response(200, text="[]"),
        httpx2.Response(200, json={"result": {}}),
        httpx2.Response(503, json={"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Starting."}}),
        reply({**TOOLS, "nextCursor": "always"}),
    ],
    ids=["html", "list", "empty", "error", "endless"],
)
async def test_no_tools_is_said(answer: httpx2.Response) -> None:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: answer)) as http:
        with pytest.raises(NoTools):
            await count_tools(http, "http://server/mcp")


def test_the_metrics_page_takes_our_families_only() -> None:
    page = "# HELP p2m_x A\n# TYPE p2m_x counter\np2m_x_total 1.0\n# HELP jupyterhub_y B\njupyterhub_y 2.0\n"
    assert list(families(page, "p2m_")) == page.splitlines()[:3]


def test_the_documentation_has_every_call_and_scope() -> None:
    text = DOCS.read_text()
    for call in calls():
        assert f"| `{call.method} {call.path}` |" in text, call.path
    assert {
        row.split("`")[1] for row in text.split("## What the gateway may do")[1].splitlines() if row[:3] == "| `"
    } == set(SCOPES)
