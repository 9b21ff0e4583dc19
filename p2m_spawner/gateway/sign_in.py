"""Who is at the browser: the gateway's pages sign people in by the hub's own OAuth (the gateway is a client of it).

The session is a cookie of our own, signed, that holds the token which the hub has given out for this sign-in. The hub
is asked for it again and again: it ends that token when the person logs out at the hub, revokes it on the token page,
or is deleted, and so the session ends too. Nothing is kept here.
"""

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.callers import Callers
from p2m_spawner.gateway.pages import Pages
from p2m_spawner.gateway.pkce import challenge
from p2m_spawner.gateway.refusals import Refusal, forbidden
from p2m_spawner.gateway.sealed import BadSeal, seal, unseal
from p2m_spawner.gateway.settings import GatewaySettings
from p2m_spawner.gateway.tokens import Keys
from p2m_spawner.hub_client import HubClient, HubRefused

log = logging.getLogger(__name__)

SESSION_COOKIE = "p2m-session"
SESSION_LIFETIME = 3600
"""Seconds; afterwards the browser passes by the hub again, which asks nothing while the person is logged in there."""

BROWSER_COOKIE = "p2m-sign-in"
"""Random, and known to one browser alone: ``state`` and PKCE of a sign-in are bound to it, in any number of tabs."""

SIGN_IN_DEADLINE = 900
"""Seconds that a person may take at the hub's login page."""

XSRF_FIELD = "_xsrf"
XSRF_HEADER = "x-xsrftoken"

_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Person:
    """Somebody at a browser.

    Attributes:
        name: Name of the user.
        admin: Whether they administer the hub.
        xsrf: What a form or script of a page of theirs has to send (``_xsrf``, ``X-XSRFToken``).
        hub_token: What the hub has given out for this sign-in: makes, lists and ends the person's own tokens.
    """

    name: str
    admin: bool
    xsrf: str
    hub_token: str = field(repr=False)


class SignInNeeded(Exception):
    """Nobody is signed in here; the application sends the browser to the hub."""


class SignIn:
    """Signs people in, and tells who they are.

    Args:
        settings: What the environment says.
        hub: Exchanges codes.
        callers: Ask the hub whose a token is.
        keys: Sign cookies.
        addresses: Tell whether people come by https.
        pages: Show what went wrong.
        clock: Unix seconds.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        hub: HubClient,
        callers: Callers,
        keys: Keys,
        addresses: Addresses,
        pages: Pages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._callers = callers
        self._keys = keys
        self._addresses = addresses
        self._pages = pages
        self._clock = clock
        self._callback = f"{settings.prefix}oauth_callback"

    async def person(self, request: Request, *, fresh: bool = False) -> Person:
        """Who is at the browser.

        Args:
            request: Of a page.
            fresh: Whether the hub is asked again although it was asked just now. Without, somebody who has just
                logged out at the hub is still let in for :data:`p2m_spawner.gateway.callers.KNOWN_FOR` seconds.

        Raises:
            SignInNeeded: Nobody is signed in (any more).
            HubAway, HubRefused: It cannot be told now.
        """
        try:
            session = unseal(self._keys, "session", request.cookies.get(SESSION_COOKIE, ""), self._clock())
            caller = await self._callers.identify(f"Bearer {session['hub']}", [], fresh=fresh)
        except (BadSeal, Refusal) as error:
            raise SignInNeeded from error
        user = await self._callers.user(caller.name, fresh=fresh) if caller.is_user else None
        if user is None:
            raise SignInNeeded
        return Person(user.name, user.admin, str(session["xsrf"]), str(session["hub"]))

    async def person_who_posts(self, request: Request) -> Person:
        """Who sends a form or a script's request: the hub has just said so, and the request has the page's token.

        Raises:
            SignInNeeded: Nobody is signed in (any more).
            Refusal: 403, the request does not come from a page of theirs.
            HubAway, HubRefused: It cannot be told now.
        """
        person = await self.person(request, fresh=True)
        given = request.headers.get(XSRF_HEADER) or (await request.form()).get(XSRF_FIELD)
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), person.xsrf.encode()):
            raise forbidden("This form is out of date. Reload the page and try again.", code="xsrf")
        return person

    def begin(self, request: Request) -> Response:
        """Send a browser to the hub, from where it comes back to the page it asked for."""
        if request.headers.get("sec-fetch-mode", "navigate") != "navigate":  # a script cannot follow to a login page
            raise Refusal(401, "signed_out", "You are no longer signed in. Reload the page.")
        now = self._clock()
        random = request.cookies.get(BROWSER_COOKIE, "")
        if not _RANDOM.fullmatch(random):
            random = secrets.token_urlsafe(32)
        page = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        state = seal(self._keys, "state", {"browser": challenge(random), "page": page}, SIGN_IN_DEADLINE, now)
        query = {
            "client_id": self._settings.oauth_client_id,
            "redirect_uri": self._callback,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge(random),
            "code_challenge_method": "S256",
        }
        url = f"{self._settings.hub_prefix}api/oauth2/authorize?{urlencode(query)}"
        response = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
        self._set_cookie(request, response, BROWSER_COOKIE, random, SIGN_IN_DEADLINE)
        return response

    async def finish(self, request: Request) -> Response:
        """The way back from the hub: check that this browser has begun it, and start a session.

        Raises:
            HubAway: The hub does not answer.
        """
        query, random = request.query_params, request.cookies.get(BROWSER_COOKIE, "")
        try:
            state = unseal(self._keys, "state", query.get("state", ""), self._clock())
            if not hmac.compare_digest(str(state["browser"]), challenge(random)):
                raise BadSeal("begun in another browser")
            code = query["code"]
        except (BadSeal, KeyError) as error:
            log.info("A sign-in was not completed: %s (%s)", error, query.get("error", "no error of the hub"))
            return self._failed("It was begun in another browser, took too long, or was refused by the hub.")
        try:
            token = await self._hub.oauth_token(self._settings.oauth_client_id, code, self._callback, random)
        except HubRefused as refusal:
            log.info("The hub does not take a sign-in's code: %s %s", refusal.status, refusal.message)
            return self._failed("The hub does not know it any more.")
        session = {"hub": token, "xsrf": secrets.token_urlsafe(16)}
        response = RedirectResponse(state["page"], 303, {"Cache-Control": "no-store"})
        sealed = seal(self._keys, "session", session, SESSION_LIFETIME, self._clock())
        self._set_cookie(request, response, SESSION_COOKIE, sealed, SESSION_LIFETIME)
        return response

    def routes(self) -> Iterable[Route]:
        """Where the hub sends browsers back to."""
        return [Route(self._callback, self._pages.endpoint(self.finish), methods=["GET"])]

    def _failed(self, reason: str) -> Response:
        return self._pages.problem("You are not signed in", f"This sign-in cannot be completed. {reason}")

    def _set_cookie(self, request: Request, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path=self._settings.prefix,
            secure=self._addresses.origin(request).startswith("https:"),
            httponly=True,
            samesite="lax",  # the way back from the hub, and from a client that opens the consent page
        )
