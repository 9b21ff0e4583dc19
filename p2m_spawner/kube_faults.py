"""What Kubernetes knows of servers that ended, or that nobody owns: ``blender-kube`` on bad days."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar

import aiohttp
from kubernetes_asyncio.client.rest import ApiException
from kubespawner.slugs import is_valid_label, safe_slug

from .endings import LOG_TAIL_LINES, Ending
from .errors import SpawnFailure, server_died
from .kube_calls import KubeCalls, explain_api, is_silence
from .kube_pods import (
    CONTAINER,
    HUB_LABEL,
    SERVER_ANNOTATION,
    USER_ANNOTATION,
    Pod,
    ending_of,
    environment_of,
    exit_of,
    has_started,
    is_of_hub,
)
from .kube_watch import PodEnds
from .mixin import BlenderSpawnerMixin
from .orphans import FoundServer

KILL_GRACE_S = 1
"""Seconds that a server has to end whose start failed, or that has ended already."""


class KubeFaults(BlenderSpawnerMixin, KubeCalls):
    """Tells the mixin how pods ended, and finds those that nobody owns."""

    hub_id: str  # of BlenderKubeSpawner

    _ends: ClassVar[dict[Any, PodEnds]] = {}

    @property
    def hub_label(self) -> str:
        """``hub_id`` as the value of a label."""
        return str(safe_slug(self.hub_id, is_valid=is_valid_label))

    def engine_is_silent(self, error: BaseException) -> bool:
        """Whether the API server did not answer, or with an error of its own."""
        return is_silence(error)

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """As the mixin's; also puts what the API server and the way to it raise into words."""
        return explain_api(error) or super().explain(error)

    # What the mixin asks

    async def server_is_alive(self) -> bool:
        """Whether the pod is there and its server has not ended."""
        return exit_of(self.pod_seen() or await self.read_pod()) is None

    async def log_tail(self, lines: int) -> str:
        """The last lines of ``kubectl logs``, empty when there is no pod."""
        try:
            response = await self.api.read_namespaced_pod_log(
                self.pod_name, self.namespace, container=CONTAINER, tail_lines=lines, _preload_content=False
            )
            text = (await response.read()).decode("utf-8", "replace")
        except (ApiException, aiohttp.ClientError, OSError) as error:
            return f"(no log: {error})"
        if response.status == HTTPStatus.NOT_FOUND:
            return ""
        return text if response.status == HTTPStatus.OK else f"(no log: {_message(text)})"

    async def how_it_ended(self) -> Ending:
        """Exit code, memory, times and last lines of the pod."""
        pod = await self.read_pod()
        if pod is None or not is_of_hub(pod, self.hub_label):
            return ending_of(None, "")
        return ending_of(pod, await self.log_tail(LOG_TAIL_LINES))

    async def discard(self) -> None:
        """Delete the pod, running or not, if it is this hub's; the claim of its home stays."""
        pod = await self.read_pod()
        if pod is not None and is_of_hub(pod, self.hub_label):
            await self.delete_pod(pod, KILL_GRACE_S)
        self.clear_state()

    # After a hub that ended in the middle of a start

    async def recover(self) -> str:
        """Take over the pod of a start that another process of this hub has begun; return its address.

        Raises:
            kubernetes_asyncio.client.ApiException, aiohttp.ClientError, OSError: The API server does not answer.
            LookupError: The pod is gone, or another hub's.
            ServerDied: It does not run any more, or did not in ``start_timeout``.
        """
        pod = await self.read_pod()
        if pod is None or not is_of_hub(pod, self.hub_label):
            raise LookupError("no pod")
        self.api_token = environment_of(pod)["JUPYTERHUB_API_TOKEN"]
        try:
            async with asyncio.timeout(self.start_timeout):
                while not has_started(pod):
                    if exit_of(pod) is not None:
                        raise server_died("The pod has ended.")
                    await asyncio.sleep(1)
                    pod = await self.read_pod()
        except TimeoutError:
            raise server_died(f"The pod did not start in {self.start_timeout} s.") from None
        return str(self._get_pod_url(pod))

    async def servers_of_this_hub(self) -> list[FoundServer]:
        """All pods with this hub's label; none while ``hub_id`` is the default, which other hubs may have too."""
        if self.hub_id == self.trait_defaults("hub_id"):
            return []
        selector = f"{HUB_LABEL}={self.hub_label},component={self.component_label}"
        if self.enable_user_namespaces:
            found = await self.api.list_pod_for_all_namespaces(label_selector=selector)
        else:
            found = await self.api.list_namespaced_pod(self.namespace, label_selector=selector)
        return [
            FoundServer(
                pod.metadata.annotations[USER_ANNOTATION],
                pod.metadata.annotations.get(SERVER_ANNOTATION, ""),
                f"{pod.metadata.namespace}/{pod.metadata.name}/{pod.metadata.uid}",
            )
            for pod in found.items
            if pod.metadata.annotations and USER_ANNOTATION in pod.metadata.annotations
        ]

    async def remove_found(self, found: FoundServer) -> None:
        """Delete a pod with the time in which Blender saves.

        Raises:
            kubernetes_asyncio.client.ApiException, aiohttp.ClientError, OSError: The API server does not answer, or
                refuses.
        """
        namespace, name, uid = found.id.split("/")
        pod: Pod = {"metadata": {"name": name, "namespace": namespace, "uid": uid}}
        await self.delete_pod(pod, self.delete_grace_period)

    # Hearing of it at once

    @property
    def _pod_key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"

    def watch(self) -> None:
        """Look after this pod."""
        key = self._get_reflector_key("pods")
        if key not in self._ends:
            self._ends[key] = PodEnds(lambda: self.reflectors[key].pods if key in self.reflectors else {}, self.log)
        self._watched = self._ends[key], self._pod_key
        self._ends[key].watch(self._pod_key, self.look_now)

    _watched: tuple[PodEnds, str] | None = None

    def unwatch(self) -> None:
        """Look after it no more."""
        if self._watched:
            ends, pod = self._watched
            ends.forget(pod)
            self._watched = None


def _message(body: str) -> str:
    """What a Status object of the API server says, or the text as it is."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body
