"""The authorization endpoint: the hub says who is there, and a page asks them whether a client may come in.

Asked each time: a client on somebody's computer cannot prove that it is the one of before (RFC 8252, section 8.6).
Nobody is ever sent back to a client without having pressed a button, so the hub's name lends itself to no phishing
(RFC 9700, section 4.11.2).
"""

import logging
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from p2m_spawner.accounts.throttle import LeakyBuckets
from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.grants import Grants
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth import redirects
from p2m_spawner.gateway.oauth.authorization_request import (
    Asked,
    BadRedirectUri,
    BadRequest,
    checked,
    redirect_uri,
)
from p2m_spawner.gateway.oauth.client_documents import BadDocument, ClientDocuments, is_address
from p2m_spawner.gateway.oauth.clients import Client, Clients
from p2m_spawner.gateway.oauth.codes import Codes
from p2m_spawner.gateway.pages import Pages
from p2m_spawner.gateway.sign_in import Person, SignIn
from p2m_spawner.gateway.tokens import Audience, Mode

log = logging.getLogger(__name__)

PER_PERSON = 60
PERIOD = 600.0
"""So many consent pages of one person in so many seconds: each may make this hub fetch a document."""

MODES = {
    Mode.FULL: ("Everything", "See and change scenes, render, read and write files, and run Python in Blender."),
    Mode.NO_CODE: ("Everything but code", "See and change scenes, render and use files, but run no Python of its own."),
    Mode.READ_ONLY: ("Only look", "See scenes, pictures and lists of files, and change nothing."),
}
"""What a person is told of each mode."""


class Stop(Exception):
    """There is nothing to ask the person.

    Args:
        response: The page that says why.
    """

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Authorization:
    """The authorization endpoint.

    Args:
        sign_in: Who is there.
        pages: Shows pages.
        addresses: Makes URLs.
        clients: Those that have registered.
        documents: Those that publish a document.
        grants: Keep what was allowed.
        codes: Make codes.
        metrics: Count.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        sign_in: SignIn,
        pages: Pages,
        addresses: Addresses,
        clients: Clients,
        documents: ClientDocuments,
        grants: Grants,
        codes: Codes,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sign_in = sign_in
        self._pages = pages
        self._addresses = addresses
        self._clients = clients
        self._documents = documents
        self._grants = grants
        self._codes = codes
        self._metrics = metrics
        self._throttle: LeakyBuckets[str] = LeakyBuckets(PER_PERSON, PERIOD, clock)

    async def show(self, request: Request) -> Response:
        """Ask the person.

        Raises:
            SignInNeeded: There is nobody yet.
        """
        person = await self._sign_in.person(request)
        try:
            client, asked = await self._asked(request, person)
        except Stop as stop:
            return stop.response
        return self._pages.page(
            "consent.html",
            person,
            form_targets=[redirects.source(asked.redirect_uri)],
            client=client,
            goes_to=redirects.host(asked.redirect_uri),
            on_this_computer=redirects.is_loopback(asked.redirect_uri),
            modes=[(mode.value, *MODES[mode]) for mode in asked.modes],
        )

    async def decide(self, request: Request) -> Response:
        """The person has pressed a button.

        Raises:
            SignInNeeded: They are no longer signed in, and are asked again afterwards.
            Refusal: The form is not of a page of theirs.
        """
        person = await self._sign_in.person_who_posts(request)
        try:
            client, asked = await self._asked(request, person)
        except Stop as stop:
            return stop.response
        form = await request.form()
        mode = next((mode for mode in asked.modes if mode.value == form.get("mode")), None)
        if form.get("decision") != "allow" or mode is None:
            self._metrics.oauth.labels("consent", "denied").inc()
            return self._back(request, asked.redirect_uri, asked.state, error="access_denied")
        ticket = await self._grants.promise(
            person.name, client=client.name, mode=mode, audience=Audience.MCP, client_id=client.id
        )
        if not is_address(client.id):
            await self._clients.allowed(client.id)
        self._metrics.oauth.labels("consent", "allowed").inc()
        log.info("%s lets %r (%s) in: %s", person.name, client.name, client.id, mode.value)
        code = self._codes.make(ticket, client.id, asked.redirect_uri, asked.challenge)
        return self._back(request, asked.redirect_uri, asked.state, code=code)

    async def _asked(self, request: Request, person: Person) -> tuple[Client, Asked]:
        """Who asks for what.

        Raises:
            Stop: The request is not taken.
        """
        pairs = request.query_params.multi_items()
        query = dict(pairs)
        if len(query) != len(pairs):
            raise self._stop(person, "The app has sent something twice that belongs there once.")
        client = await self._client(query.get("client_id", ""), person)
        try:
            return client, checked(query, client, self._addresses.mcp(request))
        except BadRedirectUri:
            raise self._stop(
                person, f"{client.name} wants to be answered at an address that it has not registered."
            ) from None
        except BadRequest as error:
            uri, state = redirect_uri(query, client), query.get("state")
            way_back = self._back_url(request, uri, state, error=error.code, error_description=str(error))
            page = self._pages.page(
                "consent_problem.html",
                person,
                status=400,
                client=client,
                message=str(error),
                way_back=way_back,
                goes_to=redirects.host(uri),
            )
            raise Stop(page) from error

    async def _client(self, client_id: str, person: Person) -> Client:
        if not is_address(client_id):
            client = await self._clients.find(client_id)
            if client is None:
                raise self._stop(person, "This hub does not know the app (any more). Remove it there and add it again.")
            return client
        if self._throttle.wait(person.name):
            raise self._stop(person, "Too many apps in a short time. Try again in a few minutes.", status=429)
        self._throttle.add(person.name)
        try:
            return await self._documents.client(client_id)
        except BadDocument as error:
            raise self._stop(person, str(error)) from error

    def _stop(self, person: Person, message: str, status: int = 400) -> Stop:
        self._metrics.oauth.labels("consent", "refused").inc()
        return Stop(self._pages.problem("This app cannot be let in", message, status=status, person=person))

    def _back(self, request: Request, uri: str, state: str | None, **values: str) -> Response:
        url = self._back_url(request, uri, state, **values)
        return RedirectResponse(url, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    def _back_url(self, request: Request, uri: str, state: str | None, **values: str) -> str:
        """The client's address with an answer, which says whose answer it is (RFC 9207)."""
        return redirects.with_query(uri, **values, state=state, iss=self._addresses.issuer(request))
