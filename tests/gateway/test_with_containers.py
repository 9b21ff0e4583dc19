"""The REST API over real containers: from a login to the tools of one's own Blender, and back to sleep."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client
from tests.support.waiting import wait_for, wait_for_async

from .conftest import Api


@pytest.fixture(scope="module")
def ada(hub: Hub) -> Person:
    return hub.person("ada")


@pytest.fixture(scope="module")
def ada_api(hub: Hub, ada: Person) -> Iterator[Api]:
    """Somebody who has signed up and logged in, and whose Blender answers."""
    api = Api(hub)
    assert api.sign_up(ada).status_code == 201
    tokens = api.log_in(ada)
    assert tokens["server"] == "starting"
    wait_for(lambda: connected(api), 90, "Blender")
    yield api


def connected(api: Api) -> bool:
    answer = api.post("connect")
    assert answer.status_code in (200, 504), answer.text
    assert answer.status_code == 200, answer.json()["reason"]
    return bool(answer.json()["connected"])


def test_connect_counts_the_tools_that_an_agent_gets(ada_api: Api) -> None:
    answer = ada_api.post("connect")
    assert answer.status_code == 200
    assert answer.json()["connected"] is True
    assert answer.json()["num_tools"] >= 30


def test_a_session_tells_ports_times_and_tools(hub: Hub, ada: Person, ada_api: Api) -> None:
    session = ada_api.get("user/session").json()
    assert session["active"] is True
    assert session["server"] == "ready"
    assert (session["user_id"], session["username"]) == (ada.name, ada.name)
    bindings = ada.container().attrs["NetworkSettings"]["Ports"]
    assert session["blender_ui_port"] == int(bindings["8888/tcp"][0]["HostPort"]) >= 13000
    assert session["mcp_port"] == int(bindings["9876/tcp"][0]["HostPort"]) >= 10000
    assert session["mcp"]["state"] == "ready"
    assert session["mcp"]["num_tools"] >= 30
    assert session["created_at"] <= session["last_activity"]
    assert session["ui_url"] == f"{hub.url}/user/{ada.name}/blender/"
    assert session["mcp_url"] == f"{hub.url}/services/p2m/mcp"


def test_a_second_login_finds_the_server_ready(hub: Hub, ada: Person, ada_api: Api) -> None:
    assert Api(hub).log_in(ada)["server"] == "ready"


def test_a_hub_token_opens_the_same(hub: Hub, ada: Person, ada_api: Api) -> None:
    ada.log_in()
    assert Api(hub, ada.token).post("connect").json()["connected"] is True
    limited = ada.api(
        "POST", f"users/{ada.name}/tokens", json={"scopes": [f"access:servers!server={ada.name}/"]}
    ).json()
    assert Api(hub, limited["token"]).get("user/session").json()["active"] is True


def test_administrators_see_everybodys_server(hub: Hub, ada: Person, ada_api: Api) -> None:
    answer = Api(hub, hub.admin().token).get("admin/sessions")
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["total"] >= 1
    session = next(session for session in listed["sessions"] if session["user_id"] == ada.name)
    assert session["blender"]["state"] in ("ready", "busy")
    assert session["mcp"]["num_tools"] >= 30
    assert session["jobs"] == []


def test_an_administrator_may_connect_to_anybodys_blender(hub: Hub, ada: Person, ada_api: Api) -> None:
    admin = Api(hub, hub.admin().token)
    assert admin.post("connect", params={"user_id": ada.name}).json()["connected"] is True


def test_somebody_used_just_now_is_not_cleaned_up(hub: Hub, ada: Person, ada_api: Api) -> None:
    answer = Api(hub, hub.admin().token).post("admin/cleanup-idle", params={"idle_minutes": 30})
    assert answer.json() == {"stopped": [], "kept": {}}
    assert ada_api.get("user/session").json()["active"] is True


def test_two_people_get_their_own_blender_and_logout_stops_it(hub: Hub, ada: Person, ada_api: Api) -> None:
    bob = hub.person("bob")
    api = Api(hub)
    assert api.sign_up(bob).status_code == 201
    api.log_in(bob)
    assert api.post("connect", params={"user_id": ada.name}).status_code == 403
    wait_for(lambda: connected(api), 90, "Bob's Blender")
    session = api.get("user/session").json()
    assert session["mcp_port"] != ada_api.get("user/session").json()["mcp_port"]

    assert api.post("auth/logout", params={"stop_server": "true"}).status_code == 204
    assert api.get("user/session").status_code == 401
    wait_for(lambda: not bob_runs(hub, bob), 60, "stop of Bob's server")


def bob_runs(hub: Hub, bob: Person) -> bool:
    listed = Api(hub, hub.admin().token).get("admin/sessions").json()["sessions"]
    return bob.name in {session["user_id"] for session in listed}


def test_the_metrics_page_has_the_gateways_and_the_hubs(hub: Hub, ada_api: Api) -> None:
    page = Api(hub, hub.admin().token).get("metrics")
    assert page.status_code == 200
    assert 'p2m_gateway_connects_total{outcome="connected"}' in page.text
    assert "jupyterhub_" not in page.text
    assert requests.get(page.url, timeout=10).status_code == 401
    assert ada_api.get("metrics").status_code == 403


# From here on ada's server is put to sleep and woken.


async def test_a_cleanup_spares_a_render_and_then_stops_who_is_idle(hub: Hub, ada: Person, ada_api: Api) -> None:
    admin = Api(hub, hub.admin().token)
    ada.log_in()

    def clean_up() -> dict[str, Any]:
        answer = admin.post("admin/cleanup-idle", params={"idle_minutes": 0.001})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async with mcp_client(ada.mcp_url, ada.token) as blender:
        started = await blender.call_tool("start_render", {"samples": 65536, "width": 1920})
        job = started.structured_content["id"]
        kept = await wait_for_async(lambda: clean_up()["kept"], 30, "an idle server with a render")
        assert kept == {ada.name: "1 render going on."}
        assert ada_api.get("user/session").json()["active"] is True
        sessions = admin.get("admin/sessions").json()["sessions"]
        assert [session["jobs"][0]["id"] for session in sessions if session["user_id"] == ada.name] == [job]
        cancelled = await blender.call_tool("cancel_job", {"id": job})
        assert not cancelled.is_error, cancelled
    stopped = await wait_for_async(lambda: clean_up()["stopped"], 60, "an idle server without one")
    assert stopped == [ada.name]
    wait_for(lambda: ada_api.get("user/session").json()["server"] == "stopped", 60, "stop of the idle server")


def test_many_who_wake_a_sleeping_blender_start_it_once(hub: Hub, ada: Person, ada_api: Api) -> None:
    assert ada_api.get("user/session").json()["server"] == "stopped"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Api(hub, ada_api.token).post("connect"), range(8)))
    if any(answer.status_code != 200 for answer in answers):  # a busy machine may need more than 30 s
        wait_for(lambda: connected(ada_api), 90, "the woken Blender")
    asked = f"POST /hub/api/users/{ada.name}/server"
    log = (hub.state_dir / "logs" / "hub.log").read_text()
    assert log.count(asked) == 2, "once for the login at the beginning, once now"
