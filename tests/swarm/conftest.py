"""One real cluster of three nodes, with a hub in the manager's network, for all files here."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.hub import ROOT, Hub, Person
from tests.support.image import IMAGE
from tests.support.swarm_cluster import Node, SwarmCluster, swarm_cluster
from tests.support.waiting import wait_for

DATA = ROOT / ".test-swarm"
"""Kept between runs: to load the image takes most of a minute. Not in ``.p2m``, which other tests lay aside: it is many
files."""

PROFILES = Path(__file__).with_name("profiles.yaml")


class SwarmHub(Hub):
    """A hub on a manager; containers are looked for on all machines."""

    cluster: SwarmCluster

    def containers(self) -> list[Any]:
        """The user containers of this hub that run, on whatever machine."""
        label = f"p2m.hub={self.state_dir}"
        return [container for node in self.cluster.nodes if node.is_up() for container in node.running(label)]

    def container_of(self, person: Person) -> Any:
        """A person's container."""
        (found,) = (each for each in self.containers() if each.labels["p2m.user"] == person.name)
        return found

    def node_of(self, person: Person) -> Node:
        """The machine on which a person's container runs."""
        (found,) = (
            node
            for node in self.cluster.nodes
            if node.is_up()
            and any(each.labels["p2m.user"] == person.name for each in node.running(f"p2m.hub={self.state_dir}"))
        )
        return found

    def left_of(self, person: Person) -> list[str]:
        """Services and containers of a person, running or not, and volumes that are neither homes nor in use."""
        labels = [f"p2m.hub={self.state_dir}", f"p2m.user={person.name}"]
        found = [f"service {service.name}" for service in self.engine.services.list(filters={"label": labels})]
        for node in self.cluster.nodes:
            with contextlib.closing(node.client()) as client:
                found += [each.name for each in client.containers.list(all=True, filters={"label": labels})]
                found += [each.name for each in client.volumes.list(filters={"dangling": True}) if "-" not in each.name]
        return found

    def down(self) -> None:
        """As the hub's, with volumes and records on the cluster."""
        self.end()
        wait_for(lambda: not any(map(self.left_of, self.people)), 30, "the end of all containers")
        for node in self.cluster.nodes:
            with contextlib.closing(node.client()) as client:
                for person in self.people:
                    for volume in client.volumes.list(filters={"name": person.volume}):
                        volume.remove()
        for config in self.engine.configs.list():
            config.remove()


def hub_on_manager(
    cluster: SwarmCluster, state: Path, *program: str, port: int | None = None, **settings: str
) -> SwarmHub:
    """A hub on the manager's host that has been started; its program is ``deploy/hub up`` unless given."""
    manager = cluster.manager
    hub = SwarmHub(
        state,
        command=(*manager.inside, *(program or ("deploy/hub", "up"))),
        address=manager.address,
        DOCKER_HOST=manager.url,
        P2M_ENGINE="swarm",
        P2M_MCP_TIMEOUT="120",
        P2M_BLENDER_MODE="headless",  # starts in half the time
        **({"P2M_PORT": str(port)} if port else {}),
        **settings,
    )
    hub.cluster = cluster
    if port:
        hub.url = f"http://{manager.address}:{port}"
    hub.start()
    return hub


@pytest.fixture(scope="session")
def cluster() -> Iterator[SwarmCluster]:
    """The cluster."""
    with swarm_cluster(DATA, IMAGE) as running:
        yield running


@pytest.fixture(scope="session")
def hub(cluster: SwarmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmHub]:
    """A hub on the manager's host, with homes that stay on their machines."""
    running = hub_on_manager(cluster, tmp_path_factory.mktemp("swarm") / "state", P2M_PROFILES=str(PROFILES))
    try:
        yield running
    finally:
        running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(failed, hub: SwarmHub) -> Iterator[None]:
    """What hub and servers said, with a test that failed."""
    yield
    if failed():
        with contextlib.suppress(docker.errors.DockerException, OSError):
            hub.print_logs()
