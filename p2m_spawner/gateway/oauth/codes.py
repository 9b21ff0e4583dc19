"""Authorization codes: a grant's ticket, sealed together with what its client has to bring along. Pure.

Nothing of a code is kept: what makes it work once is its ticket (`grants`).
"""

import hmac
import time
from collections.abc import Callable

from p2m_spawner.gateway.grants import CODE_LIFETIME
from p2m_spawner.gateway.pkce import challenge
from p2m_spawner.gateway.sealed import BadSeal, seal, unseal
from p2m_spawner.gateway.tokens import Keys


class BadCode(Exception):
    """A code that is not accepted; the text is a sentence."""


class Codes:
    """Makes and opens codes.

    Args:
        keys: Seal them.
        clock: Unix seconds.
    """

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def make(self, ticket: str, client_id: str, redirect_uri: str, code_challenge: str) -> str:
        """A code for a client, as :meth:`ticket` will want to see it."""
        content = {"ticket": ticket, "client": client_id, "redirect": redirect_uri, "challenge": code_challenge}
        return seal(self._keys, "code", content, CODE_LIFETIME.total_seconds(), self._clock())

    def ticket(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> str:
        """The ticket in a code.

        Raises:
            BadCode: It is none, has expired, or belongs to another client, address or verifier.
        """
        try:
            content = unseal(self._keys, "code", code, self._clock())
        except BadSeal as error:
            raise BadCode("The code is unknown or has expired.") from error
        if content["client"] != client_id or content["redirect"] != redirect_uri:
            raise BadCode("The code was given to another client or redirect_uri.")
        if not hmac.compare_digest(content["challenge"], challenge(verifier)):
            raise BadCode("code_verifier does not belong to the code.")
        return str(content["ticket"])
