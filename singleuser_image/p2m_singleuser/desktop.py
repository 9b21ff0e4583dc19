"""The desktop page: `/user/NAME/blender/` and its files. Its websocket is the jupyter-server-proxy entry `blender`."""

from typing import Any


def handlers(base_url: str) -> list[Any]:
    """Return the routes of the page."""
    return []


def install(web_app: Any) -> None:
    """Add the routes of the page."""
