"""A user's server as the container has it, but without a container and without Blender: one process, a second to start.

The real single-user server with our extension; behind its relay the tools of MCP's conformance suite, and those below.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from sse_starlette import EventSourceResponse

from p2m_singleuser.mcp_server.__main__ import listen
from tests.conformance.fixture_server import fixture_app, fixture_server

HANGS, LET_GO, COUNTED = "hangs", "let-go", "counted"
"""Files in the home: a call of `hang` has begun, and has been cancelled; a call of `count` is over."""


def add_tools(server: MCPServer[None], home: Path) -> None:
    @server.tool()
    def whose() -> dict[str, Any]:
        """Tell whose server this is, and which start of it."""
        return {"user": os.environ["JUPYTERHUB_USER"], "pid": os.getpid()}

    @server.tool()
    def headers(ctx: Context[None, Any]) -> dict[str, str]:
        """Return the headers of the request."""
        request = ctx.request_context.request
        return dict(request.headers) if request is not None else {}

    @server.tool()
    def length(text: str) -> int:
        """Return the length of a text."""
        return len(text)

    @server.tool()
    def large(size: int) -> str:
        """Return a long text."""
        return "x" * size

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ToolError("It failed, as asked.")

    @server.tool()
    async def count(ctx: Context[None, Any], to: int) -> str:
        """Count, ten numbers a second, as progress."""
        try:
            for number in range(1, to + 1):
                await ctx.report_progress(number, to)
                await asyncio.sleep(0.1)
            return f"counted to {to}"
        finally:
            (home / COUNTED).touch()

    @server.tool()
    async def hang(ctx: Context[None, Any]) -> str:
        """Tell of progress until somebody cancels."""
        (home / HANGS).touch()
        try:
            while True:
                await ctx.report_progress(1, message="hanging")
                await asyncio.sleep(0.1)
        finally:
            (home / LET_GO).touch()


def serve_tools(home: Path, runtime: Path) -> None:
    EventSourceResponse.DEFAULT_PING_INTERVAL = 2  # seconds between the life signs of an idle stream; 15 by default
    server = fixture_server()
    add_tools(server, home)
    app = fixture_app(server)
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="on", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listen(runtime / "mcp.sock")])


def main() -> None:
    home = Path(os.environ["HOME"])
    runtime, config = home / "run", home / "config" / "jupyter_server_config.d"
    for folder in (runtime, config):
        folder.mkdir(parents=True, exist_ok=True)
    (config / "p2m.json").write_text('{"ServerApp": {"jpserver_extensions": {"p2m_singleuser": true}}}')
    os.environ |= {"P2M_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(config.parent)}
    threading.Thread(target=serve_tools, args=(home, runtime), daemon=True).start()

    from jupyterhub.singleuser import main as serve

    sys.argv[1:] = ["--allow-root"]
    serve()


if __name__ == "__main__":
    main()
