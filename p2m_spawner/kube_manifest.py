"""What a user's pod is asked for beneath an operator's own options. No I/O, no hub.

The pod meets the profile *restricted* of the Pod Security Standards
(kubernetes.io/docs/concepts/security/pod-security-standards/), and has what `docker_options.py` asks of Docker where
Kubernetes has a word for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes_asyncio.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1PersistentVolumeClaimVolumeSource,
    V1PodSpec,
    V1Volume,
    V1VolumeMount,
)

from .docker_options import HOME, Options, merged
from .errors import SpawnFailure
from .profiles import Asset, Gpus

USER = 1000
"""User and group of everything in the image (docs/architecture.md)."""

POD_SECURITY: Options = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    # A home with many files would be walked through at each start otherwise.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}

CONTAINER_SECURITY: Options = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}

READINESS_PROBE: Options = {
    # The status page wants the server's token, which belongs into no manifest: the program in the image has it.
    "exec": {"command": ["p2m-ready"]},
    "periodSeconds": 10,
    "timeoutSeconds": 5,
    "failureThreshold": 3,
}
"""Ready as `p2m/status` says it. The hub asks the status itself, ten times a second, and does not wait for kubelet."""

SCRATCH = {"/tmp": "1Gi", "/run": "64Mi"}  # noqa: S108
"""What can be written beside the home, in memory, and how much; it counts to the memory limit, as on Docker."""


def confine(spec: V1PodSpec) -> None:
    """Lock a pod's first container in; what the operator has set of the same lies over it."""
    container = spec.containers[0]
    # Dictionaries in JSON's names, as KubeSpawner has them.
    spec.security_context = merged(POD_SECURITY, _plain(spec.security_context))  # type: ignore[assignment]
    container.security_context = merged(CONTAINER_SECURITY, _plain(container.security_context))  # type: ignore[assignment]
    if spec.enable_service_links is None:
        spec.enable_service_links = False  # or the environment would tell of each service of the namespace
    if container.readiness_probe is None:
        container.readiness_probe = READINESS_PROBE


def _plain(context: Any) -> Options:
    """A security context as a dictionary in JSON's names, whichever way KubeSpawner has it."""
    if context is None or isinstance(context, Mapping):
        return dict(context or {})
    return {key: value for key, value in context.to_dict(serialize=True).items() if value is not None}


def add_scratch(spec: V1PodSpec) -> None:
    """Give the container what it writes to beside its home, except where the operator mounts something himself."""
    for path, size in SCRATCH.items():
        if not mounts_at(spec.containers[0], path):
            memory = V1EmptyDirVolumeSource(medium="Memory", size_limit=size)
            _mount(spec, V1Volume(name=f"scratch-{path[1:]}", empty_dir=memory), path)


def add_assets(spec: V1PodSpec, assets: Iterable[Asset]) -> None:
    """Mount shared files read-only.

    Raises:
        SpawnFailure: They are a folder of a node, which *restricted* forbids.
    """
    for number, asset in enumerate(assets):
        if asset.source.startswith("/"):
            raise unusable_profile(
                f"The shared files {asset.source} are a folder of the host, which no restricted pod may mount. Name a "
                "PersistentVolumeClaim of the namespace as their source."
            )
        claim = V1PersistentVolumeClaimVolumeSource(claim_name=asset.source, read_only=True)
        _mount(spec, V1Volume(name=f"assets-{number}", persistent_volume_claim=claim), asset.path, read_only=True)


def _mount(spec: V1PodSpec, volume: V1Volume, path: str, read_only: bool | None = None) -> None:
    container = spec.containers[0]
    spec.volumes = [*(spec.volumes or []), volume]
    mount = V1VolumeMount(name=volume.name, mount_path=path, read_only=read_only)
    container.volume_mounts = [*(container.volume_mounts or []), mount]


def mounts_at(container: V1Container, path: str) -> bool:
    """Whether something is mounted at a path."""
    return any(mount.mount_path.rstrip("/") == path for mount in container.volume_mounts or [])


def check_image_needs(container: V1Container) -> None:
    """Make sure that the container can start Blender at all.

    Raises:
        SpawnFailure: It has no home, or another command than the image's.
    """
    if not mounts_at(container, HOME):
        raise SpawnFailure(
            "Your server has no place for its home. Tell the administrator.",
            reason="home_unavailable",
            log_message=f"No volume is mounted at {HOME}. Of Zero to JupyterHub: singleuser.storage.homeMountPath; of "
            "KubeSpawner: volumes and volume_mounts.",
        )
    if (container.args or [])[:1] == ["jupyterhub-singleuser"]:
        raise SpawnFailure(
            "Your server would have no Blender. Tell the administrator.",
            reason="wrong_command",
            log_message="The server's command is jupyterhub-singleuser, which starts no Blender. Of Zero to "
            "JupyterHub: `singleuser.cmd: start-p2m`; of KubeSpawner: leave out cmd.",
        )


def set_limits(container: V1Container, gpus: Gpus, gpu_resource: str) -> None:
    """Ask for GPUs, and for no more than the limits: a smaller profile would be refused otherwise.

    Args:
        container: KubeSpawner's, with the operator's limits and guarantees.
        gpus: How many. Kubernetes has no word for all of a machine, nor for ids.
        gpu_resource: What the cluster's device plugin calls them.

    Raises:
        SpawnFailure: It is no number.
    """
    if not isinstance(gpus, int):
        raise unusable_profile(
            f"gpus is {gpus!r}, but Kubernetes hands out a number of GPUs. Give a number; which machines have them, "
            "node_selector says."
        )
    limits, requests = container.resources.limits, container.resources.requests
    if gpus:
        limits.setdefault(gpu_resource, str(gpus))
    for name in ("cpu", "memory"):
        limit, request = limits.get(name), requests.get(name)
        if isinstance(limit, int | float) and isinstance(request, int | float):
            requests[name] = min(request, limit)


def unusable_profile(log_message: str) -> SpawnFailure:
    """The failure of a start whose profile asks for what Kubernetes does not have."""
    return SpawnFailure(
        "Your profile cannot be used in this cluster. Choose another one, or tell the administrator.",
        reason="profiles_unusable",
        log_message=log_message,
    )
