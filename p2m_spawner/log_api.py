"""``GET /hub/api/p2m/users/NAME/server/log?lines=200``: the last lines that a user's server printed.

Only the hub process can ask the spawner, which knows where its engine keeps them.
"""

import json

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

SCOPE = "custom:p2m:logs"
"""JupyterHub scope of a service that shows logs to administrators."""

SCOPE_DEFINITION = {"description": "Read what users' servers print."}
"""For ``c.JupyterHub.custom_scopes``."""

MOST_LINES = 2000


class ServerLogAPIHandler(APIHandler):
    """Tells what a user's default server has printed, to tokens with `SCOPE`."""

    async def get(self, user_name: str) -> None:
        """Answer ``{"log": str}``, empty when there is no server or its spawner keeps no log.

        Raises:
            tornado.web.HTTPError: 403 without the scope, 404: no such user, 400: not a number of lines.
        """
        if SCOPE not in self.parsed_scopes:  # `needs_scope` knows no custom scopes
            raise web.HTTPError(403, f"This call needs the scope {SCOPE}.")
        given = self.get_query_argument("lines", "200")
        if not (given.isascii() and given.isdigit() and 0 < int(given[:9]) <= MOST_LINES):
            raise web.HTTPError(400, f"lines must be a number from 1 to {MOST_LINES}.")
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404, "There is no such user.")
        spawner = user.spawners.get("")
        log = await spawner.log_tail(int(given)) if spawner and hasattr(spawner, "log_tail") else ""
        self.finish(json.dumps({"log": log}))


HANDLERS = [(r"/api/p2m/users/([^/]+)/server/log", ServerLogAPIHandler)]
"""Routes below the hub's prefix, for ``c.JupyterHub.extra_handlers``."""
