"""Homes that every machine reaches: a server whose machine dies is started on another one."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scenes import add_object, has_object
from tests.support.swarm_cluster import SwarmCluster
from tests.support.waiting import wait_for

from .conftest import SwarmHub, hub_on_manager

SCENE = "worked-on-for-hours"


@pytest.fixture(scope="module")
def hub(cluster: SwarmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmHub]:
    """A hub with such homes."""
    folder = tmp_path_factory.mktemp("shared")
    storage = folder / "homes"
    storage.mkdir()
    config = Path(__file__).with_name("shared_homes_config.py")
    programs = Path(sys.executable).parent
    running = hub_on_manager(
        cluster,
        folder / "state",
        *(str(programs / "jupyterhub"), "-f", str(config)),
        TEST_STORAGE=str(storage),
        PATH=f"{programs}:{os.environ['PATH']}",
    )
    try:
        yield running
    finally:
        running.down()


def test_a_machine_that_dies_gives_its_server_to_another_one(hub: SwarmHub, cluster: SwarmCluster):
    cluster.wait_until_whole()
    person = hub.person("grace").sign_up().log_in()
    with cluster.only(*cluster.workers):
        person.start_server()
    add_object(person, SCENE)
    first = hub.node_of(person)
    first.die()
    try:
        wait_for(lambda: cluster.states()[first.name] == "down", 60, "Swarm notices", interval=0.2)
        noticed = time.monotonic()
        wait_for(lambda: person.status()["ready"], 60, "Blender on another machine", interval=0.3)
        took = time.monotonic() - noticed
        print(f"Blender is back {took:.1f} s after Swarm noticed")
        assert took < 30
        assert hub.node_of(person) is not first
        assert has_object(person, SCENE)
        assert person.is_ready()
    finally:
        first.start()
    cluster.wait_until_whole()
    person.stop_server()
    wait_for(lambda: hub.left_of(person) == [], 30, "nothing left of the server")
