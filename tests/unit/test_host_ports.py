"""Which ports a server holds, from its start to its end and across a restart of the hub."""

from types import SimpleNamespace

import pytest
from dockerspawner import DockerSpawner

from p2m_spawner import host_ports
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.ports import PortPair


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A host of its own: no ledgers of other tests, and these ports used by other programs."""
    used = set()
    monkeypatch.setattr(host_ports.HostPorts, "_ledgers", {})
    monkeypatch.setattr(host_ports, "port_is_free", lambda ip, port: (ip, port) not in used)
    return used


def spawner(name="ada", **traits):
    return BlenderDockerSpawner(user=SimpleNamespace(name=name, id=1, url=f"/user/{name}/"), **traits)


def container(running=True, **bindings):
    ports = {f"{port[1:]}/tcp": [{"HostIp": "127.0.0.1", "HostPort": host}] for port, host in bindings.items()}
    return {"Id": "c0ffee", "State": {"Running": running}, "HostConfig": {"PortBindings": ports}}


@pytest.fixture
def engine_says(monkeypatch):
    """Sets what the engine says of every container."""

    def set_answer(answer):
        async def get_object(self):
            return answer

        monkeypatch.setattr(DockerSpawner, "get_object", get_object)

    return set_answer


def allocated(name, **traits):
    made = spawner(name, **traits)
    made.allocate_ports()
    return made.ports


def test_ports_come_back_with_the_state_and_are_free_after_it_is_cleared():
    ada = spawner()
    ada.allocate_ports()
    state = ada.get_state()
    assert state["ports"] == {"ui": 13000, "mcp": 10000}
    ada.clear_state()
    assert ada.ports is None
    assert "ports" not in ada.get_state()
    again = spawner()
    again.load_state(state)
    assert again.ports == PortPair(13000, 10000)
    assert allocated("ben") == PortPair(13001, 10001)


def test_ports_that_the_host_uses_are_passed_over(host):
    host |= {("127.0.0.1", 13000), ("127.0.0.1", 10001)}
    assert allocated("ada") == PortPair(13001, 10001)
    assert allocated("ben", publish_mcp=True) == PortPair(13002, 10002)


async def test_a_hub_killed_while_it_started_a_container_finds_its_ports_again(engine_says):
    engine_says(container(p8888="13002", p9876="10002"))
    ada = spawner(publish_mcp=True)
    ada.load_state({})
    assert await ada.get_object()
    assert ada.ports == PortPair(13002, 10002)
    assert ada.get_state()["ports"] == {"ui": 13002, "mcp": 10002}
    assert [allocated(name).ui for name in ("ben", "cleo", "dora")] == [13000, 13001, 13003]


async def test_the_raw_port_of_a_container_that_does_not_publish_it_has_the_same_offset(engine_says):
    engine_says(container(p8888="13002"))
    ada = spawner()
    await ada.get_object()
    assert ada.ports == PortPair(13002, 10002)


@pytest.mark.parametrize("answer", [None, container(running=False, p8888="13000"), container()])
async def test_what_holds_no_ports_gets_none(engine_says, answer):
    engine_says(answer)
    ada = spawner()
    await ada.get_object()
    assert ada.ports is None
    assert allocated("ben").ui == 13000
