"""`POST …/p2m/restart-blender`: restarts Blender and answers once it is back (docs/architecture.md, "Restart")."""

from __future__ import annotations

import json

from jupyter_server.base.handlers import APIHandler
from tornado import web

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.restart import RestartFailed, restart_blender


class RestartHandler(APIHandler):
    """Restarts Blender for whoever may use this server: a bearer token, or a cookie together with its XSRF token."""

    def initialize(self, link: BlenderLink) -> None:
        """Take over what the route was registered with."""
        self._link = link

    @web.authenticated
    async def post(self) -> None:
        """Restart, and say how long it took; 503 with a sentence when Blender does not come back."""
        try:
            done = await restart_blender(self._link, self._say)
        except RestartFailed as error:
            self.set_status(503)
            await self.finish(json.dumps({"error": "restart-failed", "message": str(error)}))
            return
        await self.finish(json.dumps({"seconds": round(done.seconds, 2), "saved": done.saved}))

    async def _say(self, sentence: str) -> None:
        self.log.info("p2m: restart of Blender: %s", sentence)
