"""The machines of a cluster: how they are, what they have and what of it is free, which one a server goes to. Pure.

Swarm's own scheduler spreads servers and waits in silence when none fits. What it does not do is here: a look before
the start whether there is a place, and filling one machine after the other.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import SpawnFailure

Document = Mapping[str, Any]
"""A node, task or service as Docker's API has it."""

Strategy = Literal["spread", "binpack"]

EXPECTED_BACK_LABEL = "p2m.back"
"""Label of a node with which an operator says when a machine that is away will be back: any text, such as ``14:30``."""

HOLDING = frozenset({"new", "running", "pending", "assigned", "accepted", "preparing", "ready", "starting"})
"""States of tasks that hold what they have reserved."""

_CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.*?)\s*")


@dataclass(frozen=True)
class Room:
    """What a machine has or a server asks for.

    Attributes:
        nano_cpus: Cores, in 10⁻⁹.
        memory: Bytes.
        generic: Other things by their kind, such as GPUs, each a number.
    """

    nano_cpus: int = 0
    memory: int = 0
    generic: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Room") -> "Room":
        kinds = {*self.generic, *other.generic}
        generic = {kind: self.generic.get(kind, 0) + other.generic.get(kind, 0) for kind in kinds}
        return Room(self.nano_cpus + other.nano_cpus, self.memory + other.memory, generic)

    def holds(self, used: "Room", wanted: "Room") -> bool:
        """Whether ``wanted`` fits beside what is used."""
        total = used + wanted
        return (
            total.nano_cpus <= self.nano_cpus
            and total.memory <= self.memory
            and all(total.generic[kind] <= self.generic.get(kind, 0) for kind in wanted.generic)
        )


NOTHING = Room()


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: As Swarm knows it.
        hostname: As people know it.
        address: IP address by which the others reach it; empty when it is not known.
        ready: Whether it answers.
        active: Whether it takes new servers: neither paused nor drained.
        room: All that it has.
        labels: An operator's, of ``docker node update --label-add``.
        engine_labels: Of its engine.
        role: ``manager`` or ``worker``.
        os: Such as ``linux``.
        architecture: Such as ``x86_64``.
        changed_at: When the manager noted the last change of its state, ISO 8601.
    """

    id: str
    hostname: str
    address: str = ""
    ready: bool = True
    active: bool = True
    room: Room = NOTHING
    labels: Mapping[str, str] = field(default_factory=dict)
    engine_labels: Mapping[str, str] = field(default_factory=dict)
    role: str = "worker"
    os: str = ""
    architecture: str = ""
    changed_at: str = ""

    @property
    def since(self) -> str:
        """When its state changed last, for people: ``14:03 UTC``."""
        return f"{self.changed_at[11:16]} UTC"

    @property
    def expected_back(self) -> str:
        """When the operator says that it will be back; empty when nobody has said so."""
        return self.labels.get(EXPECTED_BACK_LABEL, "")


def node_of(document: Document) -> Node:
    """A node as the API lists it."""
    spec, description, status = document["Spec"], document["Description"], document["Status"]
    address = status.get("Addr", "")
    if address in ("", "0.0.0.0"):  # noqa: S104 - a manager of older engines says so of itself
        address = document.get("ManagerStatus", {}).get("Addr", "").rpartition(":")[0]
    platform = description.get("Platform", {})
    return Node(
        id=document["ID"],
        hostname=description["Hostname"],
        address=address,
        ready=status["State"] == "ready",
        active=spec["Availability"] == "active",
        room=_room(description.get("Resources", {})),
        labels=spec.get("Labels") or {},
        engine_labels=description.get("Engine", {}).get("Labels") or {},
        role=spec["Role"],
        os=platform.get("OS", ""),
        architecture=platform.get("Architecture", ""),
        changed_at=document.get("UpdatedAt", ""),
    )


def _room(resources: Document) -> Room:
    generic: dict[str, int] = {}
    for item in resources.get("GenericResources") or []:
        if "NamedResourceSpec" in item:  # one such thing, with a name
            kind, count = item["NamedResourceSpec"]["Kind"], 1
        else:
            kind, count = item["DiscreteResourceSpec"]["Kind"], int(item["DiscreteResourceSpec"]["Value"])
        generic[kind] = generic.get(kind, 0) + count
    return Room(resources.get("NanoCPUs", 0), resources.get("MemoryBytes", 0), generic)


def used_rooms(tasks: Iterable[Document]) -> dict[str, Room]:
    """What is reserved on each node, by the node's id, whoever reserved it."""
    used: dict[str, Room] = {}
    for task in tasks:
        node = task.get("NodeID")
        if node and task["Status"]["State"] in HOLDING:
            reserved = _room(task["Spec"].get("Resources", {}).get("Reservations") or {})
            used[node] = used.get(node, NOTHING) + reserved
    return used


def servers_on(tasks: Iterable[Document]) -> dict[str, int]:
    """How many tasks each node has that hold something, by the node's id."""
    counts: dict[str, int] = {}
    for task in tasks:
        if task.get("NodeID") and task["Status"]["State"] in HOLDING:
            counts[task["NodeID"]] = counts.get(task["NodeID"], 0) + 1
    return counts


