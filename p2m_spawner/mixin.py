"""What a user's Blender is, whatever engine runs it: traits, environment, progress, readiness.

An engine's spawner is this mixin in front of that engine's own spawner class. It tells the mixin whether the server
still runs, what it printed last, how to sweep away what a failed start left behind, and what an engine's error means.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from jupyterhub import orm
from jupyterhub.spawner import Spawner, SpawnException
from traitlets import Bool, Float, default

from . import urls
from .endings import ENDINGS, LOG_TAIL_LINES, Ending
from .errors import EngineSilent, SpawnFailure
from .orphans import FoundServer, Sweeper
from .patience import patiently
from .profile_options import ProfileOptionsMixin
from .readiness import Stage, fetch_status, wait_until_ready
from .start_queue import StartQueue, Turn


class BlenderSpawnerMixin(ProfileOptionsMixin, Spawner):
    """Starts a server with Blender in it and returns only when that Blender answers."""

    api_token: str  # of JupyterHub: the server's own

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

    engine_patience = Float(
        60.0,
        min=0.0,
        help="""
        Seconds (default 60) that a stop, and the look after running servers at the start of the hub, wait for an
        engine that does not answer, for example because it is being restarted. A server whose engine does not answer
        is never taken for ended.

        Example: ``c.BlenderSpawnerMixin.engine_patience = 300`` where engines are upgraded under a running hub.
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

    async def how_it_ended(self) -> Ending:
        """All that the engine still knows of a server that ended; asked before `discard`."""
        return Ending(log=await self.log_tail(LOG_TAIL_LINES))

    def engine_is_silent(self, error: BaseException) -> bool:
        """Whether an error means that the engine did not answer, so that it says nothing about the server."""
        return isinstance(error, OSError)

    async def recover(self) -> Any:
        """Take over a server whose start another process of this hub has begun; return its address as `start` does.

        Sets ``api_token`` and the engine's own state. Raises ``LookupError`` when there is nothing to take over.
        """
        raise LookupError("this engine does not know")

    async def servers_of_this_hub(self) -> list[FoundServer]:
        """All servers of this hub that the engine has, running or not; none where other hubs' cannot be told apart."""
        return []

    async def remove_found(self, found: FoundServer) -> None:
        """End and remove one of `servers_of_this_hub`; its home stays."""
        raise NotImplementedError

    def watch(self) -> None:
        """Have `look_now` called as soon as the engine says that the server ended. The hub polls in any case."""

    def unwatch(self) -> None:
        """Undo `watch`; does nothing when nothing is watched."""

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """Put an error of a start into words for user, operator and metrics; None for one that nobody foresaw."""
        return error if isinstance(error, SpawnFailure) else None

    # Progress

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stages: list[dict[str, Any]] = []
        self._stage_added = asyncio.Event()
        self._has_been_ready = False  # this server; what ends before is a failed start
        self._recovered_url = ""
        self._turn: Turn | None = None
        self._dying = asyncio.Lock()
        self._looking: set[asyncio.Task[Any]] = set()

    def tell(self, percent: int, stage: Stage, message: str) -> None:
        """Show on the user's spawn page, and to API clients that follow the progress, what is being done.

        Args:
            percent: How far the start is, 0 to 100.
            stage: Which stage that is.
            message: What is being done, for the user.
        """
        self.log.info("%s", message)
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
        ENDINGS.started_again(self.user.name, self.name)
        try:
            address = await super().start()
            await self._wait_until_ready(address)
        except BaseException as error:  # also a start that the hub cancels because of start_timeout
            failure = self.explain(error)
            ending = await self._remains() if failure else Ending()
            await self._discard()
            if failure is None:
                raise
            ENDINGS.record(self.user.name, self.name, replace(ending, failure=str(failure)))
            refusal = SpawnException(
                str(failure),
                reason=failure.reason,
                log_message=f"{failure.log_message}\nThe server: {ending.log_message}",
                status_code=503,
            )
            # Without it the pages of JupyterHub 6.1 show the operator's text (utils.format_exception).
            refusal.jupyterhub_message = str(failure)
            raise refusal from error
        finally:
            if self._turn:
                self._turn.end()
        self._has_been_ready = True
        return address

    _start_queues: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, StartQueue]] = WeakKeyDictionary()
    """The hub's, which has one event loop; what a loop that was closed left behind holds nobody back."""

    async def take_turn(self, at_once: int) -> None:
        """Wait until this start may go on; it holds one of the turns until it is ready or has failed.

        An engine's spawner calls it before it creates anything, after what costs no processor, such as a pull.

        Args:
            at_once: How many starts of this hub may go on at the same time.
        """
        queue = self._start_queues.setdefault(asyncio.get_running_loop(), StartQueue())
        self._turn = await queue.turn(at_once, self._tell_place)

    def _tell_place(self, place: int) -> None:
        before = "1 other starts" if place == 1 else f"{place} others start"
        self.tell(20, "queue", f"Many Blenders are being started. {before} before yours …")

    async def poll(self) -> Any:
        """None while the server runs or, for one that did, its engine does not answer; otherwise how it ended.

        JupyterHub takes an exception here for "not running" when it starts, and would forget a running server.
        A server that died is reported to log and `ENDINGS`, then swept away.
        """
        # A hub that starts decides by this one poll; all others are repeated soon.
        patience = self.engine_patience if self._check_pending else 0.0
        try:
            status = await patiently(super().poll, self.engine_is_silent, patience)
            if status is None and self._check_pending and not self._has_been_ready:
                status = await self._take_over()
        except EngineSilent as error:
            if not (self._has_been_ready or self._check_pending):
                return "it did not start"  # what is left of it is swept once the engine answers
            self.log.warning("Kept, because it is not known how it is: %s", error.log_message)
            return None
        if status is not None:
            async with self._dying:  # polled by the clock and by the engine's event at the same time
                if self._has_been_ready or self._check_pending:
                    await self._bury(await self._remains())
        return status

    async def stop(self, now: bool = False) -> None:
        """Stop the server; the home stays.

        Args:
            now: Do not wait for a clean end.

        Raises:
            EngineSilent: The engine did not answer for `engine_patience`. What runs is swept once it does.
        """
        self._has_been_ready = False
        stop = super().stop
        try:
            await patiently(lambda: stop(now), self.engine_is_silent, self.engine_patience)
        except EngineSilent:
            self.request_sweep()
            raise
        self._stages = []

    async def get_url(self) -> str:
        """Where the server is; JupyterHub asks when it starts, and its database does not know of a recovered one."""
        return self._recovered_url or str(await super().get_url())

    # How it ended

    @property
    def ending(self) -> Ending | None:
        """How the server ended, for the pages that say it does not run; None when it was stopped in good order."""
        ending = ENDINGS.latest(self.user.name, self.name)
        return None if ending is None or ending.started_again else ending

    async def _remains(self) -> Ending:
        """What is known of a server that ended; little when the engine does not answer."""
        try:
            return await self.how_it_ended()
        except Exception as error:
            if not self.engine_is_silent(error):
                raise
            return Ending(error=f"The engine does not answer: {error}")

    async def _bury(self, ending: Ending) -> None:
        """Report the end of a server that had been ready, or was being started by a hub that ended, and remove it."""
        ending = replace(ending, interrupted=not self._has_been_ready)
        self._has_been_ready = False
        ENDINGS.record(self.user.name, self.name, ending)
        self.log.error("Server died: %s", ending.log_message)
        await self._discard()

    async def _discard(self) -> None:
        """As `discard`; what it could not remove is swept later."""
        token = self.api_token
        try:
            await self.discard()
        except Exception as error:
            if not self.engine_is_silent(error):
                raise
            self.log.warning("Not removed, the engine does not answer: %s", error)
            self.request_sweep()
        self.api_token = token  # JupyterHub deletes it next

    async def _take_over(self) -> Any:
        """Bring a start to its end that another process of this hub has begun; as `poll`."""
        try:
            address = await patiently(self.recover, self.engine_is_silent, self.engine_patience)
            self._stages = []
            await self._wait_until_ready(address)
        except EngineSilent:
            raise
        except (LookupError, SpawnFailure) as error:
            return f"its start was interrupted and could not be finished: {error}"
        self._has_been_ready = True
        self._recovered_url = urls.origin(address)
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()
        return None

    # Hearing of an end before the next poll

    def start_polling(self) -> None:
        """As JupyterHub's; also listens to the engine."""
        super().start_polling()
        self.watch()

    def stop_polling(self) -> None:
        """As JupyterHub's; also stops listening."""
        super().stop_polling()
        self.unwatch()

    def look_now(self) -> None:
        """Poll at once (in the hub's event loop), unless the hub would not yet hear what the poll finds."""
        if self.pending:
            return
        task = asyncio.get_running_loop().create_task(self.poll_and_notify())
        self._looking.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._looking.discard)

    # What a hub that ended, or an engine that did not answer, has left behind

    _sweepers: ClassVar[dict[type, Sweeper]] = {}

    def request_sweep(self) -> None:
        """Have servers that no spawner of the database owns removed, once the engine answers."""
        kind = type(self)
        if kind not in self._sweepers:
            self._sweepers[kind] = Sweeper(
                self.servers_of_this_hub, self._owned, self.remove_found, self.engine_is_silent, self.log
            )
        self._sweepers[kind].request()

    def _owned(self) -> set[tuple[str, str]]:
        """Names of user and server of all that run or are being started: JupyterHub notes a start before it begins."""
        running = self.user.db.query(orm.Spawner).filter(orm.Spawner.server != None)  # noqa: E711
        return {(spawner.user.name, spawner.name) for spawner in running}

    # What outlives the hub

    def get_state(self) -> dict[str, Any]:
        """The engine's state, and that the server was ready: without it a hub that starts goes on with the start."""
        state: dict[str, Any] = super().get_state()
        if self._has_been_ready:
            state["ready"] = True
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` saved; the first spawner of a hub's process has orphans swept."""
        super().load_state(state)
        self._has_been_ready = self._has_been_ready or bool(state.get("ready"))
        if self.orm_spawner and type(self) not in self._sweepers:
            self.request_sweep()

    def clear_state(self) -> None:
        """Forget the server."""
        super().clear_state()
        self._has_been_ready = False

    async def _wait_until_ready(self, address: Any) -> None:
        """Wait for the status page of the server at ``address`` to say ready.

        Raises:
            ServerDied: The server or its Blender ended for good.
            NotReadyInTime: ``mcp_timeout`` passed.
        """
        status_url = urls.below(urls.below(urls.origin(address), self.server.base_url), urls.STATUS)
        percent = 40

        def on_change(stage: Stage, sentence: str) -> None:
            nonlocal percent
            percent = min(percent + 15, 90)
            self.tell(percent, stage, sentence)

        status = await wait_until_ready(
            lambda: fetch_status(status_url, self.api_token),
            lambda: patiently(self.server_is_alive, self.engine_is_silent, self.mcp_timeout),
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
