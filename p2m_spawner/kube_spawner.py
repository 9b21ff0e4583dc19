"""``blender-kube``: the mixin on KubeSpawner 7. Says only how Kubernetes does it; bad days: kube_faults.py."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import aiohttp
from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import V1PersistentVolumeClaim, V1Pod, V1Service
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from traitlets import Int, Unicode, default

from .docker_options import HOME
from .errors import OptionsRefused, SpawnFailure, server_died
from .kube_events import Event, Step, last_warning, of_pod, step_of
from .kube_faults import KILL_GRACE_S, KubeFaults
from .kube_manifest import USER, add_assets, add_scratch, check_image_needs, confine, set_limits
from .kube_pods import HUB_LABEL, Pod, failure_of, failure_of_waiting, is_of_hub
from .kube_profiles import in_kubespawner_terms
from .kube_upkeep import KubeUpkeep
from .profile_options import PROFILE, refusal, single_values
from .profiles import checked_options

LOOK_S = 0.25
"""Seconds between two looks at what the reflectors have seen of a start; they ask nobody."""

PULL_NEWS_S = 10.0
"""Seconds between two words about a pull that goes on: Kubernetes says nothing of it meanwhile."""


class BlenderKubeSpawner(KubeUpkeep, KubeFaults):
    """A pod with Blender, its MCP server, JupyterLab and a desktop for each user."""

    hub_id = Unicode(
        "p2m",
        help="""
        Text (default ``p2m``) that tells the pods, services and claims of this hub from those of other hubs in the
        same namespace. It is the value of the label ``p2m.hub``. Set it to something of this hub's own: pods that
        bear it and belong to no server in the hub's database are deleted, for example after a stop that failed. With
        the default, which another hub may have as well, none is. A pod of another hub is never touched.

        Example: ``c.BlenderKubeSpawner.hub_id = "class-3b"``.
        """,
    ).tag(config=True)

    gpu_resource = Unicode(
        "nvidia.com/gpu",
        help="""
        Name (default ``nvidia.com/gpu``) under which the cluster's device plugin offers GPUs; a profile's ``gpus`` is
        a limit of it.

        Example: ``c.BlenderKubeSpawner.gpu_resource = "amd.com/gpu"``.
        """,
    ).tag(config=True)

    starts_at_once = Int(
        None,
        min=1,
        allow_none=True,
        help="""
        Number (default: no limit) of servers that start at the same time; more wait for their turn, and their spawn
        pages say which place they have. On a cluster the scheduler spreads starts over machines; set it where all
        servers run on a few.

        Example: ``c.BlenderKubeSpawner.starts_at_once = 8``.
        """,
    ).tag(config=True)

    # Of KubeSpawner:
    pod_name: str
    profile_list: Any

    # Defaults of KubeSpawner's traits that make a pod a user's own Blender

    @default("image")
    def _image_default(self) -> str:
        return "p2m/blender-singleuser:latest"

    @default("cmd")
    def _cmd_default(self) -> list[str]:
        # The image's own; KubeSpawner passes arguments on only where it is said.
        return ["start-p2m"]

    @default("pod_name_template")
    def _pod_name_template_default(self) -> str:
        return "p2m-{user_server}"

    @default("pvc_name_template")
    def _pvc_name_template_default(self) -> str:
        # Two Blenders that saved their session into one home would overwrite each other's work.
        return "p2m-{user_server}"

    @default("storage_pvc_ensure")
    def _storage_pvc_ensure_default(self) -> bool:
        return True

    @default("storage_capacity")
    def _storage_capacity_default(self) -> str:
        return "10Gi"

    @default("volumes")
    def _volumes_default(self) -> list[dict[str, Any]]:
        return [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}]

    @default("volume_mounts")
    def _volume_mounts_default(self) -> list[dict[str, Any]]:
        return [{"name": "home", "mountPath": HOME}]

    @default("notebook_dir")
    def _notebook_dir_default(self) -> str:
        return HOME

    @default("uid")
    def _uid_default(self) -> int:
        return USER

    @default("gid")
    def _gid_default(self) -> int:
        return USER

    @default("fs_gid")
    def _fs_gid_default(self) -> int:
        return USER

    @default("mem_limit")
    def _mem_limit_default(self) -> int:
        return 4 * 1024**3

    @default("mem_guarantee")
    def _mem_guarantee_default(self) -> int:
        return 1024**3  # a desktop with a small scene; without it the scheduler would keep the whole limit free

    @default("cpu_limit")
    def _cpu_limit_default(self) -> float:
        return 2.0

    @default("cpu_guarantee")
    def _cpu_guarantee_default(self) -> float:
        return 0.25

    @default("delete_grace_period")
    def _delete_grace_period_default(self) -> int:
        return 10  # seconds in which Blender saves

    @default("delete_stopped_pods")
    def _delete_stopped_pods_default(self) -> bool:
        return False  # the mixin deletes a pod that ended after it has read how

    # Manifests: the operator's own options lie over ours

    async def get_pod_manifest(self) -> V1Pod:
        """KubeSpawner's pod, locked in and with what our image needs.

        Raises:
            SpawnFailure: Kubernetes does not have what the profile or the operator asks for.
        """
        pod: V1Pod = await super().get_pod_manifest()
        spec = pod.spec
        container = spec.containers[0]
        pod.metadata.labels.setdefault(HUB_LABEL, self.hub_label)
        pod.metadata.annotations.update(self.upkeep_annotations)
        if not {"restartPolicy", "restart_policy"} & set(self.extra_pod_config):
            # A server that ended is told of and started by its user; kubelet would start it for ever without a word.
            spec.restart_policy = "Never"
        confine(spec)
        add_scratch(spec)
        add_assets(spec, self.assets)
        set_limits(container, self.gpus, self.gpu_resource)
        check_image_needs(container)
        return pod

    def get_pvc_manifest(self) -> V1PersistentVolumeClaim:
        """KubeSpawner's claim, with this hub's label."""
        claim: V1PersistentVolumeClaim = super().get_pvc_manifest()
        claim.metadata.labels.setdefault(HUB_LABEL, self.hub_label)
        return claim

    def get_service_manifest(self, owner_reference: Any, port: int) -> V1Service:
        """KubeSpawner's service, with this hub's label, which answers also while Blender is restarted."""
        service: V1Service = super().get_service_manifest(owner_reference, port)
        service.metadata.labels.setdefault(HUB_LABEL, self.hub_label)
        service.spec.publish_not_ready_addresses = True
        return service

    # Profiles: ours, or the operator's own in KubeSpawner's terms

    @default("profile_list")
    def _profile_list_default(self) -> Any:
        return BlenderKubeSpawner.profiles_of_user

    async def profiles_of_user(self) -> list[dict[str, Any]]:
        """Our profiles that the server's owner may use, as KubeSpawner's ``profile_list`` has them.

        Raises:
            ProfileError: The operator's list cannot be used.
        """
        profiles = await self.all_profiles()
        return in_kubespawner_terms(profiles.open_to(self._groups(), self.user.admin))

    @property
    def _has_own_profile_list(self) -> bool:
        """Whether the operator has set KubeSpawner's ``profile_list``, which then is what users choose from."""
        return bool(self.profile_list) and self.profile_list is not BlenderKubeSpawner.profiles_of_user

    def engine_options_form(self) -> Any:
        """KubeSpawner's own page, for its ``profile_list``."""
        return super()._options_form_default() if self._has_own_profile_list else ""

    @default("options_from_form")
    def _form_reader(self) -> Any:
        # By its class: the mixin has something else of this name.
        return partial(KubeSpawner._options_from_form, self) if self._has_own_profile_list else single_values

    async def apply_options(self, options: Any) -> None:
        """As the mixin's; with KubeSpawner's ``profile_list`` its options are checked, which KubeSpawner uses later."""
        if not self._has_own_profile_list:
            await super().apply_options(options)
            return
        if (await self.all_profiles()).profiles:
            conflict = SpawnFailure(
                "The profiles of this hub cannot be used right now. Tell the administrator.",
                reason="profiles_unusable",
                log_message="Both KubeSpawner's profile_list and profiles (or profiles_file) are set; leave one out.",
            )
            raise refusal(conflict, 503)
        listed = self._sorted_dict_values(self.profile_list)
        known = self._get_initialized_profile_list(await maybe_future(listed(self)) if callable(listed) else listed)
        choices = {
            name: option.get("choices") for each in known for name, option in each.get("profile_options", {}).items()
        }
        names = {PROFILE, *choices, *(f"{name}--unlisted-choice" for name in choices)}
        try:
            checked = checked_options(options, names)
            if any(name in choices and value not in (choices[name] or {}) for name, value in checked.items()):
                raise OptionsRefused("There is no such choice. Choose one of those on the options page.")
            self.user_options = checked
            self._validate_user_options(known)
        except (OptionsRefused, ValueError) as error:
            self.user_options = self.orm_spawner.user_options = {}
            refused = error if isinstance(error, OptionsRefused) else OptionsRefused(f"{error}")
            raise refusal(refused, refused.status_code) from None
        self._options_applied = True

    async def load_user_options(self) -> None:
        """KubeSpawner's use of its own ``profile_list``; a profile of ours has been chosen and used by the mixin."""
        if self._has_own_profile_list:
            await super().load_user_options()

    # Start and stop

    _told_events: set[tuple[str, int]]
    _left_uid: str | None = None  # of the pod that made way for this start's; empty: none did; None: not yet created

    async def _start(self) -> Any:
        """KubeSpawner's start, told step by step, which ends as soon as it is plain that nothing will come of it.

        Raises:
            SpawnFailure: It will not start.
            kubernetes_asyncio.client.ApiException, aiohttp.ClientError, OSError: The API server refused or is away.
        """
        if self.publish_mcp:
            raise SpawnFailure(
                "Your server could not be started, for others would have reached its Blender. Tell the administrator.",
                reason="network_not_apart",
                log_message="publish_mcp is on. On Kubernetes every pod would reach the raw socket, which has no "
                f"password. Turn it off; `kubectl port-forward pod/{self.pod_name} 9876` reaches the socket without.",
            )
        self._told_events = set()
        self._left_uid = None
        self.tell(3, "queue", "Asking the cluster for your server …")
        if self.starts_at_once:
            await self.take_turn(self.starts_at_once)
        starting = asyncio.ensure_future(super()._start())
        looking = asyncio.ensure_future(self._look_after_start())
        try:
            await asyncio.wait([starting, looking], return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()  # raises why nothing will come of it
            url = await starting
            self._tell_events(self.pod_seen())
            return url
        finally:
            for task in (starting, looking):
                task.cancel()
            await asyncio.gather(starting, looking, return_exceptions=True)

    async def _look_after_start(self) -> None:
        """Tell what happens to the pod, until it has failed.

        Raises:
            SpawnFailure: It has, or the time in which it could start is over.
        """
        clock = asyncio.get_running_loop().time
        seconds = max(self.start_timeout - self.mcp_timeout, self.start_timeout / 2)
        began = news = clock()
        step: Step | None = None
        seen = False
        while True:
            await asyncio.sleep(LOOK_S)
            if self._left_uid is None:
                continue
            pod = self.pod_seen()
            if pod is not None and pod["metadata"]["uid"] == self._left_uid:
                continue
            if pod is None and seen:
                raise server_died(f"Pod {self.pod_name} was deleted while it started.")
            seen = pod is not None
            if latest := self._tell_events(pod):
                step, news = latest, clock()
            if pod is not None and (failure := failure_of(pod)):
                raise failure
            if clock() - began > seconds:
                raise failure_of_waiting(pod, last_warning(self._events_of(pod)), clock() - began)
            if step and step.stage == "image" and clock() - news > PULL_NEWS_S:
                self.tell(step.percent, "image", f"Pulling the Blender image … ({clock() - began:.0f} s)")
                news = clock()

    def _events_of(self, pod: Pod | None) -> list[Event]:
        """What has been reported of a pod so far, the oldest first."""
        reflector = self.event_reflector
        return of_pod(reflector.resources.values(), pod["metadata"]["uid"]) if reflector and pod is not None else []

    def _tell_events(self, pod: Pod | None) -> Step | None:
        """Tell what has been reported of a pod and was not told yet; return the latest of it."""
        latest = None
        for event in self._events_of(pod):
            key = event["metadata"]["uid"], event.get("count") or 1
            step = step_of(event)
            if step and key not in self._told_events:
                self._told_events.add(key)
                self.tell(*step)
                latest = step
        return latest

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> bool:
        """As KubeSpawner's. Cancelled in the middle, it still waits for the pod, so that `discard` finds it.

        KubeSpawner kills any pod of the same name; here only one that this hub has left behind.

        Raises:
            SpawnFailure: It is another hub's.
        """
        left = await self.read_pod()
        if left is not None:
            if not is_of_hub(left, self.hub_label):
                raise SpawnFailure(
                    "Another hub of this cluster has a server of your name. Tell the administrator.",
                    reason="name_taken",
                    log_message=f"Pod {self.namespace}/{self.pod_name} bears the label {HUB_LABEL}="
                    f"{(left['metadata'].get('labels') or {}).get(HUB_LABEL)} and not {self.hub_label}. Give each "
                    "hub a pod_name_template, or a namespace, of its own.",
                )
            await self.delete_pod(left, KILL_GRACE_S)
        creating = asyncio.ensure_future(super()._make_create_pod_request(pod, request_timeout))
        try:
            created = await asyncio.shield(creating)
        except asyncio.CancelledError:
            with suppress(ApiException, aiohttp.ClientError, OSError):
                await creating
            raise
        if created:
            self._left_uid = left["metadata"]["uid"] if left else ""
        return bool(created)
