"""Hears of the end of pods before the hub's next poll. Knows no hub and no API: it looks at what a reflector sees."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from .kube_pods import Pod, exit_of

LOOK_S = 1.0
"""Seconds between two looks; a look is one dictionary access a pod and asks nobody."""


class PodEnds:
    """Calls back when a pod has ended or is gone, at each look until it is forgotten.

    Args:
        pods: What is seen now, by ``namespace/name``.
        log: The hub's log.
    """

    def __init__(self, pods: Callable[[], Mapping[str, Pod]], log: logging.Logger) -> None:
        self._pods = pods
        self._log = log
        self._callbacks: dict[str, Callable[[], None]] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, name: str, callback: Callable[[], None]) -> None:
        """Call back once this pod ends."""
        self._callbacks[name] = callback
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())

    def forget(self, name: str) -> None:
        """Call back no more; does nothing when it is not watched."""
        self._callbacks.pop(name, None)

    async def _look(self) -> None:
        while self._callbacks:
            await asyncio.sleep(LOOK_S)
            pods = self._pods()
            for name, callback in list(self._callbacks.items()):
                if exit_of(pods.get(name)) is not None:
                    try:
                        callback()
                    except Exception:  # noqa: BLE001 - a boundary: nobody awaits this task, and others are watched too
                        self._log.exception("The end of pod %s was not looked at", name)
