"""Questions to a manager of the swarm. Knows no spawner and no hub."""

from collections.abc import Iterable
from typing import Any

import docker
from docker.errors import APIError, NotFound

from ..errors import SpawnFailure
from .nodes import Node, node_of

NOT_A_MANAGER = ("not a swarm manager", "not part of a swarm", "swarm is encrypted")


def is_no_manager(error: BaseException) -> bool:
    """Whether an engine answered that it manages no swarm."""
    return isinstance(error, APIError) and any(words in str(error.explanation) for words in NOT_A_MANAGER)


def no_manager(error: APIError, url: str) -> SpawnFailure:
    """The failure of a start at an engine that manages no swarm.

    Args:
        error: Its answer.
        url: The engine's address.
    """
    return SpawnFailure(
        "This hub does not reach a manager of the cluster. Tell the administrator.",
        reason="not_a_manager",
        log_message=f"The engine at {url} is no manager of a swarm: {error.explanation}. DOCKER_HOST must name one; "
        "`docker node ls` works there.",
    )


def list_nodes(client: docker.APIClient) -> list[Node]:
    """All machines of the cluster.

    Raises:
        docker.errors.APIError: The engine refused, for example because it is no manager.
    """
    return [node_of(document) for document in client.nodes()]


def tasks_of(client: docker.APIClient, service_id: str) -> list[dict[str, Any]]:
    """All tries to run a service, also those that Swarm has given up; none when there is no such service.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    try:
        return list(client.tasks(filters={"service": service_id}))
    except NotFound:
        return []


def image_reference(client: docker.APIClient, image: str) -> str:
    """What all nodes understand as the image that the manager's engine has by this name.

    A name alone would make every node ask the registry at every start, for twenty seconds where there is none. With a
    digest a node pulls what it lacks; an image that came from no registry is known by its id, and loaded by hand.

    Args:
        client: Low-level docker client.
        image: A name, with or without its tag or digest.

    Returns:
        Name and digest, or the image's id; the name itself when the manager has no such image.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    try:
        found = client.inspect_image(image)
    except NotFound:
        return image
    name = image.partition("@")[0]
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    digests: Iterable[str] = found.get("RepoDigests") or []
    return next((digest for digest in digests if digest.partition("@")[0] == repository), str(found["Id"]))


def check_network(client: docker.APIClient, name: str) -> None:
    """Make sure that tasks on all nodes can join a network.

    Raises:
        SpawnFailure: There is no such network, or it is one machine's alone.
        docker.errors.APIError: The engine refused.
    """
    found = [network for network in client.networks(names=[name]) if network["Name"] == name]
    if any(network["Scope"] == "swarm" for network in found):
        return
    cause = "is of one machine alone" if found else "does not exist"
    raise SpawnFailure(
        "The network of this hub's servers cannot be used. Tell the administrator.",
        reason="network_unusable",
        log_message=f"network_name is {name!r}, and that network {cause}; make it with `docker network create "
        f"--driver overlay --attachable {name}`, or leave network_name empty for ports of the machines.",
    )
