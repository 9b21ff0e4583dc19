"""Clients whose id is the https address of a document about them (draft-ietf-oauth-client-id-metadata-document).

The host of the address vouches for the client, so it is the one kind of client whose publisher a person can be told.
"""

import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from pydantic import ValidationError

from p2m_spawner.gateway.oauth.client_metadata import BadMetadata, ClientMetadata, validated
from p2m_spawner.gateway.oauth.clients import Client, shown_name
from p2m_spawner.gateway.oauth.public_fetch import NotFetched, Unreachable
from p2m_spawner.gateway.recent import Recent

KNOWN_FOR = 600.0
"""Seconds for which a document is not fetched again."""

MOST_KNOWN = 200
"""Documents kept at most."""

QUIET_FOR = 3600.0
"""Seconds for which such ids are not advertised after a host could not be reached: without the internet, clients have
to register instead, and do so when they ask the next time."""

LONGEST = 512
"""Characters of an id."""

_PLAIN = re.compile(r"https://[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")


class BadDocument(Exception):
    """A client that cannot be told by its document; the text is a sentence for people."""


def is_address(client_id: str) -> bool:
    """Whether a client id is an address, and not that of a registered client."""
    return "://" in client_id


class ClientDocuments:
    """Reads documents, and keeps them for a while.

    Args:
        fetch: Gets one; may raise :class:`NotFetched`.
        clock: Monotonic seconds.
    """

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: Recent[Client] = Recent(KNOWN_FOR, MOST_KNOWN, clock)
        self._unreachable_since = float("-inf")

    @property
    def advertised(self) -> bool:
        """Whether clients are told that such ids work here."""
        return self._clock() - self._unreachable_since > QUIET_FOR

    async def client(self, client_id: str) -> Client:
        """The client that a document describes.

        Raises:
            BadDocument: It cannot be fetched, or does not describe this client.
        """
        check_address(client_id)
        client = self._known.get(client_id)
        if client is None:
            try:
                client = read(client_id, await self._fetch(client_id))
            except Unreachable as error:
                self._unreachable_since = self._clock()
                raise BadDocument(f"{error} Connect again: the app then introduces itself in another way.") from error
            except NotFetched as error:
                raise BadDocument(str(error)) from error
            self._known.put(client_id, client)
        return client


def check_address(client_id: str) -> None:
    """Refuse what cannot be the address of a document.

    Raises:
        BadDocument: It is not https, or has a part that it must not have.
    """
    problem = "The app's id is not an address that a document about it may have."
    if len(client_id) > LONGEST or not _PLAIN.fullmatch(client_id):
        raise BadDocument(problem)
    try:
        parts = urlsplit(client_id)
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError as error:
        raise BadDocument(problem) from error
    segments = parts.path.split("/")
    if not parts.hostname or "@" in parts.netloc or parts.path in ("", "/") or {".", ".."} & set(segments):
        raise BadDocument(problem)


def read(client_id: str, document: bytes) -> Client:
    """The client that a document describes.

    Raises:
        BadDocument: It describes none, or another one.
    """
    host = urlsplit(client_id).netloc
    try:
        metadata = ClientMetadata.model_validate_json(document)
        validated(metadata)
    except (ValidationError, BadMetadata) as error:
        raise BadDocument(f"The document of {host} does not describe an app.") from error
    if metadata.client_id != client_id:
        raise BadDocument(f"The document of {host} describes another app.")
    if metadata.token_endpoint_auth_method not in (None, "none"):
        raise BadDocument(f"The app of {host} proves itself in a way that this hub does not know.")
    return Client(client_id, shown_name(metadata.client_name, host), tuple(metadata.redirect_uris), published_by=host)
