"""What operators see of servers, whatever engine runs them: metrics, log lines with names in them, old images.

Stands in front of the mixin and changes nothing of what it does.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from jupyterhub.spawner import SpawnException
from tornado import web
from traitlets import default

from . import urls
from .metrics import ServerGauges, SpawnClock
from .mixin import BlenderSpawnerMixin
from .readiness import Stage, fetch_status
from .server_log import ServerLog

LOOK_SECONDS = 20.0
"""Time for a look at a running server, in seconds; less than JupyterHub's `poll_interval` (30)."""


class ObservedBlenderMixin(BlenderSpawnerMixin):
    """The Blender of a user, and what Prometheus, the log and the home page say of it."""

    newer_image: bool = False
    """Whether a start today would use another image than the running server has; the home page says so."""

    api_token: str  # of Spawner

    # What an engine's spawner says

    @property
    def container_of_server(self) -> str:
        """What operators know the server's container (or pod) by, empty while there is none."""
        return ""

    async def image_is_outdated(self) -> bool:
        """Whether a start today would use another image than the running server has."""
        return False

    async def token_of_server(self) -> str:
        """The hub token that the running server was given, empty when it cannot be read."""
        return ""

    # Log

    @default("log")
    def _log_default(self) -> ServerLog:
        return ServerLog(super()._log_default(), self._log_facts)

    def _log_facts(self) -> dict[str, str]:
        user = self.user.name if self.user else ""
        return {"user": user, "server": self.name, "container": self.container_of_server}

    # A start

    _spawn_clock: SpawnClock | None = None

    def tell(self, percent: int, stage: Stage, message: str) -> None:
        """As the mixin's; also measures the stages."""
        if self._spawn_clock:
            self._spawn_clock.enter(stage)
        super().tell(percent, stage, message)

    async def start(self) -> Any:
        """As the mixin's; also measures how long it took and counts how it ended."""
        clock = self._spawn_clock = SpawnClock()
        try:
            address = await super().start()
        except SpawnException as error:
            clock.failed(error.reason)
            raise
        except web.HTTPError as error:  # options of the user that were refused
            clock.failed("refused" if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else None)
            raise
        except asyncio.CancelledError:  # by the user, or because of `start_timeout`
            clock.failed("cancelled")
            raise
        except BaseException:
            clock.failed(None)
            raise
        finally:
            self._spawn_clock = None
        clock.succeeded()
        return address

    # A running server

    _look: asyncio.Task[None] | None = None

    @property
    def _gauges(self) -> ServerGauges:
        return ServerGauges(self.user.name, self.name)

    async def poll(self) -> Any:
        """As the mixin's; looks at a running server beside it, which neither delays nor fails the poll."""
        ended = await super().poll()
        if ended is None and self.ready and (self._look is None or self._look.done()):
            self._look = asyncio.create_task(self._look_at_server(urls.below(self.server.url, urls.STATUS)))
        return ended

    async def _look_at_server(self, status_url: str) -> None:
        """Note what the server says of itself, and whether there is a newer image."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                if not self.api_token:  # a restarted hub does not know it any more
                    self.api_token = await self.token_of_server()
                self._gauges.show(await fetch_status(status_url, self.api_token))
                self.newer_image = await self.image_is_outdated()
        except TimeoutError:
            self.log.warning("The engine did not say within %g s whether there is a newer image", LOOK_SECONDS)

    def clear_state(self) -> None:
        """As the engine's; JupyterHub calls it when a server has ended, however that came about."""
        super().clear_state()
        if self._look is not None:
            self._look.cancel()
        self.newer_image = False
        self._gauges.remove()
