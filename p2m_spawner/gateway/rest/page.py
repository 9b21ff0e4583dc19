"""``openapi.json`` and the page that shows it to people: one autoescaped template, nothing from other sites."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.pages import environment
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.rest.calls import Call
from p2m_spawner.gateway.rest.openapi import document

TEMPLATES = Path(__file__).parent / "templates"

PAGE_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
"""Content-Security-Policy of a page without scripts."""


def routes(gateway: Gateway, calls: Sequence[Call]) -> Iterable[Route]:
    """Both; they are open to everybody and say nothing about this hub's users."""
    prefix = gateway.settings.prefix
    openapi = document(calls, prefix, version("p2m-spawner"))
    html = (
        environment(TEMPLATES)
        .get_template("api.html")
        .render(openapi=openapi, prefix=prefix, hub_prefix=gateway.settings.hub_prefix)
    )

    async def as_json(request: Request) -> Response:
        return JSONResponse(openapi)

    async def as_page(request: Request) -> Response:
        return HTMLResponse(html, headers={"Content-Security-Policy": PAGE_POLICY})

    return [Route(f"{prefix}openapi.json", as_json), Route(f"{prefix}api", as_page)]
