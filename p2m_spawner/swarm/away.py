"""What somebody is told whose machine is away: why their server does not run, and by when it may. Pure."""

from ..errors import SpawnFailure
from .nodes import Node


def how_it_went_away(hostname: str, node: Node | None, keeps_home: bool) -> str:
    """Why a running server ended whose machine does not answer any more, for its user.

    Args:
        hostname: Name of the machine.
        node: What the manager says of it; None when it is no longer part of the cluster.
        keeps_home: Whether the home is on it and nowhere else.
    """
    since = f" since {node.since}" if node else ""
    what = f"The machine {hostname}, on which your Blender ran, has not answered{since}."
    if not keeps_home:
        return f"{what} Start your server again to go on on another machine with your scene as it was last saved."
    return f"{what} Your files are on it, as they were last saved. {_by_when(node)}"


def home_is_away(hostname: str, node: Node | None) -> SpawnFailure:
    """The failure of a start whose home is on a machine that cannot run it now.

    Args:
        hostname: Name of the machine.
        node: What the manager says of it; None when it is no longer part of the cluster.
    """
    if node is None:
        return SpawnFailure(
            f"The machine {hostname}, which keeps your files, is no longer part of the cluster. Ask the administrator "
            "to bring it back.",
            reason="machine_gone",
            log_message=f"The home is recorded on {hostname}, which `docker node ls` does not have.",
        )
    if not node.ready:
        return SpawnFailure(
            f"The machine {hostname}, which keeps your files, has not answered since {node.since}. {_by_when(node)}",
            reason="machine_away",
            log_message=f"The home is on {hostname}, which is down. `docker node update --label-add p2m.back=14:30 "
            f"{hostname}` tells people when it will be back.",
        )
    return SpawnFailure(
        f"The machine {hostname}, which keeps your files, is being maintained. {_by_when(node)}",
        reason="machine_away",
        log_message=f"The home is on {hostname}, which is paused or drained: `docker node update --availability active "
        f"{hostname}`.",
    )


def _by_when(node: Node | None) -> str:
    if node and node.expected_back:
        return f"It is expected back at {node.expected_back}; then your server can start again."
    return "Your server can start again as soon as it is back; the administrator can say when."
