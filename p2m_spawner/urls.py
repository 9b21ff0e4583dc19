"""Where a single-user server is, and things below its base URL (``/user/NAME/``). Pure string work."""

DESKTOP = "blender/"
MCP = "p2m/mcp"
STATUS = "p2m/status"
RESTART = "p2m/restart-blender"


def below(base_url: str, path: str) -> str:
    """Join a path to a base URL.

    Args:
        base_url: ``/user/NAME/`` or ``http://host:port/user/NAME``, with or without the last slash.
        path: A path of this module, without a first slash.

    Returns:
        The joined URL with exactly one slash between both.
    """
    return f"{base_url.rstrip('/')}/{path.lstrip('/')}"


def origin(address: str | tuple[str, int]) -> str:
    """What an engine's ``start`` returned, as a URL without a path."""
    return address if isinstance(address, str) else f"http://{address[0]}:{address[1]}"
