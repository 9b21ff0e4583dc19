"""Session ids that the gateway gives out itself: to clients of older protocols that connect while Blender starts.

The session's id is in the headers of the answer to ``initialize``. A stream that tells of a start has sent its headers
before the user's own endpoint has made the session, so the gateway names one and remembers which it stands for.
"""

import secrets
from collections import OrderedDict

MOST = 10_000
"""Sessions remembered; a client whose session was forgotten gets 404 and initialises anew, as the protocol says."""

_PREFIX = "gateway-"


class UnknownSession(Exception):
    """A session that the gateway gave to somebody else, has forgotten, or never gave."""


class Sessions:
    """What the gateway's session ids stand for."""

    def __init__(self) -> None:
        self._inner: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    @staticmethod
    def new() -> str:
        """An id to give out. It stands for nothing until :meth:`name` is called."""
        return _PREFIX + secrets.token_hex(16)

    def name(self, session: str, user: str, inner: str | None) -> None:
        """Say what an id stands for.

        Args:
            session: From :meth:`new`.
            user: Whom it was given to.
            inner: The session at their endpoint, None when that gave none.
        """
        self._inner[session] = (user, inner)
        while len(self._inner) > MOST:
            self._inner.popitem(last=False)

    def inner(self, session: str | None, user: str) -> str | None:
        """The session at a user's endpoint that a client's id stands for.

        Raises:
            UnknownSession: See there.
        """
        if session is None or not session.startswith(_PREFIX):
            return session
        owner, inner = self._inner.get(session, ("", None))
        if owner != user:
            raise UnknownSession
        return inner
