"""What a user's Blender is, whatever engine runs it: traits, environment, progress, readiness.

An engine's spawner is this mixin in front of that engine's own spawner class. It tells the mixin whether the server
still runs, what it printed last, how to sweep away what a failed start left behind, and what an engine's error means.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jupyterhub.spawner import Spawner, SpawnException
from traitlets import Bool, Float, default

from . import urls
from .errors import SpawnFailure
from .readiness import Stage, fetch_status, wait_until_ready

LOG_TAIL_LINES = 200
"""How much of a dead server's output goes into the hub's log, in lines."""


class BlenderSpawnerMixin(Spawner):
    """Starts a server with Blender in it and returns only when that Blender answers."""

    mcp_timeout = Float(
        30.0,
        min=1.0,
        help="""
        Seconds (default 30) from the start of a server's container until Blender, its MCP server and its desktop
        must be ready. A server that is not ready by then is removed and the user is told why.

        Example: on slow machines ``c.BlenderSpawnerMixin.mcp_timeout = 60``.
        """,
    ).tag(config=True)

    publish_mcp = Bool(
        False,
        help="""
        Whether (default no) each user's raw Blender socket is published on a port of the host, for upstream's
        blender-mcp clients. The socket has no password: whoever reaches the port drives that Blender. It is
        published on the loopback of the host only.

        Example: ``c.BlenderSpawnerMixin.publish_mcp = True``.
        """,
    ).tag(config=True)

    @default("start_timeout")
    def _start_timeout_default(self) -> int:
        """Room for a pull of the image (about 2 GB) in front of ``mcp_timeout``. Seconds."""
        return 600

    @default("default_url")
    def _default_url_default(self) -> str:
        return "/lab"

    # What an engine's spawner says

    async def server_is_alive(self) -> bool:
        """Whether the server's container (or pod) still runs."""
        raise NotImplementedError

    def ports_on_host(self) -> dict[str, int | None]:
        """Ports on which the server is published on its host: ``ui`` (Jupyter and desktop) and ``mcp`` (raw socket)."""
        return {"ui": None, "mcp": None}

    async def log_tail(self, lines: int) -> str:
        """The last lines that the server printed, empty when there are none to be had."""
        raise NotImplementedError

    async def discard(self) -> None:
        """Remove what is left of a server that failed or died; homes stay. Does nothing when nothing is left."""
        raise NotImplementedError

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """Put an error of a start into words for user, operator and metrics; None for one that nobody foresaw."""
        return error if isinstance(error, SpawnFailure) else None

    # Progress

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stages: list[dict[str, Any]] = []
        self._stage_added = asyncio.Event()

    def tell(self, percent: int, stage: Stage, message: str) -> None:
        """Show on the user's spawn page, and to API clients that follow the progress, what is being done.

        Args:
            percent: How far the start is, 0 to 100.
            stage: Which stage that is.
            message: What is being done, for the user.
        """
        self.log.info("%s: %s", self._log_name, message)
        self._stages.append({"progress": percent, "stage": stage, "message": message})
        self._stage_added.set()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each stage of the start as it comes, also those from before somebody looked.

        Yields:
            ``{"progress": percent, "stage": stage, "message": sentence}``, endless: JupyterHub ends it with the start.
        """
        shown = 0
        while True:
            self._stage_added.clear()
            while shown < len(self._stages):
                yield self._stages[shown]
                shown += 1
            await self._stage_added.wait()

    # Start, poll, stop

    async def start(self) -> Any:
        """Start the server and wait until its Blender is ready.

        Returns:
            What the engine's spawner returns: address and port, or a URL.

        Raises:
            SpawnException: It could not be started or was not ready in time; nothing but the home is left of it.
        """
        self._stages = []
        try:
            address = await super().start()
            await self._wait_until_ready(address)
        except BaseException as error:  # also a start that the hub cancels because of start_timeout
            failure = self.explain(error)
            output = await self.log_tail(LOG_TAIL_LINES) if failure else ""
            await self.discard()
            if failure is None:
                raise
            refusal = SpawnException(
                str(failure),
                reason=failure.reason,
                log_message=f"{failure.log_message}\nLast lines of the server:\n{output}",
                status_code=503,
            )
            # Without it the pages of JupyterHub 6.1 show the operator's text (utils.format_exception).
            refusal.jupyterhub_message = str(failure)
            raise refusal from error
        return address

    async def poll(self) -> Any:
        """None while the server runs, otherwise how it ended.

        A server that died is reported to the log with its last lines, then swept away.
        """
        status = await super().poll()
        if status is not None and (output := await self.log_tail(LOG_TAIL_LINES)):
            self.log.error("%s: server died: %s\nLast lines of the server:\n%s", self._log_name, status, output)
            await self.discard()
        return status

    async def stop(self, now: bool = False) -> None:
        """Stop the server; the home stays.

        Args:
            now: Do not wait for a clean end.
        """
        await super().stop(now)
        self._stages = []

    async def _wait_until_ready(self, address: Any) -> None:
        """Wait for the status page of the server at ``address`` to say ready.

        Raises:
            ServerDied: The server or its Blender ended for good.
            NotReadyInTime: ``mcp_timeout`` passed.
        """
        origin = address if isinstance(address, str) else f"http://{address[0]}:{address[1]}"
        status_url = urls.below(urls.below(origin, self.server.base_url), urls.STATUS)
        percent = 40

        def on_change(stage: Stage, sentence: str) -> None:
            nonlocal percent
            percent = min(percent + 15, 90)
            self.tell(percent, stage, sentence)

        status = await wait_until_ready(
            lambda: fetch_status(status_url, self.api_token),
            self.server_is_alive,
            on_change,
            self.mcp_timeout,
        )
        version, tools = status["blender"]["version"], status["mcp"]["num_tools"]
        self.tell(95, "mcp", f"Blender {version} is ready, MCP with {tools} tools")

    def get_env(self) -> dict[str, str]:
        """The server's environment: the engine's, and where Blender's TCP socket binds."""
        env: dict[str, str] = super().get_env()
        env["P2M_BLENDER_TCP_HOST"] = "0.0.0.0" if self.publish_mcp else "127.0.0.1"  # noqa: S104
        return env
