"""The program of the readiness probe, at a server's status page."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from .cluster import READY, status

PROGRAM = Path(__file__).resolve().parents[2] / "singleuser_image/rootfs/usr/local/bin/p2m-ready"


async def probe(document: Any, sent: str = "right") -> tuple[int, str]:
    """Exit code and words of the program in a server whose status page answers with a document."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "token right":
            return web.Response(status=403)
        return web.json_response(document)

    app = web.Application()
    app.router.add_get("/user/ada/p2m/status", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        return await run(port, sent)
    finally:
        await runner.cleanup()


async def run(port: int, sent: str) -> tuple[int, str]:
    environment = {
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:{port}/user/ada/",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_API_TOKEN": sent,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-IS", str(PROGRAM)), env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def test_it_can_be_run():
    assert os.access(PROGRAM, os.X_OK)


async def test_a_ready_server_is_ready():
    assert await probe(READY) == (0, "")


async def test_a_server_that_answers_and_is_not_ready_says_what_it_waits_for():
    assert await probe(status(False, "restarting")) == (1, "Blender is restarting, MCP is ready\n")


@pytest.mark.parametrize("document", ["starting", {"ready": False}, []])
async def test_anything_else_is_not_ready(document: Any):
    code, said = await probe(document)
    assert code == 1 and said.startswith("no status")


async def test_a_wrong_token_is_not_ready_and_not_told():
    assert await probe(READY, "wrong-secret") == (1, "/user/ada/p2m/status answered 403\n")


async def test_a_server_that_does_not_answer_is_not_ready():
    code, said = await run(1, "right")
    assert code == 1 and "refused" in said
