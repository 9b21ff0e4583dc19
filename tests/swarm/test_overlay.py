"""A hub in a container: it finds servers by name on the overlay network, and nothing is published."""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.image import IMAGE
from tests.support.ports import free_port
from tests.support.scenes import run_code
from tests.support.swarm_cluster import SwarmCluster

from .conftest import SwarmHub, hub_on_manager


@pytest.fixture(scope="module")
def network(cluster: SwarmCluster) -> Iterator[str]:
    """Name of an overlay network."""
    with contextlib.closing(cluster.manager.client()) as client:
        made = client.networks.create(f"p2m-{secrets.token_hex(3)}", driver="overlay", attachable=True)
        yield made.name
        made.remove()


@pytest.fixture(scope="module")
def place(cluster: SwarmCluster, network: str) -> Iterator[Any]:
    """A container on that network, for its network alone; it publishes the hub's port."""
    port = free_port()
    with contextlib.closing(cluster.manager.client()) as client:
        container = client.containers.run(
            IMAGE,
            ["sleep", "900"],
            detach=True,
            network=network,
            ports={f"{port}/tcp": port},
            labels={"port": str(port)},
        )
        container.reload()
        yield container
        container.remove(force=True)


@pytest.fixture(scope="module")
def hub(
    cluster: SwarmCluster, network: str, place: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmHub]:
    """A hub whose process is in that container's network, with the container's own name server."""
    folder = tmp_path_factory.mktemp("overlay")
    resolv = place.attrs["ResolvConfPath"]
    script = f'mount --bind {resolv} /etc/resolv.conf && exec "$0" "$@"'
    programs = Path(sys.executable).parent
    running = hub_on_manager(
        cluster,
        folder / "state",
        *("nsenter", f"--net=/proc/{place.attrs['State']['Pid']}/ns/net", "unshare", "--mount", "sh", "-c", script),
        *(str(programs / "jupyterhub"), "-f", str(Path(__file__).with_name("overlay_hub_config.py"))),
        port=int(place.labels["port"]),
        P2M_BIND="0.0.0.0",  # noqa: S104 - of the container
        TEST_NETWORK=network,
        TEST_HUB_ADDRESS=place.attrs["NetworkSettings"]["Networks"][network]["IPAddress"],
        PATH=f"{programs}:{os.environ['PATH']}",
    )
    try:
        yield running
    finally:
        running.down()


def test_a_server_on_another_machine_is_found_by_its_name(hub: SwarmHub, cluster: SwarmCluster, network: str):
    person = hub.person("lin").sign_up().log_in()
    with cluster.only(*cluster.workers):
        person.start_server()
    assert "42" in run_code(person, "print(6 * 7)")
    container = person.container()
    assert network in container.attrs["NetworkSettings"]["Networks"]
    assert not any(container.ports.values())
    person.stop_server()
