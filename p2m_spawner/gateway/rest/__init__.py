"""The REST API: a table of calls (`table`), what they do (`auth`, `sessions`, `connect`), its description and page."""

from collections.abc import Iterable

from starlette.routing import BaseRoute

from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.rest import page
from p2m_spawner.gateway.rest.table import calls


def routes(gateway: Gateway) -> Iterable[BaseRoute]:
    """The calls, their OpenAPI document and a page that shows it."""
    table = calls()
    return [*(call.route(gateway) for call in table), *page.routes(gateway, table)]
