"""Metrics, log lines, newer images, several servers, logout and deletion, on the real engine and hub."""

import io
import json
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from playwright.async_api import Browser

from tests.lifecycle.conftest import Upgrade
from tests.support.browser import tab_of
from tests.support.hub import Hub, Person
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for

OUTPUT = Path(__file__).resolve().parents[1] / "output"


def metrics(hub: Hub, **of: str) -> dict[str, float]:
    """The hub's metrics whose labels are these, by name; of several series with these labels the sum."""
    token = (hub.state_dir / "metrics-token").read_text().strip()
    page = requests.get(f"{hub.url}/hub/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    page.raise_for_status()
    found: dict[str, float] = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? ([-+.\w]+)$", page.text, re.M):
        if of.items() <= dict(re.findall(r'(\w+)="([^"]*)"', labels)).items():
            found[name] = found.get(name, 0.0) + float(value)
    return found


def log_lines(hub: Hub, person: Person) -> list[dict[str, Any]]:
    """The hub's log lines about somebody's servers."""
    lines = [json.loads(line) for line in hub.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("user") == person.name]


def volumes() -> set[str]:
    return {volume.name for volume in docker.from_env().volumes.list()}


def test_a_start_and_a_running_server_are_measured_until_it_stops(hub: Hub, person: Person):
    before = metrics(hub)
    person.start_server()
    after = metrics(hub)
    assert after["p2m_spawns_total"] == before["p2m_spawns_total"] + 1
    assert after["p2m_spawn_duration_seconds_sum"] > before.get("p2m_spawn_duration_seconds_sum", 0)
    for stage in ("image", "container", "mcp"):
        assert metrics(hub, stage=stage)["p2m_spawn_stage_duration_seconds_count"] >= 1

    shown = wait_for(lambda: metrics(hub, user=person.name), 30, "metrics of the server", interval=0.5)
    print(shown)
    assert shown["p2m_mcp_up"] == 1
    assert shown["p2m_blender_restarts"] == 0
    assert 200e6 < shown["p2m_server_memory_bytes"] < 4 * 1024**3
    assert shown["p2m_server_memory_limit_bytes"] == 4 * 1024**3
    assert shown["p2m_jobs"] == 0

    person.container().exec_run(["pkill", "-KILL", "-x", "blender"])
    wait_for(
        lambda: metrics(hub, user=person.name).get("p2m_blender_restarts") == 1, 60, "the restart in the metrics", 0.5
    )

    container = person.container().id
    person.stop_server()
    assert metrics(hub, user=person.name) == {}

    def told_ready() -> list[dict[str, Any]]:
        lines = log_lines(hub, person)
        return [line for line in lines if "Blender" in line["message"] and "is ready" in line["message"]]

    ready = wait_for(told_ready, 10, "the start in the hub's log")
    assert {line["container"] for line in ready} == {container[:12]}
    assert all(line["server"] == "" and line["level"] for line in log_lines(hub, person))


def test_a_start_that_fails_is_counted_by_its_reason(hub: Hub, person: Person):
    answer = person.api("POST", f"users/{person.name}/server", json={"image": "debian:latest"})
    assert answer.status_code == 400, answer.text
    assert metrics(hub, outcome="failure", reason="refused")["p2m_spawns_total"] >= 1
    assert hub.containers() == []


def test_a_pull_at_the_start_that_finds_no_registry_keeps_nobody_waiting(hub: Hub, upgrade: Upgrade):
    told = f"Image {upgrade.name} could not be pulled, so what is on this machine is used"
    wait_for(lambda: told in hub.output(), 60, "the hub's words about the pull", interval=0.5)


def test_prometheus_token_opens_metrics_and_nothing_else(hub: Hub):
    token = (hub.state_dir / "metrics-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{hub.url}/hub/metrics", timeout=10).status_code == 403
    assert requests.get(f"{hub.url}/hub/metrics", headers=headers, timeout=10).status_code == 200
    assert requests.get(f"{hub.url}/hub/api/users", headers=headers, timeout=10).status_code == 403


async def test_a_newer_image_is_told_and_used_at_the_next_start(
    hub: Hub, person: Person, upgrade: Upgrade, browser: Browser
):
    person.start_server()
    assert "A newer Blender image" not in home(person)
    newer = upgrade.publish()
    try:
        wait_for(lambda: "A newer Blender image" in home(person), 30, "the note on the home page", interval=0.5)
        await picture_of_home(browser, person, "home-newer-image.png")
        assert person.container().image.id != newer, "nobody is interrupted"
        person.stop_server()
        person.start_server()
        assert person.container().image.id == newer
        assert "A newer Blender image" not in home(person)
    finally:
        person.stop_server()


def test_a_restarted_hub_knows_its_servers_and_ends_their_tokens(hub: Hub, person: Person):
    person.start_server()
    container = person.container()
    wait_for(lambda: metrics(hub, user=person.name), 30, "metrics of the server", interval=0.5)
    environment = dict(line.split("=", 1) for line in container.attrs["Config"]["Env"])
    inside = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    assert hub.process
    hub.process.send_signal(signal.SIGTERM)
    hub.process.wait(30)
    assert requests.get(f"http://127.0.0.1:{port_of(container)}/user/{person.name}/api", timeout=10).ok
    hub.start()
    assert person.is_ready()
    assert person.container().id == container.id
    shown = wait_for(lambda: metrics(hub, user=person.name), 30, "metrics of the server", interval=0.5)
    assert shown["p2m_mcp_up"] == 1
    assert requests.get(f"{hub.url}/hub/api/user", headers=inside, timeout=10).ok
    person.stop_server()
    assert requests.get(f"{hub.url}/hub/api/user", headers=inside, timeout=10).status_code == 403


def port_of(container: Any) -> str:
    return str(container.ports["8888/tcp"][0]["HostPort"])


async def test_two_servers_of_one_person_do_not_meet_and_go_with_them(hub: Hub, person: Person, browser: Browser):
    person.start_server()
    answer = person.api("POST", f"users/{person.name}/servers/second")
    assert answer.status_code in (201, 202), answer.text

    def servers() -> dict[str, Any]:
        return dict(person.api("GET", f"users/{person.name}").json()["servers"])

    wait_for(lambda: servers()["second"]["ready"], 90, "the second server")
    for path in ("", "second/"):
        status = person.session.get(
            person.server_url(f"{path}p2m/status"), headers={"Authorization": f"Bearer {person.token}"}, timeout=20
        ).json()
        assert status["ready"], status
        url = person.server_url(f"{path}p2m/mcp")
        async with mcp_client(url, person.token) as client:
            code = f"import bpy; bpy.context.scene.name = 'Of {path or 'default'}'; print(bpy.data.scenes.keys())"
            assert text_of(await client.call_tool("execute_blender_code", {"code": code})).count("Of ") == 1
    assert {f"p2m-{person.name}", f"p2m-{person.name}--second"} <= volumes()
    assert docker.from_env().containers.get(f"p2m-{person.name}--second").labels["p2m.server"] == "second"
    wait_for(lambda: "p2m_mcp_up" in metrics(hub, user=person.name, server="second"), 30, "metrics of the second", 0.5)
    await picture_of_home(browser, person, "home-named-servers.png")

    assert person.api("POST", f"users/{person.name}/servers/third").status_code == 400, (
        "one more than the setting allows"
    )
    person.session.get(f"{hub.url}/hub/logout", timeout=60)
    wait_for(lambda: not hub.containers(), 60, "stop of both on logout")
    wait_for(lambda: not any(server["pending"] for server in servers().values()), 30, "end of the stop")
    assert {f"p2m-{person.name}", f"p2m-{person.name}--second"} <= volumes(), "a stop leaves the homes"

    renamed = person.api("PATCH", f"users/{person.name}/servers/second", json={"name": "other"})
    assert "their files belong to the name" in renamed.text
    removed = person.api("DELETE", f"users/{person.name}/servers/second", json={"remove": True})
    assert removed.status_code == 204, removed.text
    assert f"p2m-{person.name}--second" not in volumes()
    assert f"p2m-{person.name}" in volumes()

    person.api("POST", f"users/{person.name}/servers/second")
    wait_for(lambda: servers()["second"]["ready"], 90, "the second server anew")
    deleted = hub.admin().api("DELETE", f"users/{person.name}")
    assert deleted.status_code == 204, deleted.text
    assert not {volume for volume in volumes() if volume.startswith(f"p2m-{person.name}")}
    assert hub.containers() == []


def home(person: Person) -> str:
    return person.session.get(f"{person.hub.url}/hub/home", timeout=30).text


async def picture_of_home(browser: Browser, person: Person, name: str) -> None:
    """Keep a picture of the home page, as the person's browser shows it, in tests/output."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    async with tab_of(browser, person) as page:
        await page.goto(f"{person.hub.url}/hub/home")
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=OUTPUT / name, full_page=True)


@pytest.fixture
def blender_that_never_starts() -> Iterator[Any]:
    """A container of our image whose Blender cannot start, with a health check that comes round each second."""
    engine = docker.from_env()
    dockerfile = (
        f"FROM {IMAGE}\nUSER root\n"
        "RUN printf '#!/bin/sh\\nexit 7\\n' > /usr/bin/blender\nUSER blender\n"
        'HEALTHCHECK --interval=1s --timeout=5s --start-period=1s --retries=3 CMD ["p2m-healthcheck"]\n'
    )
    name = f"p2m/test-unhealthy-{secrets.token_hex(3)}:latest"
    engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True)
    container = engine.containers.run(name, detach=True)
    yield container
    container.remove(force=True, v=True)
    engine.images.remove(name, force=True)


def health(container: Any) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def test_docker_ps_says_who_is_well(person: Person, blender_that_never_starts: Any):
    person.start_server()
    wait_for(lambda: health(person.container()) == "healthy", 60, "a healthy container", interval=0.5)
    person.stop_server()
    wait_for(lambda: health(blender_that_never_starts) == "unhealthy", 60, "an unhealthy one", interval=0.5)
    assert "blender" in blender_that_never_starts.attrs["State"]["Health"]["Log"][-1]["Output"]
