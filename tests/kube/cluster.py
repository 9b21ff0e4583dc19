"""A scheduler and a kubelet in front of the API double: pods get a machine, an image, an address, and end.

A pod's server is a small local one with the status page, so its address is the loopback and its port the server's.
"""

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import web

from .api_double import ApiDouble, RefusedError, Thing, now

PULLED = (
    'Successfully pulled image "p2m/blender-singleuser:latest" in 35.104s (35.104s including waiting). '
    "Image size: 2147483648 bytes."
)
NODE = "node-1"

PACE_S = 0.03
"""Seconds between two steps of a start."""


class StatusServer:
    """What a user's server shows the hub: its status, to whoever has its token."""

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.documents = [STARTING, READY]
        self.asked_without_token = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{base:.*}/p2m/status", self._status)
        # JupyterHub waits until a server answers here.
        app.router.add_get("/{base:.*}/api", self._version)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._runner
        await self._runner.cleanup()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "2.17"}, headers={"X-JupyterHub-Version": self.cluster.hub_version})

    async def _status(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("token ") not in self.cluster.tokens():
            self.asked_without_token += 1
            return web.json_response({"message": "Forbidden"}, status=403)
        document = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        return web.json_response(document)


def status(ready: bool, blender: str, mcp: str = "ready", ui: str = "ready") -> dict[str, Any]:
    return {
        "ready": ready,
        "blender": {"state": blender, "version": "4.3.2", "pid": 12, "file": None, "restarts": 0, "reason": None},
        "mcp": {"state": mcp, "num_tools": 40},
        "ui": {"state": ui},
        "jobs": [],
    }


STARTING = status(False, "starting", mcp="down")
READY = status(True, "ready")


class Cluster:
    """Runs each new pod; ``room``, ``image`` and ``hang`` say how that goes."""

    def __init__(self, api: ApiDouble) -> None:
        self.api = api
        self.server = StatusServer(self)
        self.room = True
        self.image = "pull"  # or "there", "missing", "hang"
        self.node_is_away = False
        self.hub_version = ""
        self._task: asyncio.Task[None] | None = None
        self._handled: set[str] = set()

    async def start(self) -> None:
        await self.server.start()
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        assert self._task
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.server.stop()

    def tokens(self) -> set[str]:
        """Tokens of the pods that run."""
        return {
            variable["value"]
            for (kind, _, _), pod in self.api.things.items()
            if kind == "pods"
            for variable in pod["spec"]["containers"][0].get("env", [])
            if variable["name"] == "JUPYTERHUB_API_TOKEN"
        }

    # What scheduler and kubelet do

    async def _work(self) -> None:
        while True:
            for (kind, namespace, name), pod in list(self.api.things.items()):
                if kind != "pods":
                    continue
                if "deletionTimestamp" in pod["metadata"]:
                    if not self.node_is_away:
                        await self.api.remove(self.api.get("pods", name, namespace), "pods")
                elif (
                    pod["metadata"]["uid"] not in self._handled
                    and "component" in pod["metadata"].get("labels", {})
                    and await self.try_to_run(self.api.get("pods", name, namespace))
                ):
                    self._handled.add(pod["metadata"]["uid"])
            async with self.api.changed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.api.changed.wait()

    async def try_to_run(self, pod: Thing) -> bool:
        """Bring a pod as far as it goes; False when the scheduler will try again."""
        reported = f"unscheduled {pod['metadata']['uid']}"
        if not self.room:
            message = "0/3 nodes are available: 3 Insufficient memory."
            if reported not in self._handled:
                self._handled.add(reported)
                pod["status"]["conditions"] = [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
                ]
                await self.api.put("pods", pod)
                await self.api.event(pod, "FailedScheduling", message, "Warning")
            return False
        pod["spec"]["nodeName"] = NODE
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
        image = pod["spec"]["containers"][0]["image"]
        pod["status"]["containerStatuses"] = [
            {
                **{"name": "notebook", "image": image, "imageID": "", "ready": False, "restartCount": 0},
                "state": {"waiting": {"reason": "ContainerCreating"}},
            }
        ]
        await asyncio.sleep(PACE_S)
        await self.api.event(pod, "Scheduled", f"Successfully assigned studio/{pod['metadata']['name']} to {NODE}")
        pod = await self.api.put("pods", pod)
        if self.image == "missing":
            await self.api.event(pod, "Pulling", f'Pulling image "{image}"')
            await self.api.event(pod, "Failed", f'Failed to pull image "{image}": not found', "Warning")
            await self.state(
                pod["metadata"]["name"], waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
            )
            return True
        if self.image in ("pull", "hang"):
            await self.api.event(pod, "Pulling", f'Pulling image "{image}"')
        if self.image == "hang":
            return True
        await asyncio.sleep(PACE_S)
        if self.image == "pull":
            await self.api.event(pod, "Pulled", PULLED)
        else:
            await self.api.event(pod, "Pulled", f'Container image "{image}" already present on machine')
        await self.run(pod)
        return True

    async def run(self, pod: Thing) -> None:
        await self.api.event(pod, "Created", "Created container: notebook")
        await self.api.event(pod, "Started", "Started container notebook")
        await asyncio.sleep(PACE_S)
        with suppress(RefusedError):
            pod = self.api.get("pods", pod["metadata"]["name"], pod["metadata"]["namespace"])
            pod["status"].update(phase="Running", podIP="127.0.0.1")
            pod["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": now()}}
            await self.api.put("pods", pod)

    async def state(self, name: str, **state: Any) -> None:
        """Give a pod's container another state: ``waiting`` or ``terminated``."""
        pod = self.api.get("pods", name)
        pod["status"]["containerStatuses"][0]["state"] = state
        if "terminated" in state:
            pod["status"]["phase"] = "Failed" if state["terminated"]["exitCode"] else "Succeeded"
        await self.api.put("pods", pod)

    async def end(self, name: str, exit_code: int, reason: str = "Error") -> None:
        await self.state(name, terminated={"exitCode": exit_code, "reason": reason, "finishedAt": now()})
