"""GPUs and shared files as a Docker engine takes them, and what its refusals of them mean."""

from collections.abc import Iterable

import docker
from docker.errors import APIError, NotFound
from docker.types import DeviceRequest, Mount

from .errors import SpawnFailure
from .profiles import Asset, Gpus


def device_requests(gpus: Gpus) -> list[DeviceRequest]:
    """The engine's requests for GPUs.

    Args:
        gpus: How many (not 0), ``all``, or ids as the engine's device driver knows them.
    """
    if isinstance(gpus, tuple):
        return [DeviceRequest(device_ids=list(gpus), capabilities=[["gpu"]])]
    return [DeviceRequest(count=-1 if gpus == "all" else gpus, capabilities=[["gpu"]])]


def mounts(assets: Iterable[Asset]) -> list[Mount]:
    """Read-only mounts of shared files. Mounts and not binds: the engine makes a missing folder of a bind by itself."""
    return [
        Mount(asset.path, asset.source, type="bind" if asset.source.startswith("/") else "volume", read_only=True)
        for asset in assets
    ]


def check_volumes(client: docker.APIClient, assets: Iterable[Asset]) -> None:
    """Make sure that the volumes of shared files exist: the engine would make an empty one of a misspelt name.

    Raises:
        SpawnFailure: One does not.
        docker.errors.APIError: The engine refused.
    """
    for asset in assets:
        if asset.source.startswith("/"):
            continue
        try:
            client.inspect_volume(asset.source)
        except NotFound:
            raise _assets_missing(f"There is no volume {asset.source} for {asset.path}.") from None


def explain_resources(error: BaseException) -> SpawnFailure | None:
    """What an engine's error means when it is about GPUs or shared files; None when it is about something else."""
    text = str(error)
    if not isinstance(error, APIError):
        return None
    if "could not select device driver" in text or "nvidia-container" in text:
        return SpawnFailure(
            "This machine has no GPU for your server. Choose another profile, or tell the administrator.",
            reason="gpu_unavailable",
            log_message=f"The engine has no GPU to give, or not the NVIDIA Container Toolkit: {text}",
        )
    if "bind source path does not exist" in text:
        return _assets_missing(text)
    return None


def _assets_missing(log_message: str) -> SpawnFailure:
    return SpawnFailure(
        "The shared files of your profile are not on this machine. Choose another profile, or tell the administrator.",
        reason="assets_missing",
        log_message=log_message,
    )
