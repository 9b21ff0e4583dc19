"""The Jupyter Server extension: status page, streaming MCP route, restart of Blender, desktop page."""

from __future__ import annotations

import os
import re
from typing import Any

from jupyter_server.utils import url_path_join

from p2m_singleuser import desktop
from p2m_singleuser.activity import ignore_pages_left_open, keep_alive_while_at_work
from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderLink, runtime_dir
from p2m_singleuser.mcp_relay import McpRelayHandler
from p2m_singleuser.restart_page import RestartHandler
from p2m_singleuser.status import StatusHandler, StatusProbe


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "p2m_singleuser"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Add our routes to a `jupyter_server.serverapp.ServerApp` that is starting."""
    web_app = server_app.web_app
    runtime = runtime_dir()
    link = BlenderLink(runtime / "blender.sock")
    headless = os.environ.get("P2M_BLENDER_MODE") == "headless"

    def url(*parts: str) -> str:
        return re.escape(url_path_join(web_app.settings["base_url"], "p2m", *parts)) + "/?"

    routes = [
        (url("status"), StatusHandler, {"probe": StatusProbe(runtime, headless)}),
        (url("restart-blender"), RestartHandler, {"link": link}),
        (url("mcp"), McpRelayHandler, {"socket_path": runtime / "mcp.sock"}),
    ]
    web_app.add_handlers(".*$", routes)
    desktop.install(web_app)
    ignore_pages_left_open()
    keep_alive_while_at_work(web_app.settings, JobStore(), link)
    server_app.log.info("p2m: status and MCP routes installed; sockets are expected in %s", runtime)
