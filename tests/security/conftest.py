"""One hub with two people at work: ada attacks, ben must not notice."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.hub import Hub, Person
from tests.support.waiting import wait_for

MEMORY_MB = 1500
CPUS = 1
START_S = 200
"""Seconds for two starts at once with one processor each."""


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with tight limits and raw sockets that listen on every address of their containers."""
    state = tmp_path_factory.mktemp("security") / "state"
    running = Hub(
        state, P2M_MEMORY=f"{MEMORY_MB}M", P2M_CPUS=str(CPUS), P2M_PUBLISH_MCP="1", P2M_MCP_TIMEOUT="180"
    ).start()
    yield running
    running.down()


@pytest.fixture(scope="package")
def two(hub: Hub) -> list[Person]:
    """Ada and Ben, whose servers were started at the same time."""
    people = [hub.person(stem).sign_up().log_in() for stem in ("ada", "ben")]
    starts = [threading.Thread(target=person.request_server) for person in people]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    wait_for(lambda: all(person.is_ready() for person in people), START_S, "both servers", interval=0.5)
    return people


@pytest.fixture(scope="package")
def ada(two: list[Person]) -> Person:
    """The attacker."""
    return two[0]


@pytest.fixture(scope="package")
def ben(two: list[Person]) -> Person:
    """Her neighbour."""
    return two[1]


@pytest.fixture(autouse=True)
def logs_on_failure(hub: Hub, failed) -> Iterator[None]:
    """Print the log of the hub and of its containers when a test fails."""
    yield
    if failed():
        hub.print_logs()
