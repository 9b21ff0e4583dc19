"""What the spawner asks of the engine, and that an operator's own options lie over it and keep their meaning."""

import asyncio
from types import SimpleNamespace

import docker
import pytest
from docker.errors import APIError
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from p2m_spawner import host_ports
from p2m_spawner.docker_options import merged
from p2m_spawner.docker_ports import published_ports
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.ports import PortPair


def spawner(**traits):
    made = BlenderDockerSpawner(config=Config({"BlenderDockerSpawner": traits}))
    made.user = SimpleNamespace(name="ada", id=1, url="/user/ada/")
    made.ports = PortPair(13007, 10007)
    return made


async def host_config(made):
    return made._host_config(await made._value_of(made.extra_host_config))


async def test_a_container_is_locked_in():
    config = await host_config(spawner(mem_limit="2G", pids_limit=100))
    assert config["cap_drop"] == ["ALL"]
    assert config["security_opt"] == ["no-new-privileges"]
    assert config["read_only"] is True
    assert config["pids_limit"] == 100
    assert config["memswap_limit"] == 2 * 1024**3
    assert set(config["tmpfs"]) == {"/tmp", "/run"}


async def test_the_desktop_is_published_on_the_loopback_and_the_raw_socket_is_not():
    assert (await host_config(spawner()))["port_bindings"] == {8888: ("127.0.0.1", 13007)}


async def test_a_published_raw_socket_has_the_same_offset_and_stays_on_the_loopback():
    config = await host_config(spawner(publish_mcp=True, host_ip="10.0.0.1"))
    assert config["port_bindings"] == {8888: ("10.0.0.1", 13007), 9876: ("127.0.0.1", 10007)}


async def test_no_port_is_published_with_internal_addresses():
    assert "port_bindings" not in await host_config(spawner(use_internal_ip=True))


async def test_an_operators_dictionary_lies_over_ours():
    config = await host_config(spawner(extra_host_config={"read_only": False, "tmpfs": {"/var/tmp": ""}}))
    assert config["read_only"] is False
    assert set(config["tmpfs"]) == {"/tmp", "/run", "/var/tmp"}
    assert config["cap_drop"] == ["ALL"]


async def test_an_operators_callable_gets_the_spawner_and_lies_over_ours():
    async def extra(of):
        return {"dns": [f"dns-for-{of.user.name}"]}

    config = await host_config(spawner(extra_host_config=extra))
    assert config["dns"] == ["dns-for-ada"]
    assert config["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("memory", ["1g", 8 * 1024**3])
async def test_an_operators_memory_limit_takes_the_swap_limit_along(memory):
    config = await host_config(spawner(extra_host_config={"mem_limit": memory}))
    assert config["memswap_limit"] == memory


async def test_another_log_driver_gets_none_of_our_drivers_options():
    syslog = {"Type": "syslog", "Config": {"tag": "blender"}}
    assert (await host_config(spawner(extra_host_config={"log_config": syslog})))["log_config"] == syslog


def test_hooks_find_the_operators_options_and_change_them():
    made = spawner(extra_host_config={"runtime": "runc"})
    made.extra_host_config.update(shm_size="1g")
    made.extra_create_kwargs.update(user="root")
    assert made.extra_host_config == {"runtime": "runc", "shm_size": "1g"}
    assert made.extra_create_kwargs == {"user": "root"}


async def test_labels_name_hub_and_user_beside_the_operators():
    made = spawner(hub_id="class-3b", extra_create_kwargs={"labels": {"room": "12"}})
    kwargs = made._create_kwargs(await made._value_of(made.extra_create_kwargs))
    assert kwargs["labels"] == {
        "p2m.hub": "class-3b",
        "p2m.user": "ada",
        "p2m.server": "",
        "p2m.image-setting": "p2m/blender-singleuser:latest",
        "room": "12",
    }


class BusyEngine:
    """An engine on which other programs take ports: it refuses the first starts with an error of its own."""

    def __init__(self, *refusals, hidden=()):
        self.client = docker.APIClient(version="1.41")
        self.refusals = list(refusals)
        self.hidden = set(hidden)
        self.creating = asyncio.Event()
        self.may_create = asyncio.Event()
        self.may_create.set()

    async def processors(self):
        return 2

    async def run(self, function, *args):
        return self.hidden if function is published_ports else None

    async def call(self, method, *args, **kwargs):
        if method == "start" and self.refusals:
            raise APIError(self.refusals.pop(0))
        if method == "create_container":
            self.creating.set()
            await self.may_create.wait()
            return {"Id": f"on-{kwargs['host_config']['PortBindings']['8888/tcp'][0]['HostPort']}"}
        return {"Config": {"Cmd": ["start-p2m"]}}


@pytest.fixture
def busy(monkeypatch):
    """A spawner on a busy engine, and the set of ports that other programs visibly use."""
    taken = set()

    def make(engine):
        monkeypatch.setattr(BlenderDockerSpawner, "engine", engine)
        monkeypatch.setattr(BlenderDockerSpawner, "get_env", lambda self: {})
        monkeypatch.setattr(host_ports, "port_is_free", lambda ip, port: port not in taken)
        made.append(BlenderDockerSpawner(user=SimpleNamespace(name="ada", id=1, url="/user/ada/")))
        return made[0], taken

    made = []
    yield make
    made[0].clear_state()


TAKEN = "Bind for 127.0.0.1 failed: port is already allocated"


async def test_a_port_that_another_program_got_first_is_given_up_for_the_next(busy):
    spawner, taken = busy(BusyEngine(TAKEN))
    taken.add(13000)
    spawner.object_id = (await spawner.create_object())["Id"]
    assert spawner.object_id == "on-13001"
    taken.add(13001)
    await spawner.start_object()
    assert spawner.object_id == "on-13002"


async def test_ports_that_other_hubs_publish_and_the_host_does_not_show_are_passed_over_at_once(busy):
    spawner, _ = busy(BusyEngine(TAKEN, hidden=range(13000, 13020)))
    spawner.object_id = (await spawner.create_object())["Id"]
    await spawner.start_object()
    assert spawner.object_id == "on-13020"


async def test_a_start_that_is_refused_for_another_reason_is_not_tried_again(busy):
    engine = BusyEngine("no space left on device")
    spawner, _ = busy(engine)
    spawner.object_id = (await spawner.create_object())["Id"]
    with pytest.raises(APIError, match="no space"):
        await spawner.start_object()
    assert engine.refusals == []


async def test_a_start_that_is_cancelled_while_the_engine_creates_knows_what_to_remove(busy):
    engine = BusyEngine()
    engine.may_create.clear()
    spawner, _ = busy(engine)
    creation = asyncio.ensure_future(spawner.create_object())
    await engine.creating.wait()
    creation.cancel()
    await asyncio.wait([creation], timeout=0)
    engine.may_create.set()
    await asyncio.wait([creation])
    assert creation.cancelled()
    assert spawner.object_id == "on-13000"


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("image", "p2m/blender-singleuser:latest"),
        ("network_name", "p2m"),
        ("volumes", {"p2m-{username}": "/home/blender"}),
        ("default_url", "/lab"),
        ("remove", True),
    ],
)
def test_defaults_need_no_configuration(trait, value):
    assert getattr(BlenderDockerSpawner(), trait) == value


trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)
options = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(options, options)
def test_merging_keeps_every_key_and_the_extras_leaves(base, extra):
    result = merged(base, extra)
    assert set(result) == set(base) | set(extra)
    for key, value in extra.items():
        if not isinstance(value, dict):
            assert result[key] == value
    assert merged(result, extra) == result
