"""A user's Blender on a real cluster, from start to stop."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from p2m_spawner.swarm.spawner import BlenderSwarmSpawner
from tests.support.hub import ROOT, Person
from tests.support.image import IMAGE
from tests.support.scenes import add_object, has_object, run_code
from tests.support.waiting import wait_for

from .conftest import SwarmHub

NODE_SOCKET = "/run/{{.Node.Hostname}}/docker.sock"
"""Where the nodes of the tests' cluster have their engine's socket."""

SCENE = "worked-on-for-hours"


@pytest.fixture(scope="module")
def somebody(hub: SwarmHub) -> Person:
    """Somebody who has a scene."""
    person = hub.person("ada").sign_up().log_in()
    messages = person.start_and_follow()
    print(messages)
    assert any("Looking for a place in the cluster" in message for message in messages)
    assert any(node.name in message for node in hub.cluster.nodes for message in messages)
    assert "Blender 4.3.2 is ready, MCP with" in messages[-2]
    add_object(person, SCENE)
    return person


def test_a_blender_is_ready_and_its_agents_are_answered(somebody: Person):
    assert somebody.status()["ready"] is True
    assert "42" in run_code(somebody, "print(6 * 7)")


def test_a_container_is_locked_in(somebody: Person, hub: SwarmHub):
    container = somebody.container()
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"] is True
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (4 * 2**30, 2 * 10**9, 1024)
    status = container.exec_run(["cat", "/proc/self/status"]).output.decode()
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status
    assert container.exec_run(["touch", "/usr/x"]).exit_code != 0


def test_a_stop_leaves_the_home_on_its_machine_and_nothing_else(somebody: Person, hub: SwarmHub):
    node = hub.node_of(somebody)
    somebody.stop_server()
    assert [each for each in hub.containers() if each.labels["p2m.user"] == somebody.name] == []
    wait_for(lambda: hub.left_of(somebody) == [], 15, "nothing left of the server", interval=0.2)
    assert [each.name for each in hub.cluster.nodes if somebody.volume in each.volumes()] == [node.name]
    somebody.start_server()
    assert hub.node_of(somebody) is node
    assert has_object(somebody, SCENE)


def test_gpus_are_given_out_once(somebody: Person, hub: SwarmHub):
    artist, other = (hub.person(stem).sign_up().log_in() for stem in ("artist", "other"))
    artist.start_server(profile="gpu")
    assert hub.node_of(artist) is hub.cluster.workers[1]
    assert artist.container().exec_run(["printenv", "DOCKER_RESOURCE_NVIDIA-GPU"]).output == b"GPU-1\n"
    refused = other.api("POST", f"users/{other.name}/server", json={"profile": "gpu"})
    assert refused.status_code == 503
    assert refused.json()["message"].startswith("All GPUs of the cluster are taken.")
    artist.stop_server()


def test_a_full_cluster_is_told_before_anything_is_made(somebody: Person, hub: SwarmHub):
    newcomer = hub.person("late").sign_up().log_in()
    with hub.cluster.only():
        refused = newcomer.api("POST", f"users/{newcomer.name}/server")
    assert refused.status_code == 503
    assert refused.json()["message"].startswith("All places of the cluster are taken.")
    assert hub.left_of(newcomer) == []
    wait_for(
        lambda: "takes no new servers" in hub.output(), 10, "the reason in the hub's log, written after the answer"
    )


def test_a_home_moves_to_another_machine(somebody: Person, hub: SwarmHub):
    if not somebody.servers():
        somebody.start_server()
    source = hub.node_of(somebody)
    target = next(node for node in hub.cluster.nodes if node is not source)
    refused = move_home(hub, somebody.volume, target.name)
    assert refused.returncode == 1
    assert (
        refused.stderr == f"The home was not moved. The server with the home {somebody.volume} runs; stop it first.\n"
    )
    somebody.stop_server()
    moved = move_home(hub, somebody.volume, target.name)
    assert moved.stdout == f"The home {somebody.volume} is on {target.name} now.\n", moved.stderr
    assert [node.name for node in hub.cluster.nodes if somebody.volume in node.volumes()] == [target.name]
    somebody.start_server()
    assert hub.node_of(somebody) is target
    assert has_object(somebody, SCENE)


async def test_a_home_goes_with_its_user(somebody: Person, hub: SwarmHub):
    """The spawner of a user who is deleted, without a hub around it."""
    if somebody.servers():
        somebody.stop_server()
    assert [node for node in hub.cluster.nodes if somebody.volume in node.volumes()]
    spawner = BlenderSwarmSpawner(
        user=SimpleNamespace(name=somebody.name, id=1, url=f"/user/{somebody.name}/"),
        client_kwargs={"base_url": hub.cluster.manager.url},
        hub_id=str(hub.state_dir),
        image=IMAGE,
        node_socket=NODE_SOCKET,
        delete_home=True,
    )
    await spawner.delete_forever()
    assert not [node for node in hub.cluster.nodes if somebody.volume in node.volumes()]
    assert hub.engine.configs.list(filters={"label": f"p2m.home={somebody.volume}"}) == []


def move_home(hub: SwarmHub, volume: str, machine: str) -> subprocess.CompletedProcess[str]:
    """Run the command, as an operator does on the manager's host."""
    command = (sys.executable, "-m", "p2m_spawner.swarm.move_home", volume, machine)
    return subprocess.run(
        [*command, "--image", IMAGE, "--socket", NODE_SOCKET],
        env=hub.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
