"""From one container: not the neighbour, not what the host keeps for itself, not other networks."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import pytest

from tests.support.hub import Hub, Person
from tests.support.image import IMAGE
from tests.support.waiting import wait_for

from . import inside

USUAL_PORTS = (*range(1, 1025), 1080, 2375, 2376, 3000, 3306, 4369, 5432, 5901, 6001, 6379, 8000, 8001, 8080, 8081)
BLENDER, JUPYTER = 9876, 8888


@contextmanager
def listening(address: str) -> Iterator[int]:
    """A server of the host that accepts connections at an address; its port."""
    with socket.create_server((address, 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture(scope="module", autouse=True)
def the_probe_works(ada: Person) -> None:
    """What should be open is seen to be open, and what is closed as closed: else the tests below could not fail."""
    seen = inside.knock(ada, inside.address(ada), JUPYTER, BLENDER, 9)
    assert seen == {JUPYTER: "open", BLENDER: "open", 9: "refused"}


@pytest.mark.parametrize("turned", [False, True], ids=["ada to ben", "ben to ada"])
def test_the_neighbours_container_does_not_answer_at_all(two: list[Person], turned: bool):
    here, there = reversed(two) if turned else two
    ports = (JUPYTER, BLENDER) if turned else (JUPYTER, BLENDER, *USUAL_PORTS)
    seen = inside.knock(here, inside.address(there), *ports)
    assert set(seen.values()) == {"silent"}, {port: answer for port, answer in seen.items() if answer != "silent"}


HEAR = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as ears:
    ears.bind(("", 5353))
    open("/tmp/ears", "w").close()
    heard = set()
    while b"host" not in heard:
        heard.add(ears.recv(100))
    open("/tmp/heard", "w").write(repr(sorted(heard)))
"""
SAY = """
import socket, sys
with socket.socket(type=socket.SOCK_DGRAM) as mouth:
    for _ in range(5):
        mouth.sendto(b"neighbour", (sys.argv[1], 5353))
"""


def test_datagrams_do_not_reach_the_neighbour(ada: Person, ben: Person):
    ben.container().exec_run(["python3", "-c", HEAR], detach=True)
    wait_for(lambda: inside.run(ben, "ls", "/tmp/ears"), 20, "a program that hears")
    inside.run(ada, "python3", "-c", SAY, inside.address(ben))
    with socket.socket(type=socket.SOCK_DGRAM) as mouth:  # the host's does, and ends the wait
        mouth.sendto(b"host", (inside.address(ben), 5353))
    assert wait_for(lambda: inside.run(ben, "cat", "/tmp/heard"), 20, "the host's datagram") == "[b'host']"


def test_there_is_no_ipv6_to_go_round_by(ada: Person):
    interfaces = {line.split()[-1] for line in inside.run(ada, "cat", "/proc/net/if_inet6").splitlines()}
    assert interfaces <= {"lo"}


def published(person: Person) -> dict[str, int]:
    ports = person.container().ports
    return {name: int(binds[0]["HostPort"]) for name, binds in ports.items() if binds}


def test_of_the_host_a_container_reaches_the_hub_and_nothing_that_is_on_the_loopback(
    hub: Hub, ada: Person, ben: Person
):
    hub_port, proxy_api = int(hub.environment["P2M_HUB_PORT"]), int(hub.environment["P2M_PROXY_API_PORT"])
    with listening("127.0.0.1") as another:
        loopback = {hub.port, proxy_api, another, *published(ada).values(), *published(ben).values()}
        for port in loopback:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()  # the host does
        seen = inside.knock(ada, inside.gateway(ada), hub_port, *loopback)
    assert {port for port, answer in seen.items() if answer == "open"} == {hub_port}


def test_what_listens_on_every_address_of_the_host_is_reached(ada: Person):
    """Not a promise but a warning: docs/security.md tells operators to mind it."""
    with listening("0.0.0.0") as port:  # noqa: S104
        assert inside.knock(ada, inside.gateway(ada), port) == {port: "open"}


def test_containers_on_other_networks_are_not_reached(ada: Person):
    engine = docker.from_env()
    other = engine.containers.run(IMAGE, ["python3", "-m", "http.server", "8888"], detach=True)
    try:

        def its_address() -> Any:
            other.reload()
            return other.attrs["NetworkSettings"]["IPAddress"]

        there = wait_for(its_address, 20, "an address")
        # The host reaches it, so somebody listens.
        wait_for(lambda: not socket.create_connection((there, 8888), timeout=5).close(), 30, "a server")
        assert inside.knock(ada, there, 8888) == {8888: "silent"}
    finally:
        other.remove(force=True, v=True)
