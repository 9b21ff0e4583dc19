"""Runs inside a container, by itself, and prints JSON: round trips and large messages over each of its sockets.

Its text is given to the container's `python3 -c`; it needs the standard library only. Arguments: the wire, then
`trips COMMAND COUNT` (milliseconds of each) or `large MEGABYTES LIMIT` (seconds, null beyond the limit).
"""

import http.client
import json
import socket
import sys
import time
from typing import Any

Message = dict[str, Any]

PAUSE_S = 0.01
"""As a client that thinks between two commands."""

TOOLS = {"get_scene_info": "get_scene_info", "execute_code": "execute_blender_code"}
"""MCP tool of a command."""


class Tcp:
    """The raw socket, upstream's wire."""

    def __init__(self, limit: float) -> None:
        self.socket = socket.create_connection(("127.0.0.1", 9876), timeout=limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, command: str, params: Message) -> bool:
        """Whether the command succeeded."""
        self.socket.sendall(json.dumps({"type": command, "params": params}).encode())
        reply = b""
        while data := self.socket.recv(1 << 20):
            reply += data
            if reply.endswith(b"}"):
                try:
                    return bool(json.loads(reply)["status"] == "success")
                except ValueError:
                    continue
        raise ConnectionError("closed")


class Unix:
    """The socket of the image's own programs."""

    def __init__(self, limit: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(limit)
        self.socket.connect("/run/p2m/blender.sock")
        self.file = self.socket.makefile("rb")

    def call(self, command: str, params: Message) -> bool:
        """Whether the command succeeded."""
        request = json.dumps({"id": 1, "type": command, "params": params}).encode()
        self.socket.sendall(len(request).to_bytes(4, "big") + request)
        length = int.from_bytes(self.file.read(4), "big")
        return bool(json.loads(self.file.read(length))["status"] == "success")


class Mcp(http.client.HTTPConnection):
    """The MCP server, of the protocol without sessions."""

    def __init__(self, limit: float) -> None:
        super().__init__("localhost", timeout=limit)

    def connect(self) -> None:
        """By its unix socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/run/p2m/mcp.sock")

    def call(self, command: str, params: Message) -> bool:
        """Whether the tool succeeded."""
        tool = TOOLS[command]
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        body = json.dumps(message | {"params": {"name": tool, "arguments": params, "_meta": meta}})
        self.request("POST", "/mcp", body, headers)
        answer = self.getresponse()
        text = answer.read().decode()
        return answer.status == 200 and '"result"' in text and '"isError":true' not in text.replace(" ", "")


WIRES = {"tcp": Tcp, "unix": Unix, "mcp": Mcp}


def trips(wire: str, command: str, count: int) -> list[float]:
    """Milliseconds of each round trip, on one connection."""
    connection = WIRES[wire](30)
    times = []
    for _ in range(count):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        if not connection.call(command, {}):
            raise SystemExit(f"{command} failed")
        times.append(1000 * (time.perf_counter() - began))
    return times


def large(wire: str, megabytes: int, limit: float) -> float | None:
    """Seconds of one command of this size; None beyond the limit."""
    connection = WIRES[wire](limit)
    code = "x = 1  #" + "y" * (megabytes << 20)
    began = time.perf_counter()
    try:
        if not connection.call("execute_code", {"code": code}):
            raise SystemExit("execute_code failed")
    except TimeoutError:
        return None
    return time.perf_counter() - began


if __name__ == "__main__":
    _, wire, what, first, second = sys.argv
    if what == "trips":
        print(json.dumps(trips(wire, first, int(second))))
    else:
        print(json.dumps(large(wire, int(first), float(second))))
