"""JupyterHub scopes for tokens that agents get: what such a token allows in Blender. Pure.

A token with ``access:servers`` opens its owner's server, and with it everything that is in it. The scopes here open
Blender alone, through the gateway, and not to run code or not to change anything.
"""

NO_CODE = "custom:p2m:mcp:no-code"
READ_ONLY = "custom:p2m:mcp:read-only"

DEFINITIONS = {
    NO_CODE: {"description": "Let an agent work in Blender, without running code."},
    READ_ONLY: {"description": "Let an agent look at Blender, without changing anything."},
}
"""For ``c.JupyterHub.custom_scopes``."""
