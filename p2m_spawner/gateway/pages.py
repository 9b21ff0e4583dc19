"""The gateway's own pages: autoescaped templates in the hub's look, with headers that let nothing else in."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from p2m_spawner.gateway.refusals import Refusal, hub_away, hub_refused, store_away
from p2m_spawner.gateway.settings import GatewaySettings
from p2m_spawner.gateway.store_calls import StoreAway
from p2m_spawner.hub_client import HubAway, HubRefused

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

TEMPLATES = Path(__file__).parent / "templates"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
"""Content-Security-Policy: files of this hub alone, no inline script or style, nobody's frame."""


class Reader(Protocol):
    """Who reads a page; :class:`p2m_spawner.gateway.sign_in.Person` is one."""

    @property
    def name(self) -> str:
        """Name of the user."""

    @property
    def admin(self) -> bool:
        """Whether they administer the hub."""

    @property
    def xsrf(self) -> str:
        """What their forms send."""


def environment(folder: Path) -> Environment:
    """Templates of a folder: autoescaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Pages:
    """Makes pages. Templates extend ``gateway_page.html`` and find there ``person``, ``prefix`` and ``hub_prefix``.

    Args:
        settings: Where the gateway and the hub are.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._templates = environment(TEMPLATES)
        self._templates.globals.update(prefix=settings.prefix, hub_prefix=settings.hub_prefix)

    def page(
        self,
        template: str,
        person: Reader | None,
        *,
        status: int = 200,
        form_targets: Iterable[str] = (),
        **values: Any,
    ) -> HTMLResponse:
        """Render a page.

        Args:
            template: Its file name.
            person: Who reads it; None for somebody who is not signed in.
            status: HTTP status.
            form_targets: Sources to which an answer to one of its forms may redirect, beside this hub
                (Content-Security-Policy's ``form-action`` holds for redirects too).
            values: What the template shows.
        """
        html = self._templates.get_template(template).render(person=person, **values)
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": " ".join([POLICY, *form_targets]),
            # Not `no-referrer`: forms would then send `Origin: null`.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
        return HTMLResponse(html, status, headers)

    def problem(self, title: str, message: str, *, status: int = 400, person: Reader | None = None) -> HTMLResponse:
        """A page that says what went wrong, in sentences."""
        return self.page("gateway_problem.html", person, status=status, title=title, message=message)

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint for people: what it refuses is a page, not the JSON that programs get."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Refusal as error:
                refusal = error
            except HubAway as error:
                log.warning("%s %s: %s", request.method, request.url.path, error)
                refusal = hub_away(error.retry_after)
            except HubRefused as error:
                log.error(
                    "%s %s: the hub refuses: %s %s", request.method, request.url.path, error.status, error.message
                )
                refusal = hub_refused()
            except StoreAway:
                refusal = store_away()
            page = self.problem("That did not work", refusal.message, status=refusal.status)
            page.headers.update(refusal.headers)
            return page

        return answer
