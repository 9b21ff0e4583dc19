"""The MCP server of one user's Blender: streamable HTTP on a unix socket, in front of Blender's own socket."""
