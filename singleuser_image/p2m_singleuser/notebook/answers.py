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


class AnsweringTransport(httpx2.AsyncHTTPTransport):
    """A transport whose POSTs always get an answer that is MCP."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its answer."""
        if request.method != "POST":
            return await super().handle_async_request(request)
        try:
            answer = await super().handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return _error(NOBODY, str(error) or type(error).__name__)
        except httpx2.TransportError as error:
            return _error(CUT, str(error) or type(error).__name__)
        if answer.status_code < 300:
            return answer
        body = await _body(answer)
        said = _json_rpc_error(body)
        if said.get("code") not in (None, _OWN_CODE):
            return httpx2.Response(answer.status_code, headers={"content-type": "application/json"}, content=body)
        return _error(answer.status_code, str(said.get("message") or ""))


async def _body(answer: httpx2.Response) -> bytes:
    try:
        return await answer.aread()
    except httpx2.HTTPError:
        return b""
    finally:
        await answer.aclose()


def _json_rpc_error(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def _error(status: int, message: str) -> httpx2.Response:
    error = {"code": _OWN_CODE, "message": message, "data": {STATUS: status}}
    return httpx2.Response(400, json={"jsonrpc": "2.0", "id": None, "error": error})
