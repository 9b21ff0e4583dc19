"""HTTP answers that are no MCP (refusals, pages, silence): each becomes a JSON-RPC error of the request it belongs to.

The SDK (2.3) drops the status of a refused request, and a connection that nobody takes ends its whole transport with
all other calls in it. Here both arrive as an error with a status, and the transport goes on.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2

STATUS = "http_status"
"""Key of the error's data: the HTTP status, `NOBODY` or `CUT`."""

NOBODY = 0
"""Nobody took the connection: the request did not begin."""

CUT = 1
"""The connection ended before an answer came."""

_OWN_CODE = -32000
"""Code of the errors that relays make of refusals, and of those made here."""


class AnsweringClient(httpx2.AsyncClient):
    """An HTTP client whose POSTs always get an answer that is MCP."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and return its answer."""
        if request.method != "POST":
            return await super().send(request, **options)
        try:
            answer = await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return _error(request, NOBODY, str(error) or type(error).__name__)
        except httpx2.TransportError as error:
            return _error(request, CUT, str(error) or type(error).__name__)
        if answer.is_success:
            return answer
        said = _json_rpc_error(await _body(answer))
        if said.get("code") not in (None, _OWN_CODE):
            return answer
        return _error(request, answer.status_code, str(said.get("message") or ""))


async def _body(answer: httpx2.Response) -> bytes:
    try:
        return await answer.aread()
    except httpx2.TransportError:
        return b""


def _json_rpc_error(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def _error(request: httpx2.Request, status: int, message: str) -> httpx2.Response:
    error = {"code": _OWN_CODE, "message": message, "data": {STATUS: status}}
    return httpx2.Response(400, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)
