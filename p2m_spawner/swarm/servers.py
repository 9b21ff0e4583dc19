"""SwarmSpawner with what it lacks: one try of a service is judged by its newest task and by its machine's state.

Stands behind the mixin, which asks it whether the server runs.
"""

import time
from typing import Any

from dockerspawner import SwarmSpawner

from ..docker_calls import PooledDockerCalls
from .cluster import list_nodes, tasks_of
from .nodes import Node
from .tasks import Task, latest

HOMELESS_S = 60.0
"""Seconds after which a server that lost its machine, and finds no other, is given up."""


class SwarmServers(PooledDockerCalls, SwarmSpawner):
    """How a service is and where."""

    object_id: str  # the service, empty while there is none
    get_object: Any

    _homeless_since: float | None = None

    async def task(self) -> Task | None:
        """The newest try to run the service; None without any.

        Raises:
            docker.errors.DockerException, OSError: No manager answers.
        """
        return latest(await self.engine.run(tasks_of, self.object_id)) if self.object_id else None

    async def nodes(self) -> dict[str, Node]:
        """The machines of the cluster, by their ids.

        Raises:
            docker.errors.DockerException, OSError: No manager answers.
        """
        return {node.id: node for node in await self.engine.run(list_nodes)}

    async def poll(self) -> Any:
        """None while the service has a task that runs or is on its way to another machine; otherwise how it ended.

        Raises:
            docker.errors.DockerException, OSError: No manager answers.
        """
        if await self.get_object() is None:
            return "the service was removed"
        task = await self.task()
        if task is not None and task.has_no_place:
            self._homeless_since = self._homeless_since or time.monotonic()
            if time.monotonic() - self._homeless_since > HOMELESS_S:
                return f"no machine takes it: {task.error}"
            return None
        self._homeless_since = None
        if task is None or task.runs or task.is_coming:
            return None
        return f"its task is {task.state}: {task.error or task.message}"
