"""KubeSpawner's way to the API server, with what makes it hold on bad days.

KubeSpawner sees pods by reflectors: a list and a watch that all spawners of a namespace share. A reflector whose first
list failed stays in its table without ever seeing a pod, and one that failed for a minute ends without a word; all
servers would then be taken for ended, or for running, for ever. Here such a reflector is made anew, and what it does
not see is asked for once more.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import aiohttp
from kubernetes_asyncio.client import V1DeleteOptions, V1Preconditions
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from kubespawner.reflector import ResourceReflector

from .errors import SpawnFailure, engine_silent
from .kube_pods import Pod, exit_of, has_started

GONE_S = 30.0
"""Seconds after its time to end in which a pod has to be gone; a node that is away never says so."""

LOOK_S = 0.2
"""Seconds between two looks whether a pod is gone."""


class KubeCalls(KubeSpawner):
    """KubeSpawner; says of a pod only what the API server has said."""

    api: Any  # these of KubeSpawner
    namespace: str
    pod_name: str
    reflectors: dict[Any, Any]

    async def _start_reflector(
        self, kind: str, reflector_class: type[ResourceReflector], replace: bool = False, **kwargs: Any
    ) -> Any:
        """As KubeSpawner's, except that a reflector that has ended is replaced and one that did not begin forgotten."""
        key = self._get_reflector_key(kind)
        before = self.reflectors.get(key)
        ended = before is not None and before.watch_task is not None and before.watch_task.done()
        try:
            return await super()._start_reflector(kind, reflector_class, replace or ended, **kwargs)
        except BaseException:
            begun = self.reflectors.get(key)
            if begun is not None and begun is not before and begun.watch_task is None:
                del self.reflectors[key]
                if before is not None:
                    self.reflectors[key] = before  # what it saw last is better than nothing
            raise

    def is_pod_running(self, pod: Pod | None) -> bool:
        """Whether the pod's containers run. KubeSpawner waits for more, which the mixin does better."""
        return has_started(pod)

    def pod_seen(self) -> Pod | None:
        """The pod as the reflector has seen it last; None when it has not."""
        seen: Pod | None = self.pod_reflector and self.pod_reflector.pods.get(f"{self.namespace}/{self.pod_name}")
        return seen or None

    async def read_pod(self) -> Pod | None:
        """The pod as the API server has it; None when there is none.

        Raises:
            kubernetes_asyncio.client.ApiException: It refused.
            aiohttp.ClientError, OSError: It does not answer.
        """
        response = await self.api.read_namespaced_pod(
            self.pod_name, self.namespace, _preload_content=False, _request_timeout=self.k8s_api_request_timeout
        )
        body = await response.read()
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status != HTTPStatus.OK:
            raise ApiException(status=response.status, reason=body.decode(errors="replace"))
        pod: Pod = json.loads(body)
        return pod

    async def poll(self) -> int | None:
        """None while the pod is there and has not ended, otherwise its exit code; as KubeSpawner's.

        Raises:
            kubernetes_asyncio.client.ApiException, aiohttp.ClientError, OSError: As `read_pod`.
        """
        ended: int | None = await super().poll()
        if ended is not None and self.pod_seen() is None:
            return exit_of(await self.read_pod())
        return ended

    async def delete_pod(self, pod: Pod, grace_s: int) -> None:
        """Delete this pod, and no other of its name, and wait until it is gone.

        Args:
            pod: Which.
            grace_s: Seconds that its processes have to end. Never 0, which makes the API server forget a pod that may
                still run, and write into its home.

        Raises:
            kubernetes_asyncio.client.ApiException, aiohttp.ClientError, OSError: As `read_pod`.
            TimeoutError: It is still there; most often its node is away.
        """
        name, namespace, uid = (pod["metadata"][key] for key in ("name", "namespace", "uid"))
        options = V1DeleteOptions(grace_period_seconds=grace_s, preconditions=V1Preconditions(uid=uid))
        async with asyncio.timeout(grace_s + GONE_S):
            try:
                await self.api.delete_namespaced_pod(name, namespace, body=options)
                while (await self.api.read_namespaced_pod(name, namespace)).metadata.uid == uid:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
            except ApiException as error:
                if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # gone; another has its name
                    raise


def is_silence(error: BaseException) -> bool:
    """Whether an error is the API server's own or of the way to it, and not an answer about the pod."""
    if isinstance(error, ApiException):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(error, aiohttp.ClientError | OSError)  # a TimeoutError is an OSError


def explain_api(error: BaseException) -> SpawnFailure | None:
    """What an error of the API server, or of the way to it, means for a start; None for another error."""
    if is_silence(error):
        return engine_silent(f"Kubernetes: {_text(error)}")
    if not isinstance(error, ApiException):
        return None
    text = _text(error)
    if "exceeded quota" in text:
        return SpawnFailure(
            "All that this hub may use of the cluster is in use. Try again later, or choose a smaller profile.",
            reason="cluster_full",
            log_message=f"Kubernetes: {text}",
        )
    hints = {
        HTTPStatus.UNAUTHORIZED: " The hub's service account token is not accepted.",
        HTTPStatus.FORBIDDEN: " Give the hub's service account this right (Role), or mend what the policy names.",
        HTTPStatus.NOT_FOUND: " Does the namespace exist?",
        HTTPStatus.UNPROCESSABLE_ENTITY: " An option of the operator makes a manifest that Kubernetes does not take.",
    }
    return SpawnFailure(
        "The cluster does not take your server. Tell the administrator.",
        reason="pod_refused",
        log_message=f"Kubernetes: {text}{hints.get(HTTPStatus(error.status), '')}",
    )


def _text(error: BaseException) -> str:
    """What the API server says in its Status object, or else the error's own text."""
    if isinstance(error, ApiException):
        try:
            return f"{error.status}: {json.loads(error.body or error.reason or '')['message']}"
        except (TypeError, ValueError, KeyError):
            return f"{error.status}: {error.reason}"
    return str(error) or type(error).__name__
