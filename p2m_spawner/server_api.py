"""``GET /hub/api/p2m/users/NAME/server``: where a user's server is reached, for services beside the hub.

JupyterHub's server model has no address, and its server state is only for who may change it (``admin:server_state``).
A service that asks a server directly is quicker than by the proxy, and its questions do not count as use of the server,
which the hub reads from the proxy.
"""

import json
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web


class ServerPlaceAPIHandler(APIHandler):
    """Tells where a user's default server is."""

    @needs_scope("read:servers")
    def get(self, user_name: str) -> None:
        """Answer ``{"address": "http://host:port" | null, "ports": {"ui": int | null, "mcp": int | null}}``.

        ``address`` is null unless the server is ready; ``ports`` are those published on its host.

        Raises:
            tornado.web.HTTPError: 404 for an unknown user.
        """
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404, "There is no such user.")
        place: dict[str, Any] = {"address": None, "ports": {"ui": None, "mcp": None}}
        spawner = user.spawners.get("")
        if spawner is not None and spawner.active:
            if spawner.ready:
                place["address"] = spawner.server.host
            if hasattr(spawner, "ports_on_host"):
                place["ports"] = spawner.ports_on_host()
        self.finish(json.dumps(place))


HANDLERS = [(r"/api/p2m/users/([^/]+)/server", ServerPlaceAPIHandler)]
"""Routes below the hub's prefix, for ``c.JupyterHub.extra_handlers``."""
