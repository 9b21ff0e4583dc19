"""Start, stop, failure, and a hub that comes and goes, on the real engine."""

import io
import subprocess
import time
from pathlib import Path

import docker
import pytest
import requests

from tests.support.hub import ROOT, Hub, Person
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for


async def test_a_start_tells_of_itself_and_is_ready_and_files_of_the_home_outlive_the_stop(person: Person):
    told = " | ".join(person.start_and_follow())
    print(told)
    for stage in ("image", "Creating your container", "Starting your container", "is ready, MCP with"):
        assert stage in told
    async with mcp_client(person.mcp_url, person.token) as client:
        code = "import bpy; bpy.ops.wm.save_as_mainfile(filepath='/home/blender/work.blend'); print('saved')"
        assert "saved" in text_of(await client.call_tool("execute_blender_code", {"code": code}))
    first = person.container().id
    person.stop_server()
    with pytest.raises(docker.errors.NotFound):
        person.container()
    start_until_it_answers(person)
    assert person.container().id != first
    listing = requests.get(
        person.server_url("api/contents/"), headers={"Authorization": f"Bearer {person.token}"}, timeout=10
    ).json()
    assert "work.blend" in {entry["name"] for entry in listing["content"]}


def start_until_it_answers(person: Person) -> None:
    """Ready means ready: the first call after the hub says so is answered, with no second try."""
    person.request_server()
    wait_for(person.is_ready, 90, "server", interval=0.02)
    headers = {"Authorization": f"Bearer {person.token}", "Accept": "application/json, text/event-stream"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}}  # fmt: skip
    assert requests.post(person.mcp_url, json=call, headers=headers, timeout=10).status_code == 200


@pytest.fixture
def broken_image():
    """Our image with a Blender that cannot start."""
    engine = docker.from_env()
    dockerfile = (
        f"FROM {IMAGE}\nUSER root\n"
        "RUN printf '#!/bin/sh\\necho no GPU for you >&2\\nexit 7\\n' > /usr/bin/blender"
        " && printf '#!/bin/sh\\n' > /usr/local/lib/p2m/back-off\nUSER blender\n"  # nobody sits it out
    )
    made, _ = engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag="p2m/test-broken:latest", rm=True)
    yield "p2m/test-broken:latest"
    engine.images.remove(made.id, force=True)


def test_a_blender_that_never_starts_fails_the_spawn_with_its_reason(tmp_path: Path, broken_image: str):
    hub = Hub(tmp_path / "state", P2M_IMAGE=broken_image, P2M_MCP_TIMEOUT="12").start()
    try:
        person = hub.person().sign_up().log_in()
        began = time.monotonic()
        told = person.start_and_follow()
        print(*told, f"({time.monotonic() - began:.1f} s)", sep="\n")
        assert "Blender" in told[-1]
        assert "no GPU for you" in told[-1]
        assert time.monotonic() - began < 30
        assert hub.containers() == []
        wait_for(lambda: "no GPU for you" in hub.output(), 10, "the container's words in the hub's log")
        page = person.session.get(f"{hub.url}/hub/spawn-pending/{person.name}", timeout=30)
        assert "no GPU for you" in page.text
    finally:
        hub.down()


def test_a_missing_image_is_told_to_user_and_operator(tmp_path: Path):
    hub = Hub(tmp_path / "state", P2M_IMAGE="p2m/no-such-image:latest").start()
    try:
        person = hub.person().sign_up().log_in()
        answer = person.api("POST", f"users/{person.name}/server")  # fails within the time that the hub waits
        assert answer.status_code == 503
        assert answer.json()["message"] == "The Blender image is not on this machine. Tell the administrator."
        wait_for(lambda: "make image" in hub.output(), 10, "the operator's text in the hub's log")
        page = person.session.get(f"{hub.url}/hub/spawn/{person.name}", timeout=60)
        assert "The Blender image is not on this machine" in page.text
    finally:
        hub.down()


async def test_ctrl_c_leaves_people_at_work_and_a_second_up_finds_them_again(tmp_path: Path):
    hub = Hub(tmp_path / "state", command=("make", "up")).start(seconds=120)
    try:
        banner = wait_for(lambda: "admin-password" in hub.output() and hub.output(), 10, "banner")
        assert hub.url in banner
        assert hub.admin_password not in banner
        person = hub.person().sign_up().log_in().start_server()
        container = person.container().id
        code = hub.interrupt()
        assert "Traceback" not in hub.output()
        print("exit code of make after Ctrl-C:", code)
        assert not (hub.state_dir / "hub.pid").exists()
        assert person.container().status == "running"

        began = time.monotonic()
        hub.start()
        print(f"second make up answers after {time.monotonic() - began:.1f} s")
        assert person.is_ready()
        assert person.container().id == container
        async with mcp_client(person.mcp_url, person.token) as client:
            assert "6" in text_of(await client.call_tool("execute_blender_code", {"code": "print(2 * 3)"}))

        subprocess.run(["make", "down"], cwd=ROOT, env=hub.environment, check=True, timeout=120)
        assert hub.containers() == []
        assert docker.from_env().volumes.get(person.volume)
        with pytest.raises(requests.ConnectionError):
            requests.get(hub.url, timeout=5)
    finally:
        hub.down()
