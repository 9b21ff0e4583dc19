"""The MCP server of one user's Blender: streamable HTTP on a unix socket, in front of Blender's own socket."""

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Largest request body, in bytes; the relay in front keeps to it too.

The SDK's own 4 MiB (``mcp.server.transport_security``) is too small for scripts that carry mesh data or an image.
"""
