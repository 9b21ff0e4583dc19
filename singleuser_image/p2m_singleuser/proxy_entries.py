"""Entries for jupyter-server-proxy (entry point group `jupyter_serverproxy_servers`).

Nothing is started by them: s6 keeps both servers running, so their `command` is empty.
"""

import os
from pathlib import Path
from typing import Any

RUNTIME_DIR = Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m"))
STATIC_DIR = Path(__file__).parent / "static"
TIMEOUT = 30


def blender() -> dict[str, Any]:
    """Return the desktop: websocket to Xtigervnc's RFB socket, with the launcher's tile. Its page is desktop.py's."""
    return {
        "command": [],
        "unix_socket": str(RUNTIME_DIR / "vnc.sock"),
        "raw_socket_proxy": True,
        "timeout": TIMEOUT,
        "new_browser_tab": True,
        "launcher_entry": {
            "enabled": os.environ.get("P2M_BLENDER_MODE") != "headless",
            "title": "Blender",
            "icon_path": str(STATIC_DIR / "icon.svg"),
            "path_info": "blender/",
        },
    }


def blender_mcp() -> dict[str, Any]:
    """Return the MCP server's port for plain request/response clients; the streaming route is server_extension.py's."""
    return {
        "command": [],
        "unix_socket": str(RUNTIME_DIR / "mcp.sock"),
        "timeout": TIMEOUT,
        # The MCP server knows no public name of the hub, and refuses others than its own (DNS rebinding).
        "request_headers_override": {"Host": "localhost"},
        "launcher_entry": {"enabled": False, "title": "Blender MCP"},
    }
