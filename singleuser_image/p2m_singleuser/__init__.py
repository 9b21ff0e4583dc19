"""What runs beside Blender in a container: socket client, MCP server, Jupyter Server extension, notebook magics."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Load the Jupyter Server extension only when Jupyter asks for it: importing `link` stays light."""
    if name in {"_jupyter_server_extension_points", "_load_jupyter_server_extension"}:
        from p2m_singleuser import server_extension

        return getattr(server_extension, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
