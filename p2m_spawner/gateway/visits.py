"""Requests of the gateway's own pages: by a browser's window, or by the script of a page.

Everything under one origin, users' own servers too, can send requests with a visitor's cookie. So a page is given to
windows only, where no script of another page reads what its own script sends with each request (``X-XSRFToken``).
"""

import hmac

from starlette.requests import Request

from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import forbidden
from p2m_spawner.gateway.sign_in import XSRF_HEADER, Person

NO_STORE = {"Cache-Control": "no-store"}
"""Headers of what is given to a page's script."""


async def visitor(gateway: Gateway, request: Request) -> Person:
    """Who opens a page.

    Raises:
        SignInNeeded: Nobody is signed in.
        Refusal: 403, a script asks for it.
    """
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        raise forbidden("Open this page in a window of its own.", code="not_a_window")
    return await gateway.sign_in.person(request)


async def reader(gateway: Gateway, request: Request) -> Person:
    """For whom the script of a page asks for something.

    Raises:
        SignInNeeded: Nobody is signed in (any more).
        Refusal: 403, another page's script asks.
    """
    person = await gateway.sign_in.person(request)
    given = request.headers.get(XSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), person.xsrf.encode()):
        raise forbidden("This page is out of date. Reload it.", code="xsrf")
    return person


def need_administrator(person: Person) -> None:
    """Refuse everybody but administrators.

    Raises:
        Refusal: 403.
    """
    if not person.admin:
        raise forbidden("Only administrators of this hub see everybody's servers.")
