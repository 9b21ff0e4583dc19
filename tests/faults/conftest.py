"""What may fail, on the real engine: one hub, and somebody whose server each test breaks in another way."""

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import logs_on_failure
from tests.support.hub import Hub, Person
from tests.support.scenes import add_object, has_object

__all__ = ["logs_on_failure"]

SCENE = "worked-on-for-hours"
"""An object of the scene, which must outlive everything."""


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with open sign-up and little memory for each; its Blenders, without a window, start in half the time."""
    state = tmp_path_factory.mktemp("faults") / "state"
    running = Hub(state, P2M_MCP_TIMEOUT="180", P2M_MEMORY="2G", P2M_BLENDER_MODE="headless").start()
    yield running
    running.down()


@pytest.fixture(scope="session")
def somebody(hub: Hub) -> Person:
    """Somebody with a scene of their own."""
    person = hub.person("ada").sign_up().log_in().start_server()
    add_object(person, SCENE)
    return person


@pytest.fixture
def person(somebody: Person) -> Iterator[Person]:
    """Them, at work; afterwards they can go on, with their scene."""
    go_on(somebody)
    yield somebody


def go_on(person: Person) -> None:
    """Start the server unless it runs, and find the scene."""
    if not person.servers():
        person.start_server()
    assert has_object(person, SCENE)


def host_port(person: Person) -> int:
    """The port of the host on which the person's server is published."""
    return int(person.container().ports["8888/tcp"][0]["HostPort"])


def nothing_listens(port: int) -> bool:
    """Whether a port of the loopback is free again."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
