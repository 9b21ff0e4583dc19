"""What may fail on a cluster, each on the real one."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.hub import Person
from tests.support.image import IMAGE
from tests.support.scenes import add_object, has_object
from tests.support.swarm_cluster import Node, SwarmCluster
from tests.support.waiting import wait_for

from .conftest import SwarmHub

SCENE = "worked-on-for-hours"

DOWN_S = 60.0
"""Seconds in which a manager notices that a machine does not answer."""


@pytest.fixture(scope="module")
def ada(hub: SwarmHub) -> Person:
    """Somebody whose home is on a worker."""
    person = hub.person("ada").sign_up().log_in()
    with hub.cluster.only(*hub.cluster.workers):
        person.start_server()
    add_object(person, SCENE)
    return person


@pytest.fixture
def person(ada: Person, hub: SwarmHub) -> Iterator[Person]:
    """Them, at work, on a cluster that is whole."""
    hub.cluster.wait_until_whole()
    if not ada.servers():
        ada.start_server()
    assert has_object(ada, SCENE)
    yield ada


def test_a_hub_that_is_restarted_finds_the_server(person: Person, hub: SwarmHub):
    container = person.container().id
    hub.kill()
    hub.start()
    wait_for(person.is_ready, 60, "the server")
    assert person.container().id == container
    assert has_object(person, SCENE)


def test_a_container_that_is_killed_is_told_with_its_log(person: Person, hub: SwarmHub):
    person.container().kill()
    wait_for(lambda: not person.servers(), 20, "the hub notices")
    ending = person.ending()
    assert (ending["reason"], ending["exit_code"]) == ("killed", 137)
    assert "Your Blender's container was killed from outside." in person.page()
    assert "Jupyter" in ending["log"]
    wait_for(lambda: hub.left_of(person) == [], 15, "nothing left of the server", interval=0.2)
    person.start_server()
    assert has_object(person, SCENE)


def test_a_manager_that_is_restarted_ends_nobodys_server(person: Person, hub: SwarmHub, cluster: SwarmCluster):
    container = person.container().id
    cluster.manager.stop(signal.SIGKILL)
    cluster.manager.start()
    cluster.wait_until_whole()
    wait_for(person.is_ready, 60, "the server")
    assert person.container().id == container
    assert has_object(person, SCENE)


def test_a_machine_that_dies_is_told_with_the_time_when_it_will_be_back(
    person: Person, hub: SwarmHub, cluster: SwarmCluster
):
    node = hub.node_of(person)
    cluster.set_node(node, **{"p2m.back": "16:30"})
    node.die()
    try:
        wait_for(lambda: not person.servers(), DOWN_S, "the hub notices", interval=0.5)
        ending = person.ending()
        assert ending["reason"] == "machine_away"
        assert f"The machine {node.name}, on which your Blender ran, has not answered since" in ending["message"]
        assert "It is expected back at 16:30; then your server can start again." in ending["message"]
        assert ending["message"] in person.page()
        refused = person.api("POST", f"users/{person.name}/server")
        assert refused.status_code == 503
        assert f"The machine {node.name}, which keeps your files, has not answered since" in refused.json()["message"]
    finally:
        node.start()
        cluster.set_node(node)
    cluster.wait_until_whole()
    wait_for(lambda: hub.left_of(person) == [], 30, "nothing left of the server")
    person.start_server()
    assert hub.node_of(person) is node
    assert has_object(person, SCENE)


def test_a_cut_cable_is_told_and_nothing_of_the_server_is_left(person: Person, hub: SwarmHub, cluster: SwarmCluster):
    node = hub.node_of(person)
    before = person.container().id
    cluster.cut(node)
    try:
        wait_for(lambda: not person.servers(), DOWN_S, "the hub notices", interval=0.5)
        assert person.ending()["reason"] == "machine_away"
    finally:
        cluster.mend(node)
    cluster.wait_until_whole()
    wait_for(lambda: hub.left_of(person) == [], 30, "nothing left of the server")
    person.start_server()
    assert hub.node_of(person) is node
    assert person.container().id != before
    assert has_object(person, SCENE)


def test_machines_without_the_image_are_passed_over_unless_they_have_the_home(
    person: Person, hub: SwarmHub, cluster: SwarmCluster
):
    newcomer = hub.person("newcomer").sign_up().log_in()
    person.stop_server()
    with newer_image(cluster.manager):
        newcomer.start_server()
        assert hub.node_of(newcomer) is cluster.manager
        assert all(newcomer.volume not in worker.volumes() for worker in cluster.workers)
        newcomer.stop_server()
        refused = person.api("POST", f"users/{person.name}/server")
        assert refused.status_code == 503
        assert re.fullmatch(
            r"The Blender image is not on the machine p2m-test-\w+\. Tell the administrator\.",
            refused.json()["message"],
        )
    wait_for(lambda: hub.left_of(person) == [], 15, "nothing left of the server", interval=0.2)
    person.start_server()
    assert has_object(person, SCENE)


@contextmanager
def newer_image(node: Node) -> Iterator[None]:
    """Another image of the same name, which this machine alone has."""
    client = node.client()
    before = client.images.get(IMAGE)
    container = client.containers.create(IMAGE)
    name, _, tag = IMAGE.rpartition(":")
    made = container.commit(name, tag)
    container.remove()
    try:
        yield
    finally:
        before.tag(name, tag)
        client.images.remove(made.id)
