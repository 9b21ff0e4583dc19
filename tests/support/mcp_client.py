"""The real MCP client of the SDK, with a bearer token."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

NO_HEADERS: Mapping[str, str] = {}


@asynccontextmanager
async def mcp_client(
    url: str, token: str, headers: Mapping[str, str] = NO_HEADERS, **options: Any
) -> AsyncIterator[Client]:
    """Connect to an MCP endpoint.

    Args:
        url: The endpoint.
        token: Sent as ``Authorization: Bearer``.
        headers: More headers of each request.
        options: More options of :class:`mcp.Client`.
    """
    timeout = httpx2.Timeout(30, read=120)
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}", **headers}, timeout=timeout) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


def text_of(result: Any) -> str:
    """The text of a tool's result; raises AssertionError when the tool reported an error."""
    text = "\n".join(part.text for part in result.content if part.type == "text")
    assert not result.is_error, text
    return text
