"""Where homes are that stay on one machine: a record each, kept by the managers of the cluster themselves.

A record is a config object of Swarm (``docker config ls --filter label=p2m.home``), of which the labels count. It lives
as long as the cluster, whatever becomes of the hub's database, and every manager has it. A newer record
of the same home takes the place of the older one, which is then removed: nothing is ever unrecorded in between.
"""

import hashlib
import json
from dataclasses import dataclass
from http import HTTPStatus

import docker
from docker.errors import APIError, NotFound

HOME_LABEL = "p2m.home"
NODE_LABEL = "p2m.node"
HOSTNAME_LABEL = "p2m.hostname"
NUMBER_LABEL = "p2m.number"
MOVING_LABEL = "p2m.moving"

LONGEST_NAME = 64
"""Of a config object, in characters."""


@dataclass(frozen=True)
class HomeRecord:
    """Where a home is.

    Attributes:
        volume: Name of the volume.
        node_id: The machine that has it.
        hostname: That machine's name when this was noted.
        hub: Whose home it is: `hub_id`.
        moving: Whether it is being copied to another machine right now.
        number: Counts the machines that the home has been on.
        id: The object's id.
    """

    volume: str
    node_id: str
    hostname: str
    hub: str
    moving: bool = False
    number: int = 0
    id: str = ""


def find_home(client: docker.APIClient, volume: str) -> HomeRecord | None:
    """Where a home is; None when it is nowhere yet.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    return max(_records(client, volume), key=lambda record: record.number, default=None)


def record_home(
    client: docker.APIClient, volume: str, node_id: str, hostname: str, hub: str, moving: bool = False
) -> HomeRecord:
    """Note where a home is from now on; the arguments are those of `HomeRecord`.

    Returns:
        The record that holds: another one when somebody else was faster.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    older = _records(client, volume)
    number = 1 + max((record.number for record in older), default=0)
    labels = {
        HOME_LABEL: volume,
        NODE_LABEL: node_id,
        HOSTNAME_LABEL: hostname,
        NUMBER_LABEL: str(number),
        MOVING_LABEL: "yes" if moving else "",
        "p2m.hub": hub,
    }
    try:
        client.create_config(_name(volume, number), json.dumps(labels).encode(), labels=labels)
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
    for record in older:
        _remove(client, record)
    found = find_home(client, volume)
    assert found is not None  # noqa: S101 - made above, or by who was faster
    return found


def forget_home(client: docker.APIClient, volume: str) -> None:
    """Forget where a home was, because it is gone.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    for record in _records(client, volume):
        _remove(client, record)


def _records(client: docker.APIClient, volume: str) -> list[HomeRecord]:
    found = []
    for config in client.configs(filters={"label": f"{HOME_LABEL}={volume}"}):
        labels = config["Spec"]["Labels"]
        found.append(
            HomeRecord(
                volume=volume,
                node_id=labels[NODE_LABEL],
                hostname=labels[HOSTNAME_LABEL],
                hub=labels.get("p2m.hub", ""),
                moving=bool(labels.get(MOVING_LABEL)),
                number=int(labels[NUMBER_LABEL]),
                id=config["ID"],
            )
        )
    return found


def _remove(client: docker.APIClient, record: HomeRecord) -> None:
    try:
        client.remove_config(record.id)
    except NotFound:
        return


def _name(volume: str, number: int) -> str:
    name = f"{volume}.{number}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{hashlib.sha256(volume.encode()).hexdigest()[:40]}.{number}"
