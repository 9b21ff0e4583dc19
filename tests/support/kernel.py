"""An IPython kernel of a Jupyter server, used as JupyterLab does: REST to start and interrupt, a websocket to run."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .standalone import Standalone

CELL_S = 90.0
"""Seconds a cell may take on a busy machine."""


@dataclass
class Outputs:
    """What a cell left behind.

    Attributes:
        text: What it printed, stdout and stderr.
        bundles: What it displayed and returned: data by MIME type.
        traceback: Lines of its error as they are shown, without colours; empty when it had none.
        error: The error's type and text; empty when it had none.
    """

    text: str = ""
    bundles: list[dict[str, Any]] = field(default_factory=list)
    traceback: str = ""
    error: str = ""

    @property
    def value(self) -> str:
        """The last thing shown, as text."""
        return str(self.bundles[-1]["text/plain"])

    def shown(self, mime_type: str) -> str:
        """The last thing of a type that was shown."""
        found = [bundle[mime_type] for bundle in self.bundles if mime_type in bundle]
        assert found, f"no {mime_type} among {[sorted(bundle) for bundle in self.bundles]}; {self}"
        return str(found[-1])


class Kernel:
    """A kernel that runs."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, path: str) -> None:
        self._http = http
        self._socket = socket
        self._path = path

    async def run(self, code: str, seconds: float = CELL_S) -> Outputs:
        """Run a cell that must not fail and return its outputs."""
        outputs = await self.try_to_run(code, seconds)
        assert not outputs.error, outputs.traceback
        return outputs

    async def try_to_run(self, code: str, seconds: float = CELL_S) -> Outputs:
        """Run a cell and return its outputs."""
        return await self.finish(await self.begin(code), seconds)

    async def begin(self, code: str) -> str:
        """Send a cell and return what `finish` takes."""
        message_id = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        await self._send(message_id, "execute_request", content)
        return message_id

    async def finish(self, message_id: str, seconds: float = CELL_S) -> Outputs:
        """Wait for a cell's end and return its outputs."""
        outputs = Outputs()
        waiting = {"idle", "execute_reply"}
        async with asyncio.timeout(seconds):
            while waiting:
                message = await self._receive(message_id)
                kind, content = message["msg_type"], message["content"]
                if kind == "status" and content["execution_state"] == "idle":
                    waiting.discard("idle")
                elif kind == "execute_reply":
                    waiting.discard(kind)
                elif kind == "stream":
                    outputs.text += content["text"]
                elif kind in ("execute_result", "display_data", "update_display_data"):
                    outputs.bundles.append(content["data"])
                elif kind == "error":
                    outputs.error = f"{content['ename']}: {content['evalue']}"
                    outputs.traceback = _plain("\n".join(content["traceback"]))
        return outputs

    async def complete(self, code: str) -> list[str]:
        """What the tab key offers at the end of some code."""
        return list((await self._ask("complete_request", {"code": code, "cursor_pos": len(code)}))["matches"])

    async def inspect(self, code: str) -> str:
        """What ``?`` shows for the name at the end of some code."""
        content = {"code": code, "cursor_pos": len(code), "detail_level": 0}
        return _plain((await self._ask("inspect_request", content))["data"]["text/plain"])

    async def interrupt(self) -> None:
        """Press the stop button."""
        async with self._http.post(f"{self._path}/interrupt") as answer:
            answer.raise_for_status()

    async def _ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        message_id = uuid.uuid4().hex
        await self._send(message_id, kind, content)
        async with asyncio.timeout(CELL_S):
            while (message := await self._receive(message_id))["msg_type"] != kind.replace("request", "reply"):
                pass
        return dict(message["content"])

    async def _send(self, message_id: str, kind: str, content: dict[str, Any]) -> None:
        header = {
            "msg_id": message_id,
            "msg_type": kind,
            "username": "",
            "session": "tests",
            "version": "5.3",
            "date": "",
        }
        await self._socket.send_json(
            {
                "channel": "shell",
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
                "buffers": [],
            }
        )

    async def _receive(self, message_id: str) -> dict[str, Any]:
        while True:
            data = (await self._socket.receive_str()).encode()
            message = json.loads(data)
            if message["parent_header"].get("msg_id") == message_id:
                return dict(message)


def _plain(text: str) -> str:
    """Text without the codes that colour it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@asynccontextmanager
async def kernel_in(server: Standalone) -> AsyncIterator[Kernel]:
    """Start a kernel in a container and shut it down when the block ends."""
    headers = {"Authorization": f"token {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(f"{server.url}api/kernels", json={"name": "python3"}) as answer:
            answer.raise_for_status()
            path = f"{server.url}api/kernels/{(await answer.json())['id']}"
        try:
            async with http.ws_connect(f"{path}/channels".replace("http", "ws", 1), max_msg_size=0) as socket:
                kernel = Kernel(http, socket, path)
                await kernel.run("None")
                yield kernel
        finally:
            async with http.delete(path) as answer:
                answer.raise_for_status()