def meets(node: Node, constraint: str) -> bool:
    """Whether a node meets a placement constraint of Swarm's, such as ``node.labels.gpu == yes``.

    Raises:
        SpawnFailure: It is none.
    """
    match = _CONSTRAINT.fullmatch(constraint)
    if match is None:
        raise _bad_constraint(constraint)
    key, operator, wanted = match.groups()
    values = {
        "node.id": node.id,
        "node.hostname": node.hostname,
        "node.role": node.role,
        "node.platform.os": node.os,
        "node.platform.arch": node.architecture,
    }
    if key == "node.ip":
        return _is_in(node.address, wanted, constraint) is (operator == "==")
    if key.startswith("node.labels."):
        value = node.labels.get(key.removeprefix("node.labels."), "")
    elif key.startswith("engine.labels."):
        value = node.engine_labels.get(key.removeprefix("engine.labels."), "")
    elif key in values:
        value = values[key]
    else:
        raise _bad_constraint(constraint)
    return (value.lower() == wanted.lower()) is (operator == "==")


def _is_in(address: str, wanted: str, constraint: str) -> bool:
    try:
        return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        raise _bad_constraint(constraint) from None


def _bad_constraint(constraint: str) -> SpawnFailure:
    return SpawnFailure(
        "The settings of this hub do not say which machine your server may run on. Tell the administrator.",
        reason="placement",
        log_message=f"placement_constraints: {constraint!r} is no constraint of Swarm's, such as "
        "'node.labels.gpu == yes' or 'node.hostname != node-3'.",
    )


def choose(
    nodes: Iterable[Node],
    tasks: Iterable[Document],
    wanted: Room,
    constraints: Iterable[str],
    strategy: Strategy,
    preferences: Iterable[str] = (),
) -> Node:
    """The node that a server goes to.

    Args:
        nodes: All of the cluster.
        tasks: All of the cluster, whoever they belong to.
        wanted: What the server reserves.
        constraints: Each of which the node meets.
        strategy: ``spread``: the one with the fewest tasks; ``binpack``: the fullest of those in which it fits.
        preferences: Labels, such as ``node.labels.rack``: first the value with the fewest tasks, then the node.

    Raises:
        SpawnFailure: No node is meant, or none of them has room.
    """
    tasks, constraints = list(tasks), list(constraints)
    meant = [node for node in nodes if all(meets(node, constraint) for constraint in constraints)]
    if not meant:
        raise SpawnFailure(
            "No machine of the cluster is meant for your server. Choose another profile, or tell the administrator.",
            reason="placement",
            log_message=f"No node meets the constraints {', '.join(constraints)}.",
        )
    used, counts = used_rooms(tasks), servers_on(tasks)
    open_ones = [
        node for node in meant if node.ready and node.active and node.room.holds(used.get(node.id, NOTHING), wanted)
    ]
    if not open_ones:
        raise cluster_full("; ".join(_why_not(node, used.get(node.id, NOTHING), wanted) for node in meant), wanted)
    if strategy == "binpack":
        return max(open_ones, key=lambda node: (used.get(node.id, NOTHING).memory / max(node.room.memory, 1), node.id))
    groups = [{node.id: _label(node, preference) for node in meant} for preference in preferences]

    def crowd(node: Node) -> tuple[int, ...]:
        """How many tasks there are beside it by each preference, then on itself."""
        beside = [
            sum(counts.get(other, 0) for other, value in group.items() if value == group[node.id]) for group in groups
        ]
        return (*beside, counts.get(node.id, 0), used.get(node.id, NOTHING).memory)

    return min(open_ones, key=lambda node: (crowd(node), node.id))


def _label(node: Node, name: str) -> str:
    if name.startswith("engine.labels."):
        return node.engine_labels.get(name.removeprefix("engine.labels."), "")
    return node.labels.get(name.removeprefix("node.labels."), "")


def cluster_full(log_message: str, wanted: Room) -> SpawnFailure:
    """The failure of a start for which no machine has room.

    Args:
        log_message: Why, for the operator.
        wanted: What the server reserves.
    """
    if wanted.generic:
        return SpawnFailure(
            "All GPUs of the cluster are taken. Choose another profile, or try again when somebody has stopped their "
            "server.",
            reason="cluster_full",
            log_message=log_message,
        )
    return SpawnFailure(
        "All places of the cluster are taken. Try again when somebody has stopped their server, or ask the "
        "administrator for more.",
        reason="cluster_full",
        log_message=log_message,
    )


def _why_not(node: Node, used: Room, wanted: Room) -> str:
    if not node.ready:
        return f"{node.hostname} does not answer"
    if not node.active:
        return f"{node.hostname} takes no new servers"
    generic = ", ".join(
        f"{node.room.generic.get(kind, 0) - used.generic.get(kind, 0)} of {count} {kind}"
        for kind, count in wanted.generic.items()
    )
    return (
        f"{node.hostname} has {(node.room.nano_cpus - used.nano_cpus) / 1e9:g} of {wanted.nano_cpus / 1e9:g} cores and "
        f"{(node.room.memory - used.memory) / 2**30:.3g} of {wanted.memory / 2**30:.3g} GB"
        + (f" and {generic}" if generic else "")
    )
