"""What a pod says of itself: whether it has started, why it cannot, how it ended. Pure: dictionaries of the API in.

Reasons are those that kubelet and scheduler write (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from .endings import Ending
from .errors import SpawnFailure, server_died

Pod = Mapping[str, Any]
"""A pod as the API has it, in JSON's names."""

CONTAINER = "notebook"
"""KubeSpawner's name for the container with the server."""

HUB_LABEL = "p2m.hub"
"""Label of everything that a hub creates: which hub it was."""

USER_ANNOTATION = "hub.jupyter.org/username"
SERVER_ANNOTATION = "hub.jupyter.org/servername"
"""KubeSpawner's annotations of a pod; there is none for the default server."""

IMAGE_SETTING_ANNOTATION = "p2m.image-setting"
"""Annotation of a pod: which image the operator's setting named when it was created."""

NO_IMAGE = {"InvalidImageName", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "ImageInspectError"}
"""Why a container waits: its image is not there and did not come."""

FIRST_PULL_FAILED = "ErrImagePull"
"""Kubelet tries a pull again after its first failure; only the next, with its pause, is given up."""

NOT_MADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
"""Why a container waits: the node refuses to make it."""

_UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate(["m", "", "k", "M", "G", "T", "P", "E"], -1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], 1)},
}

_QUANTITY = re.compile(r"(?P<number>-?[0-9]+(\.[0-9]*)?(e[0-9]+)?)(?P<unit>[KMGTPE]i|[mkMGTPE]?)")


def amount(quantity: str | float) -> float:
    """A number as the API writes quantities: ``4294967296``, ``4Gi``, ``500m``.

    Raises:
        ValueError: It is none.
    """
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity")
    return float(Decimal(match["number"]) * _UNITS[match["unit"]])


def moment(text: str | None) -> datetime | None:
    """A time as the API writes it, ``2026-11-25T03:36:01Z``; None for none."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def statuses(pod: Pod) -> Iterator[Mapping[str, Any]]:
    """What kubelet says of each container, the first of init containers."""
    for group in ("initContainerStatuses", "containerStatuses"):
        yield from pod["status"].get(group) or []


def has_started(pod: Pod | None) -> bool:
    """Whether all containers run and the pod has an address; its Blender may still be starting."""
    return (
        pod is not None
        and pod["status"].get("phase") == "Running"
        and bool(pod["status"].get("podIP"))
        and "deletionTimestamp" not in pod["metadata"]
        and all("running" in status["state"] for status in pod["status"].get("containerStatuses") or [])
    )


def exit_of(pod: Pod | None) -> int | None:
    """The exit code of a server that ended, 1 when nothing says which; None while it runs or starts."""
    if pod is None:
        return 1
    if terminated := _terminated(pod):
        return int(terminated["exitCode"])
    return 1 if pod["status"].get("phase") in ("Failed", "Succeeded") else None


def _terminated(pod: Pod) -> Mapping[str, Any] | None:
    for status in pod["status"].get("containerStatuses") or []:
        if status["name"] == CONTAINER:
            ended: Mapping[str, Any] | None = status["state"].get("terminated")
            return ended
    return None


def is_of_hub(pod: Pod, label: str) -> bool:
    """Whether the hub with this label has created it."""
    return bool((pod["metadata"].get("labels") or {}).get(HUB_LABEL) == label)


def environment_of(pod: Pod) -> dict[str, str]:
    """The environment that the server was given; not what comes from secrets and the like."""
    entries = next((each.get("env") or [] for each in pod["spec"]["containers"] if each["name"] == CONTAINER), [])
    return {entry["name"]: entry.get("value", "") for entry in entries}


def image_of(pod: Pod) -> str:
    """The name of the server's image."""
    return next((str(each["image"]) for each in pod["spec"]["containers"] if each["name"] == CONTAINER), "")


def ending_of(pod: Pod | None, log: str) -> Ending:
    """How a server ended.

    Args:
        pod: None when it is gone.
        log: Its last lines.
    """
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return Ending(removed=True)
    terminated = _terminated(pod) or {}
    said = [pod["status"].get("reason"), pod["status"].get("message"), terminated.get("message")]
    limits = next((each.get("resources") or {} for each in pod["spec"]["containers"] if each["name"] == CONTAINER), {})
    memory = (limits.get("limits") or {}).get("memory")
    return Ending(
        exit_code=terminated.get("exitCode"),
        out_of_memory=terminated.get("reason") == "OOMKilled",
        error=": ".join(part for part in said if part),
        ended_at=moment(terminated.get("finishedAt")),
        log=log,
        memory_limit=int(amount(memory)) if memory else None,
    )


def failure_of(pod: Pod) -> SpawnFailure | None:
    """Why a pod that is being started will never be; None while it may."""
    if exit_of(pod) is not None or "deletionTimestamp" in pod["metadata"]:
        return server_died(f"Pod {pod['metadata']['name']}: {ending_of(pod, '').log_message}")
    for status in statuses(pod):
        waiting = status["state"].get("waiting") or {}
        reason, cause = waiting.get("reason"), f"{waiting.get('reason')}: {waiting.get('message', '')}"
        if reason in NO_IMAGE and reason != FIRST_PULL_FAILED:
            return SpawnFailure(
                "The Blender image could not be fetched. Tell the administrator.",
                reason="image_pull",
                log_message=f"Image {status.get('image')}: {cause}. Nodes need a way to its registry and, for a "
                "private one, image_pull_secrets.",
            )
        if reason in NOT_MADE:
            return SpawnFailure(
                "Your container could not be started. Try again; if it happens again, tell the administrator.",
                reason="engine",
                log_message=f"Kubernetes: {cause}",
            )
    return None


def failure_of_waiting(pod: Pod | None, last_warning: str, seconds: float) -> SpawnFailure:
    """Why a pod has not started in all the time that it had.

    Args:
        pod: As it is now; None when it never showed up.
        last_warning: What its latest event of type Warning says, empty without one.
        seconds: How long it was waited for.
    """
    conditions = (pod["status"].get("conditions") or []) if pod else []
    unscheduled = next(
        (each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False"), None
    )
    why = (unscheduled or {}).get("message") or last_warning
    cause = f"Not started after {seconds:g} s: {why or 'no container runs, and nothing says why'}"
    if "persistentvolumeclaim" in why.lower() or "FailedMount" in why or "FailedAttachVolume" in why:
        return SpawnFailure(
            "The disk of your home, or of shared files, could not be attached. Try again in a few minutes; if it "
            "happens again, tell the administrator.",
            reason="home_unavailable",
            log_message=cause,
        )
    if unscheduled:
        return SpawnFailure(
            "No machine of the cluster has room for your server. Try again later, or choose a smaller profile.",
            reason="cluster_full",
            log_message=cause,
        )
    return SpawnFailure(
        "Your server did not start in time. Try again in a few minutes; if it happens again, tell the administrator.",
        reason="pod_timeout",
        log_message=cause,
    )
