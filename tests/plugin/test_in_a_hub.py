"""`blender-docker` in JupyterHub's own test hub: a DummyAuthenticator, the hub's templates, nothing of hub_config."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from jupyterhub import orm
from jupyterhub.tests.mocking import MockHub
from jupyterhub.tests.utils import public_url
from jupyterhub.user import User
from jupyterhub.utils import url_path_join

from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for_async

from .engine import docker0

START_S = 120
HEADLESS = {"P2M_BLENDER_MODE": "headless"}
"""Environment of a server that starts in half the time, for tests that look at what is around it."""


class Account:
    """A user of the hub and their server, by the hub's REST API.

    Attributes:
        user: What the hub knows of the user.
        token: An API token of theirs.
    """

    def __init__(self, hub: MockHub, name: str) -> None:
        account = orm.User(name=name)
        hub.db.add(account)
        hub.db.commit()
        self.hub = hub
        self.name = name
        self.user: User = hub.users[account]
        self.token: str = self.user.new_api_token(roles=["token"])
        role = orm.Role.find(hub.db, "user")
        account.roles.append(role)
        hub.db.commit()

    def url(self, path: str) -> str:
        """A URL below the person's server."""
        return url_path_join(public_url(self.hub, self.user), path)

    async def api(self, method: str, path: str = "", **kwargs: Any) -> requests.Response:
        """Call the hub's API for this user."""
        url = url_path_join(public_url(self.hub), "hub/api/users", self.name, path)
        headers = {"Authorization": f"Bearer {self.token}"}
        return await asyncio.to_thread(requests.request, method, url, headers=headers, timeout=START_S, **kwargs)

    async def start(self) -> None:
        """Start the server and wait until the hub says that it is ready."""
        answer = await self.api("POST", "server")
        assert answer.status_code in {201, 202}, answer.text
        await wait_for_async(lambda: self.user.spawner.ready, START_S, f"server of {self.name}")

    async def stop(self) -> None:
        """Stop the server and wait until it has ended."""
        answer = await self.api("DELETE", "server")
        assert answer.status_code in {202, 204}, answer.text
        await wait_for_async(lambda: not self.user.spawner.active, START_S, f"end of the server of {self.name}")

    async def answers(self) -> bool:
        """Whether Blender calculates for an agent."""
        async with mcp_client(self.url("p2m/mcp"), self.token) as client:
            return "42" in text_of(await client.call_tool("execute_blender_code", {"code": "print(6 * 7)"}))

    def container(self) -> Any:
        """The container, found by the label that every one has."""
        (found,) = docker.from_env().containers.list(all=True, filters={"label": f"p2m.user={self.name}"})
        return found


StartHub = Callable[..., Awaitable[Account]]


@pytest.fixture
async def account(hub_app: Any, tmp_path: Path) -> AsyncIterator[StartHub]:
    """A function that starts a hub with options of the spawner, and returns a user of it."""
    made: list[Account] = []

    async def start(**options: Any) -> Account:
        config = {
            "JupyterHub": {
                "spawner_class": "blender-docker",
                "authenticator_class": "dummy",
                "hub_ip": docker0(),
                "cookie_secret_file": str(tmp_path / "cookie_secret"),
            },
            "ConfigurableHTTPProxy": {"pid_file": str(tmp_path / "proxy.pid")},
            "DockerSpawner": {"image": IMAGE, **options},
            "BlenderSpawnerMixin": {"mcp_timeout": START_S},
        }
        made.append(Account(await hub_app(config), f"user{secrets.token_hex(3)}"))
        return made[-1]

    yield start
    engine = docker.from_env()
    for someone in made:
        for container in engine.containers.list(all=True, filters={"label": f"p2m.user={someone.name}"}):
            container.remove(force=True)
        for volume in engine.volumes.list(filters={"name": someone.name}):
            volume.remove()


@pytest.fixture
def assets() -> Iterator[str]:
    """Name of a volume that all users of a hub see."""
    volume = docker.from_env().volumes.create(f"p2m-test-assets-{secrets.token_hex(3)}")
    yield volume.name
    volume.remove()


@pytest.fixture
def network() -> Iterator[str]:
    """Name of a network that an operator has made."""
    made = docker.from_env().networks.create(f"p2m-test-{secrets.token_hex(3)}")
    yield made.name
    made.remove()


async def test_options_of_dockerspawner_work_on_running_containers(assets: str, account: StartHub):
    """One start for all that need a container that runs; then a second one, of the container that was kept."""
    ada = await account(
        remove=False,
        read_only_volumes={assets: "/assets"},
        post_start_cmd="touch /home/blender/post-start-was-here",
        name_template="studio-{username}",
        port=8899,
        environment={"STUDIO": "north", **HEADLESS},
        args=["--ServerApp.shutdown_no_activity_timeout=86400"],
    )
    await ada.start()
    assert await ada.answers()
    first = ada.container()
    assert first.name == f"studio-{ada.name}"
    assert [port for port, published in first.ports.items() if published] == ["8899/tcp"]
    assert first.exec_run("ls /home/blender/post-start-was-here").exit_code == 0
    assert first.exec_run("touch /assets/x").exit_code != 0
    assert first.exec_run("printenv STUDIO").output == b"north\n"
    assert first.exec_run("p2m-healthcheck").exit_code == 0
    commands = first.exec_run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).output
    assert b"--ServerApp.shutdown_no_activity_timeout=86400" in commands

    await ada.stop()
    assert ada.container().status == "exited"
    await ada.start()
    assert ada.container().id == first.id
    assert await ada.answers()
    await ada.stop()


async def test_a_network_of_the_operators_and_addresses_inside_it(network: str, account: StartHub):
    ada = await account(network_name=network, use_internal_ip=True, environment=HEADLESS)
    await ada.start()
    assert await ada.answers()
    container = ada.container()
    assert list(container.attrs["NetworkSettings"]["Networks"]) == [network]
    assert not any(container.ports.values())
    await ada.stop()
    assert docker.from_env().containers.list(all=True, filters={"label": f"p2m.user={ada.name}"}) == []


async def test_the_hubs_own_pages_tell_of_the_start_and_why_it_failed(account: StartHub):
    """Templates are JupyterHub's: the user's sentence must get through without ours."""
    ada = await account(environment={"P2M_RUNTIME_DIR": "/proc/nowhere"})
    asked = asyncio.create_task(ada.api("POST", "server"))
    progress = await wait_for_async(lambda: followed(ada), 30, "a start to follow")
    messages = [event["message"] for event in progress]
    assert any("Creating your container" in message for message in messages)
    assert progress[-1].get("failed")
    assert "Your server ended while it was starting. Start it again" in messages[-1]
    assert "Traceback" not in messages[-1]
    answer = await asked
    assert answer.status_code in {202, 503}
    if answer.status_code == 503:
        assert answer.json()["message"].startswith("Your server ended")

    cookies = await ada.hub.login_user(ada.name)
    page = await asyncio.to_thread(
        requests.get, url_path_join(public_url(ada.hub), "hub/spawn-pending", ada.name), cookies=cookies, timeout=30
    )
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())
    assert "Your server ended while it was starting" in text


async def followed(ada: Account) -> list[dict[str, Any]]:
    """The whole progress of a start, empty while there is none."""
    answer = await ada.api("GET", "server/progress")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
