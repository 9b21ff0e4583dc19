"""What we add to the hub's REST API: how servers ended.

A hub with another configuration than ours adds ``c.JupyterHub.extra_handlers = p2m_spawner.hub_api.HANDLERS``.
"""

import json
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from .endings import ENDINGS


class EndingsHandler(APIHandler):
    """``GET /hub/api/p2m/endings/USER``: the latest ending of each of a user's servers.

    ``{"SERVER": ending, …}``, an ending as :meth:`p2m_spawner.endings.Ending.model` says; the default server's name is
    empty. Needs the scope ``read:servers`` for that user, which users have for themselves.
    """

    @needs_scope("read:servers")
    async def get(self, user_name: str) -> None:
        """Answer with all endings of a user; an empty object when there are none."""
        endings = ENDINGS.of_user(user_name)
        self.finish(json.dumps({server: ending.model() for server, ending in endings.items()}))


class EndingHandler(APIHandler):
    """``GET /hub/api/p2m/endings/USER/SERVER``: the latest ending of one server; ``…/USER/`` is the default one's.

    404 when it has not ended since the hub started.
    """

    @needs_scope("read:servers")
    async def get(self, user_name: str, server_name: str) -> None:
        """Answer with the ending."""
        ending = ENDINGS.latest(user_name, server_name)
        if ending is None:
            raise web.HTTPError(404, "This server has not ended by itself since the hub was started.")
        self.finish(json.dumps(ending.model()))


HANDLERS: list[tuple[str, type[Any]]] = [
    (r"/api/p2m/endings/([^/]+)", EndingsHandler),
    (r"/api/p2m/endings/([^/]+)/([^/]*)", EndingHandler),
]
"""For ``c.JupyterHub.extra_handlers``."""
