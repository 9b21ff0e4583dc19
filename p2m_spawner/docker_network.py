"""The network of the users' containers: a bridge on which they reach the hub, and not each other."""

from http import HTTPStatus

import docker
from docker.errors import APIError

ICC_OPTION = "com.docker.network.bridge.enable_icc"


def ensure_network(client: docker.APIClient, name: str) -> str:
    """Make sure that the bridge network exists.

    A network of that name that already exists is used as it is: it is the operator's.

    Args:
        client: Low-level docker client.
        name: Name of the network.

    Returns:
        The address of its gateway on the host, where a hub can listen for the containers; empty when the
        network has none.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    found = [network for network in client.networks(names=[name]) if network["Name"] == name]
    if not found:
        try:
            client.create_network(
                name,
                driver="bridge",
                options={ICC_OPTION: "false"},
                labels={"p2m.network": name},
                check_duplicate=True,
            )
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:  # another hub was faster
                raise
    pools = client.inspect_network(name)["IPAM"]["Config"] or []
    return next((pool["Gateway"] for pool in pools if "Gateway" in pool), "")


def keeps_containers_apart(client: docker.APIClient, name: str) -> bool:
    """Whether containers on a network do not reach each other: a bridge with traffic between containers off.

    Args:
        client: Low-level docker client.
        name: Name of a network that exists.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    options = client.inspect_network(name)["Options"] or {}
    return bool(options.get(ICC_OPTION) == "false")
