"""A real swarm of three nodes on one machine: a manager and two workers, each an engine of the tests' own.

The nodes are joined by a switch in a network namespace of its own, so that a test may pull a node's cable; nothing of
it is seen by the machine's engine. The image is loaded once: the other nodes get its files as hard links, which engines
never write to.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from .second_engine import SecondEngine, run, second_engine
from .waiting import wait_for

NODES_S = 60.0


class Node(SecondEngine):
    """An engine with one more network interface, by which it reaches the others."""

    def __init__(self, data: Path, number: int, *options: str) -> None:
        super().__init__(data, number=30 + number)
        self.number = number
        self.swarm_address = f"10.214.0.{10 + number}"
        self.options = ("--icc=false", "--no-new-privileges", *options)  # as docs/howto/swarm.md asks

    def die(self) -> None:
        """End as a machine does whose power fails: engine and containers at once. `start` brings the engine back."""
        pids = [container.attrs["State"]["Pid"] for container in self.client().containers.list()]
        self.stop(signal.SIGKILL)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def running(self, label: str) -> list[Any]:
        """The containers of this node that run and have a label."""
        return list(self.client().containers.list(filters={"label": label}))

    def volumes(self) -> list[str]:
        """Names of the node's volumes."""
        return sorted(volume.name for volume in self.client().volumes.list())


class SwarmCluster:
    """The cluster.

    Args:
        data: Folder for the nodes' data; images stay in it.
    """

    def __init__(self, data: Path) -> None:
        self._switch = f"p2m-test-{secrets.token_hex(3)}"
        self.manager = Node(data / "manager", 1)
        # What a node offers is a name to Swarm: nobody looks whether there is such a card.
        gpu = "--node-generic-resource=NVIDIA-GPU=GPU-1"
        self.workers = [Node(data / "worker-1", 2), Node(data / "worker-2", 3, gpu)]

    @property
    def nodes(self) -> list[Node]:
        """All nodes, the manager first."""
        return [self.manager, *self.workers]

    def set_up(self, image: str) -> None:
        """Make the network, start the engines with the image and join them."""
        provide_image(image, *(node.data for node in self.nodes))
        run("ip", "netns", "add", self._switch)
        self._in_switch("ip", "link", "add", "switch", "type", "bridge")
        self._in_switch("ip", "link", "set", "switch", "up")
        for node in self.nodes:
            shutil.rmtree(node.data / "swarm", ignore_errors=True)
            node.set_up()
            self._plug_in(node)
        for node in self.nodes:
            node.start()
        with contextlib.closing(self.manager.client()) as client:
            client.swarm.init(advertise_addr=self.manager.swarm_address, listen_addr=self.manager.swarm_address)
            client.swarm.reload()
            token = client.swarm.attrs["JoinTokens"]["Worker"]
        for worker in self.workers:
            with contextlib.closing(worker.client()) as client:
                client.swarm.join(
                    [f"{self.manager.swarm_address}:2377"],
                    token,
                    listen_addr=worker.swarm_address,
                    advertise_addr=worker.swarm_address,
                )
        self.wait_until_whole()

    def _in_switch(self, *command: str) -> None:
        run("nsenter", f"--net=/run/netns/{self._switch}", *command)

    def _plug_in(self, node: Node) -> None:
        """Lay a cable from the switch to a node."""
        run(
            *("ip", "link", "add", f"port{node.number}", "netns", self._switch),
            *("type", "veth", "peer", "name", "swarm", "netns", node.name),
        )
        self._in_switch("ip", "link", "set", f"port{node.number}", "master", "switch", "up")
        run(*node.inside, "ip", "address", "add", f"{node.swarm_address}/24", "dev", "swarm")
        run(*node.inside, "ip", "link", "set", "swarm", "up")

    def cut(self, node: Node) -> None:
        """Pull a node's cable."""
        self._in_switch("ip", "link", "set", f"port{node.number}", "down")

    def mend(self, node: Node) -> None:
        """Plug it in again."""
        self._in_switch("ip", "link", "set", f"port{node.number}", "up")

    def set_node(self, node: Node, availability: str = "active", **labels: str) -> None:
        """Change availability and labels of a node, as ``docker node update`` does."""
        with contextlib.closing(self.manager.client()) as client:
            (found,) = (each for each in client.nodes.list() if each.attrs["Description"]["Hostname"] == node.name)
            found.update({"Role": found.attrs["Spec"]["Role"], "Availability": availability, "Labels": labels})

    @contextlib.contextmanager
    def only(self, *nodes: Node) -> Iterator[None]:
        """Let all other nodes take no new servers meanwhile."""
        others = [node for node in self.nodes if node not in nodes]
        for node in others:
            self.set_node(node, "pause")
        try:
            yield
        finally:
            for node in others:
                self.set_node(node)

    def states(self) -> dict[str, str]:
        """What the manager says of each node, by host name."""
        with contextlib.closing(self.manager.client()) as client:
            return {
                node.attrs["Description"]["Hostname"]: node.attrs["Status"]["State"] for node in client.nodes.list()
            }

    def wait_until_whole(self) -> None:
        """Wait until the manager finds all nodes ready."""
        ready = {node.name: "ready" for node in self.nodes}
        wait_for(lambda: self.states() == ready, NODES_S, "three nodes that are ready", interval=0.2)

    def tear_down(self) -> None:
        """Remove all but the images."""
        for node in reversed(self.nodes):
            with contextlib.suppress(DockerException, OSError), contextlib.closing(node.client()) as client:
                client.swarm.leave(force=True)
            node.tear_down()
        subprocess.run(["ip", "netns", "delete", self._switch], check=False)


def provide_image(image: str, first: Path, *others: Path) -> None:
    """Give engines that do not run an image of the machine's engine, unless they have it: one loads it, all share it.

    Args:
        image: Its name.
        first: Data of the engine that loads it.
        others: Data of those that get its files as hard links: no engine writes to a layer.
    """
    image_id = docker.from_env().images.get(image).id
    note = first / "p2m-test-image"
    if note.exists() and note.read_text() == image_id:
        return
    for data in (first, *others):
        shutil.rmtree(data, ignore_errors=True)
    with second_engine(first, image, number=31):
        pass
    for data in others:
        data.mkdir(parents=True)
        for folder, *how in (("image",), ("overlay2", "--link")):  # what an engine writes in place is copied
            run("cp", "--archive", *how, str(first / folder), str(data / folder))
    note.write_text(image_id)


@contextlib.contextmanager
def swarm_cluster(data: Path, image: str) -> Iterator[SwarmCluster]:
    """A cluster for the time of a ``with``; prints what its engines say when the block fails."""
    cluster = SwarmCluster(data)
    try:
        cluster.set_up(image)
        yield cluster
    except BaseException:
        for node in cluster.nodes:
            print(f"=== engine {node.name}\n{node.output()}")
        raise
    finally:
        cluster.tear_down()
