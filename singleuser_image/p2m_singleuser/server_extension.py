"""The Jupyter Server extension: status, MCP route, restart of Blender, desktop page, .blend files, examples."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join

from p2m_singleuser import desktop
from p2m_singleuser.activity import ignore_pages_left_open, keep_alive_while_at_work
from p2m_singleuser.examples import FOLDER, bring_examples
from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderLink, runtime_dir
from p2m_singleuser.mcp_relay import McpRelayHandler
from p2m_singleuser.open_blend_file import OpenHandler
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
        (url("open-in-blender"), OpenHandler, {"link": link, "root": Path(server_app.root_dir)}),
        (url("mcp"), McpRelayHandler, {"socket_path": runtime / "mcp.sock"}),
    ]
    web_app.add_handlers(".*$", routes)
    desktop.install(web_app)
    # Read by the JupyterLab extension.
    page_config = web_app.settings.setdefault("page_config_data", {})
    page_config["p2mDesktop"] = "false" if headless else "true"
    page_config["p2mExamples"] = FOLDER
    _bring_examples(server_app.log)
    ignore_pages_left_open()
    keep_alive_while_at_work(web_app.settings, JobStore(), link)
    server_app.log.info("p2m: status and MCP routes installed; sockets are expected in %s", runtime)


def _bring_examples(log: Any) -> None:
    """Bring the examples; a server without them is still one to work with."""
    try:
        written = bring_examples(Path.home())
    except OSError as error:
        log.warning("p2m: the examples could not be brought to the home: %s", error)
    else:
        if written:
            log.info("p2m: examples brought to the home: %s", ", ".join(written))
