"""A Blender that is only a socket, and the real MCP server in front of it: what the tests of the user image share."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server.__main__ import listen
from p2m_singleuser.mcp_server.app import build_app

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


class CommandFailed(Exception):
    """Raised by an answer: Blender reports an error reply with these details."""

    def __init__(self, message: str, *, type: str = "RuntimeError", traceback: str = "", output: str = "") -> None:
        super().__init__(message)
        self.details = {"type": type, "traceback": traceback, "output": output}


class FakeBlender:
    """Speaks docs/protocol.md on a unix socket; commands are coroutine functions in `answers`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Answer] = {"get_status": self.status}
        self.requests: list[dict[str, Any]] = []
        self.hung_up = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Do what a crash does: the listener and all connections are gone, the file stays."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()

    async def status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"state": "ready", "busy_since": None, "busy_with": None, "version": "4.3.2", "pid": 42, "file": None}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                request = json.loads(await reader.readexactly(length))
                if request["id"]:  # 0 is the life sign that every call begins with
                    self.requests.append(request)
                task = asyncio.create_task(self._answer(request, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.hung_up.set()
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        reply: dict[str, Any] = {"id": request["id"]}
        try:
            reply |= {"status": "success", "result": await self.answers[request["type"]](request["params"])}
        except CommandFailed as failure:
            reply |= {"status": "error", "message": str(failure), "error": failure.details}
        payload = json.dumps(reply).encode()
        writer.write(struct.pack(">I", len(payload)) + payload)
        await writer.drain()


def serving_mcp(runtime: Path) -> contextlib.AbstractAsyncContextManager[uvicorn.Server]:
    """Run the MCP server on ``mcp.sock`` in `runtime`, for the Blender on ``blender.sock`` there."""
    return serving(runtime, build_app(BlenderLink(runtime / "blender.sock")))


@contextlib.asynccontextmanager
async def serving(runtime: Path, app: Starlette) -> AsyncIterator[uvicorn.Server]:
    """Run a web application on ``mcp.sock`` in `runtime`."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
    with contextlib.closing(listen(runtime / "mcp.sock")) as sock:
        sock.listen()
        running = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield server
        finally:
            server.should_exit = True
            await running
