"""What Swarm says of one server's tasks: whether it runs and where, what is being waited for, why it ended. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SpawnFailure

COMING = frozenset({"new", "pending", "assigned", "accepted", "preparing", "ready", "starting"})
"""States of a task that does not run yet."""

LOOKING = "Looking for a place in the cluster …"
"""What is being done for a server that has no machine yet."""

_PORT_TAKEN = ("port is already allocated", "address already in use", "host-mode port already in use")
_NO_IMAGE = ("no such image", "pull access denied", "manifest unknown", "not found: manifest")
_NO_HOME = ("volume plugin", "error while mounting volume", "failed to mount local volume", "error creating volume")


@dataclass(frozen=True)
class Task:
    """One try to run a server.

    Attributes:
        id: Swarm's.
        state: Such as ``preparing``, ``running`` or ``failed``, as its node told last.
        wanted: The state that Swarm wants it in.
        node_id: Where it is; empty while it has no place.
        message: What Swarm says of it.
        error: Why it failed, or is not placed; empty when nothing is wrong.
        exit_code: Of its container; None when it did not end by itself.
        at: When its node told that state last, by the node's own clock, ISO 8601.
    """

    id: str
    state: str
    wanted: str
    node_id: str = ""
    message: str = ""
    error: str = ""
    exit_code: int | None = None
    at: str = ""

    @property
    def is_coming(self) -> bool:
        """Whether it will run, as far as is known."""
        return self.state in COMING and self.wanted in ("running", "ready")

    @property
    def runs(self) -> bool:
        """Whether it runs and shall; one on a machine that does not answer shall not."""
        return self.state == "running" and self.wanted == "running"

    @property
    def has_no_place(self) -> bool:
        """Whether the scheduler found no machine for it."""
        return self.state == "pending" and "no suitable node" in self.error

    @property
    def has_ended(self) -> bool:
        """Whether its node knows that nothing of it runs any more."""
        return self.state in ("complete", "failed", "rejected", "shutdown", "remove", "orphaned")


def task_of(document: Mapping[str, Any]) -> Task:
    """A task as the API lists it."""
    status = document["Status"]
    container = status.get("ContainerStatus") or {}
    ended = status["State"] in ("complete", "failed", "shutdown")
    return Task(
        id=document["ID"],
        state=status["State"],
        wanted=document["DesiredState"],
        node_id=document.get("NodeID", ""),
        message=status.get("Message", ""),
        error=status.get("Err", ""),
        exit_code=container.get("ExitCode") if ended and container.get("ContainerID") else None,
        at=status.get("Timestamp", ""),
    )


def latest(documents: Iterable[Mapping[str, Any]]) -> Task | None:
    """The try that counts: the newest one, by the manager's clock. None without any."""
    newest = max(documents, key=lambda document: (document["CreatedAt"], document["ID"]), default=None)
    return None if newest is None else task_of(newest)


def sentence(task: Task, hostname: str) -> str:
    """What is being done for a server that does not run yet, for its user.

    Args:
        task: The try.
        hostname: Of its node; empty while it has none.
    """
    if task.state == "starting":
        return f"Starting your server on {hostname} …"
    if hostname and task.state in ("assigned", "accepted"):
        return f"Your server goes to {hostname} …"
    if hostname:
        return f"{hostname} prepares your server; without the Blender image it pulls it now …"
    return LOOKING


def port_was_taken(task: Task) -> bool:
    """Whether it failed because another program of its machine has the published port."""
    return _says(task.error, *_PORT_TAKEN)


def image_is_missing(task: Task) -> bool:
    """Whether its machine neither has the image nor could pull it."""
    return _says(task.error, *_NO_IMAGE)


def failure_of(task: Task, hostname: str, image: str) -> SpawnFailure:
    """Why a server did not come to run.

    Args:
        task: The try that failed.
        hostname: Of its node.
        image: What it was to run.
    """
    told = f"Task {task.id} on {hostname} is {task.state}: {task.error or task.message}"
    if image_is_missing(task):
        return SpawnFailure(
            f"The Blender image is not on the machine {hostname}. Tell the administrator.",
            reason="image_missing",
            log_message=f"{told}. The service wants {image}; load it there (`docker save`, `docker load`), or name an "
            "image of a registry that all machines reach.",
        )
    if _says(task.error, "no space left on device"):
        return SpawnFailure(
            f"The disk of the machine {hostname} is full. Tell the administrator.",
            reason="disk_full",
            log_message=told,
        )
    if _says(task.error, *_NO_HOME):
        return SpawnFailure(
            f"The machine {hostname} cannot open the folder with your files. Tell the administrator.",
            reason="home_unavailable",
            log_message=f"{told}. Look at home_storage, volume_driver and volume_driver_options.",
        )
    if _says(task.error, "bind source path does not exist"):
        return SpawnFailure(
            f"The shared files of your profile are not on the machine {hostname}. Choose another profile, or tell the "
            "administrator.",
            reason="assets_missing",
            log_message=told,
        )
    if re.search(r"non-zero exit \(\d+\)", task.error) or task.state == "complete":
        return SpawnFailure(
            "Your server ended while it was starting. Start it again; if it happens again, tell the administrator.",
            reason="server_died",
            log_message=told,
        )
    return SpawnFailure(
        f"Your server could not be started on {hostname}. Try again; if it happens again, tell the administrator.",
        reason="engine",
        log_message=told,
    )


def _says(error: str, *words: str) -> bool:
    return any(word in error.lower() for word in words)
