"""Asks an MCP server for its tools, as any client does. For `POST …/connect`."""

import json
import secrets
from typing import Any

import httpx2

from p2m_spawner.gateway.tokens import MODE_HEADER, Mode

PROTOCOL = "2026-07-28"
"""The protocol without sessions: one request is a whole conversation (modelcontextprotocol.io/specification)."""

MOST_PAGES = 20


class NoTools(Exception):
    """The server did not list its tools; the text says why."""


async def count_tools(http: httpx2.AsyncClient, url: str, mode: Mode = Mode.FULL) -> int:
    """Number of tools that a server lists.

    Written by hand because importing the MCP SDK's client takes longer than all else at the gateway's start, and its
    session costs two more requests.

    Args:
        http: Has the token in its headers.
        url: The MCP endpoint.
        mode: What whoever wants to know may do in Blender; tools that they may not call are not listed.

    Raises:
        NoTools: No proper answer.
    """
    count, cursor = 0, None
    for _ in range(MOST_PAGES):
        result = await _list_tools(http, url, mode, cursor)
        count += len(result["tools"])
        cursor = result.get("nextCursor")
        if cursor is None:
            return count
    raise NoTools(f"The MCP server lists its tools on more than {MOST_PAGES} pages.")


async def _list_tools(http: httpx2.AsyncClient, url: str, mode: Mode, cursor: str | None) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientInfo": {"name": "p2m-gateway", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params: dict[str, Any] = {"_meta": meta} if cursor is None else {"_meta": meta, "cursor": cursor}
    request = {"jsonrpc": "2.0", "id": secrets.token_hex(4), "method": "tools/list", "params": params}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": PROTOCOL,
        "Mcp-Method": "tools/list",
        MODE_HEADER: mode.value,
    }
    try:
        answer = await http.post(url, json=request, headers=headers)
        message = _message(answer)
    except (httpx2.TransportError, ValueError) as error:
        raise NoTools("The MCP server does not answer.") from error
    refused = message.get("error")
    if isinstance(refused, dict):
        raise NoTools(str(refused.get("message", "The MCP server refused.")))
    try:
        result: dict[str, Any] = message["result"]
        result["tools"]
    except (KeyError, TypeError) as error:
        raise NoTools(f"The MCP server answered with status {answer.status_code} and no list of tools.") from error
    return result


def _message(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC message of an answer, which is JSON or one server-sent event.

    Raises:
        ValueError: It has none.
    """
    text = answer.text
    if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        text = "".join(line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:"))
    message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("no JSON object")
    return message
