"""Which volume is somebody's home, and nobody else's. Pure."""

from collections.abc import Mapping
from typing import Any

from .docker_options import HOME

_USER = ("{username}", "{safe_username}", "{raw_username}")
_SERVER = ("{servername}", "{raw_servername}")


def own_home(volumes: Mapping[str, Any], of_named_server: bool) -> str | None:
    """Find the volume that goes when a server is deleted for good.

    Args:
        volumes: DockerSpawner's ``volumes``: templates of names or paths, and where they are mounted.
        of_named_server: Whether it is a named server: what its user's other servers have as well is not its own.

    Returns:
        The template of the volume's name; None when the home is a folder of the host, is shared, or is no volume.
    """
    for source, bind in volumes.items():
        target = bind["bind"] if isinstance(bind, Mapping) else bind
        has_user = any(word in source for word in _USER)
        has_server = any(word in source for word in _SERVER)
        if target == HOME and "/" not in source and has_user and (has_server or not of_named_server):
            return source
    return None
