"""The JSON-RPC messages that pass the gateway, as far as it has to understand them. Pure: bytes in, values out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVER_ERROR = -32000
PARSE_ERROR = -32700
LONGEST_NAME = 128
"""Characters of a tool's or program's name that are kept: what a client sends has no limit."""

RequestId = str | int


@dataclass(frozen=True)
class RpcRequest:
    """A message that wants an answer.

    Attributes:
        id: Its id; answers name it.
        method: For example ``tools/call``.
        tool: Name of the tool that is called, None for other methods.
        arguments: The tool's arguments, as received.
        progress_token: What progress notifications of this request name, None when none are wanted.
        program: Who sends it, as it says itself; None when it does not.
    """

    id: RequestId
    method: str
    tool: str | None = None
    arguments: Any = None
    progress_token: RequestId | None = None
    program: str | None = None


def read_requests(body: bytes) -> list[RpcRequest] | None:
    """The requests in a POST's body: one message or a batch, as protocol 2025-03-26 had.

    Returns:
        Those that want an answer: none for notifications and for answers of the client. None: it is no JSON-RPC.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    messages = document if isinstance(document, list) else [document]
    if not messages or not all(isinstance(message, dict) for message in messages):
        return None
    return [_request(message) for message in messages if _is_id(message.get("id")) and "method" in message]


def _request(message: Mapping[str, Any]) -> RpcRequest:
    params = _mapping(message.get("params"))
    meta = _mapping(params.get("_meta"))
    method = str(message["method"])[:LONGEST_NAME]
    token = meta.get("progressToken")
    about = meta.get("io.modelcontextprotocol/clientInfo") or params.get("clientInfo")
    calls = method == "tools/call"
    return RpcRequest(
        id=message["id"],
        method=method,
        tool=str(params.get("name"))[:LONGEST_NAME] if calls else None,
        arguments=params.get("arguments") if calls else None,
        progress_token=token if _is_id(token) else None,
        program=name[:LONGEST_NAME] if isinstance(name := _mapping(about).get("name"), str) else None,
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def error(request_id: RequestId | None, message: str, code: int = SERVER_ERROR, word: str = "") -> dict[str, Any]:
    """An error answer.

    Args:
        request_id: What it answers; None: it cannot be told.
        message: A sentence, which MCP clients show.
        code: JSON-RPC's number.
        word: The gateway's own word for programs, when there is one.
    """
    detail: dict[str, Any] = {"code": code, "message": message}
    if word:
        detail["data"] = {"error": word}
    return {"jsonrpc": "2.0", "id": request_id, "error": detail}


def errors(requests: Sequence[RpcRequest], message: str, word: str = "") -> dict[str, Any] | list[dict[str, Any]]:
    """The body that tells all requests of a POST about one error."""
    told = [error(request.id, message, word=word) for request in requests]
    return told if len(told) > 1 else told[0] if told else error(None, message, word=word)


def progress(token: RequestId, value: float, message: str) -> dict[str, Any]:
    """A progress notification."""
    params = {"progressToken": token, "progress": value, "message": message}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def event(message: Mapping[str, Any]) -> bytes:
    """A message as a server-sent event."""
    return b"event: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n"


def comment(text: str) -> bytes:
    """A line of a stream of events that clients do not see; it only keeps the connection alive."""
    return b": " + " ".join(text.split()).encode() + b"\r\n\r\n"
