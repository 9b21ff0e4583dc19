"""Homes that go with their users, images that get newer, and what operators see: ``blender-kube`` over the weeks."""

from typing import Any

import aiohttp
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from traitlets import default

from .homes import HomesMixin
from .kube_pods import IMAGE_SETTING_ANNOTATION, Pod, environment_of, image_of, is_of_hub
from .observed import ObservedBlenderMixin


class KubeUpkeep(HomesMixin, ObservedBlenderMixin):
    """Stands in front of KubeSpawner."""

    pod_name: str  # these of KubeSpawner
    pvc_name: str
    image: str
    storage_pvc_ensure: bool
    delete_pvc: bool
    pod_seen: Any  # these of KubeCalls
    read_pod: Any
    hub_label: str  # of KubeFaults

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._image_setting: str = self.image  # before a user's or a group's choice

    @default("delete_pvc")
    def _delete_pvc_default(self) -> bool:
        return False  # `delete_home` says it for every engine

    @property
    def upkeep_annotations(self) -> dict[str, str]:
        """Annotations for the pod, by which what follows knows it again."""
        return {IMAGE_SETTING_ANNOTATION: self._image_setting}

    async def remove_home(self) -> None:
        """Delete the claim of the home, after a pod that still has it. What becomes of the disk, its class says."""
        if not self.storage_pvc_ensure:
            self.log.warning("The home is no claim that the hub has made, so it stays")
            return
        try:
            pod = await self.read_pod()
            if pod is not None and not is_of_hub(pod, self.hub_label):
                self.log.error("Claim %s stays: a pod of another hub has this name", self.pvc_name)
                return
            if pod is not None:
                await self.discard()
            self.delete_pvc = True
            await KubeSpawner.delete_forever(self)
        except (ApiException, aiohttp.ClientError, OSError) as error:
            self.log.error("Claim %s was not removed: %s", self.pvc_name, error)

    # What is seen of it from outside

    @property
    def container_of_server(self) -> str:
        """The pod's name, which is known before there is a pod; empty until KubeSpawner has made it up."""
        return getattr(self, "pod_name", "")

    async def image_is_outdated(self) -> bool:
        """Whether the operator has set another image since. That a name means another image now, only nodes know."""
        pod: Pod | None = self.pod_seen()
        if pod is None:
            return False
        setting = (pod["metadata"].get("annotations") or {}).get(IMAGE_SETTING_ANNOTATION)
        return image_of(pod) == setting != self._image_setting

    async def token_of_server(self) -> str:
        """The token in the pod's environment."""
        pod: Pod | None = self.pod_seen()
        return environment_of(pod).get("JUPYTERHUB_API_TOKEN", "") if pod else ""
