"""``/services/p2m/metrics``: what the gateway counts and, so that one scrape gets all, the hub's ``p2m_`` metrics."""

import logging
from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import forbidden
from p2m_spawner.gateway.tokens import Audience
from p2m_spawner.hub_client import HubAway, HubRefused

log = logging.getLogger(__name__)

HUB_FAMILY = "p2m_"
"""How the names of the hub's metrics begin that this page repeats; all others are on the hub's own page."""


def families(page: str, prefix: str) -> Iterator[str]:
    """The lines of a Prometheus page that belong to metrics whose name begins with a prefix."""
    for line in page.splitlines():
        name = line.split(maxsplit=3)[2] if line.startswith(("# HELP ", "# TYPE ")) else line
        if name.startswith(prefix):
            yield line


def routes(gateway: Gateway) -> Iterable[Route]:
    """The page; open to hub tokens with the scope ``read:metrics`` and to administrators' JWTs."""

    async def page(request: Request) -> Response:
        caller = await gateway.callers.identify(request.headers.get("authorization"), [Audience.REST])
        if not caller.may_read_metrics:
            raise forbidden("Reading metrics needs a hub token with the scope read:metrics.", code="insufficient_scope")
        own = generate_latest(gateway.metrics.registry).decode()
        try:
            hub = [*families(await gateway.hub.metrics(), HUB_FAMILY), ""]
        except (HubAway, HubRefused) as error:
            log.warning("The metrics page is without the hub's: %s", error)
            hub = []
        return Response(own + "\n".join(hub), media_type=CONTENT_TYPE_LATEST)

    return [Route(f"{gateway.settings.prefix}metrics", page, methods=["GET"])]
