"""What benchmarks run on: hubs, somebody with a server, containers; each comes up when it is first asked for.

A benchmark that is run by itself gets a stage of its own, so that nothing stands beside what it measures but what it
asks for. The tests give all of them the same one.
"""

import contextlib
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from bench.upstream import upstream
from tests.support.blenders import RunningBlender, running_blender
from tests.support.hub import Hub, Person

OURS, STOCK = "p2m-spawner", "stock DockerSpawner"

DEADLINE = 300.0
"""Seconds after which a start has failed."""

STOCK_HUB = (".venv/bin/jupyterhub", "-f", "bench/stock_hub_config.py")


class Stage(contextlib.ExitStack):
    """Ends everything that came up with it when its block ends."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._folder = Path(self.enter_context(tempfile.TemporaryDirectory()))
        self._hubs: dict[str, Hub] = {}
        return self

    def hub(self, side: str = OURS) -> Hub:
        """Our hub, or one with stock DockerSpawner on the same image, network and machine."""
        if side not in self._hubs:
            command = {"command": STOCK_HUB} if side == STOCK else {}
            hub = Hub(self._folder / side.split()[0], **command, P2M_MCP_TIMEOUT=str(DEADLINE))  # type: ignore[arg-type]
            self.callback(hub.down)
            self._hubs[side] = hub.start()
        return self._hubs[side]

    @cached_property
    def person(self) -> Person:
        """Somebody at our hub whose server is ready."""
        return self.hub().person("bench").sign_up().log_in().start_server()

    @cached_property
    def desktop(self) -> RunningBlender:
        """A container of our image without a hub."""
        return self.enter_context(running_blender())

    @cached_property
    def headless(self) -> RunningBlender:
        """The same without a window."""
        return self.enter_context(running_blender(P2M_BLENDER_MODE="headless"))

    @cached_property
    def upstream(self) -> Any:
        """The container of upstream's add-on."""
        return self.enter_context(upstream())
