"""Hubs with a gateway: one with real containers, and light ones without; and people who use the REST API."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.hub import ROOT, Hub, Person
from tests.support.waiting import wait_for

LIGHT_HUB = (str(ROOT / ".venv/bin/jupyterhub"), "-f", str(Path(__file__).parent / "light_hub.py"))
LOCAL_SERVERS_HUB = (*LIGHT_HUB[:2], str(Path(__file__).parent / "local_servers_hub.py"))


class Api:
    """Somebody who uses the REST API of a hub.

    Args:
        hub: The hub.
        token: Sent as bearer token, when given.
    """

    def __init__(self, hub: Hub, token: str = "") -> None:
        self.url = f"{hub.url}/services/p2m/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = token

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call, with the token."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        return self.session.request(method, self.url + path, headers=headers, timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.call("POST", path, json=body, **options)

    def sign_up(self, person: Person) -> requests.Response:
        return self.post("auth/signup", {"username": person.name, "password": person.password})

    def log_in(self, person: Person) -> dict[str, Any]:
        """Log in and keep the access token."""
        answer = self.post("auth/login", {"username": person.name, "password": person.password})
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        self.token = tokens["access_token"]
        return tokens


def gateway_answers(hub: Hub) -> bool:
    return requests.get(f"{hub.url}/services/p2m/health", timeout=5).ok


@pytest.fixture(scope="session")
def start_light_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Hub]]:
    """A function that starts a hub without containers; settings are ``P2M_*``."""
    started: list[Hub] = []

    def start(command: tuple[str, ...] = LIGHT_HUB, **settings: str) -> Hub:
        path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
        hub = Hub(tmp_path_factory.mktemp("light") / "state", command, **{"PATH": path, **settings}).start()
        started.append(hub)
        wait_for(lambda: gateway_answers(hub), 30, "gateway")
        return hub

    yield start
    for hub in started:
        hub.down()


@pytest.fixture(scope="session")
def light(start_light_hub: Callable[..., Hub]) -> Hub:
    """The hub without containers that most tests share, and so does what it allows to one address."""
    return start_light_hub(P2M_TEST_ONE_ADDRESS="1")


@pytest.fixture(scope="session")
def local(start_light_hub: Callable[..., Hub]) -> Hub:
    """A hub whose users' servers are processes beside it, with tools but without Blender (`local_server`)."""
    return start_light_hub(LOCAL_SERVERS_HUB)


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with containers, whose Blenders have no window: they start in half the time."""
    state = tmp_path_factory.mktemp("gateway") / "state"
    running = Hub(state, P2M_PUBLISH_MCP="1", P2M_MCP_TIMEOUT="90", P2M_BLENDER_MODE="headless").start()
    wait_for(lambda: gateway_answers(running), 30, "gateway")
    yield running
    running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(request: pytest.FixtureRequest, failed: Callable[[], bool]) -> Iterator[None]:
    """Print the logs of the hubs of a test that has failed."""
    yield
    if failed():
        for name in {"hub", "light", "local"} & set(request.fixturenames):
            running: Hub = request.getfixturevalue(name)
            log = running.state_dir / "logs" / "hub.log"
            print(f"=== {name}\n", (log.read_text() if log.exists() else running.output())[-8000:])
