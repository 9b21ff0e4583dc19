"""What the gateway refuses, in the one shape of its errors: ``{"error": code, "message": sentence}``."""

from collections.abc import Mapping

REALM = 'Bearer realm="p2m"'


class Refusal(Exception):
    """A request that gets no further.

    Args:
        status: HTTP status.
        code: A word for programs: lower case, joined by ``_``.
        message: A sentence for people that says what to do; never has a token or password in it.
        headers: More response headers.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, str]:
        """The answer's JSON."""
        return {"error": self.code, "message": self.message}


def unauthenticated(message: str, *, code: str = "invalid_token", challenge: str = REALM) -> Refusal:
    """401 with the challenge that RFC 6750 asks for.

    Args:
        message: The sentence.
        code: ``invalid_token``, or ``missing_token``: then the challenge names no error (RFC 6750, section 3.1).
        challenge: Start of ``WWW-Authenticate``; the MCP endpoint adds where its OAuth metadata is.
    """
    value = challenge if code == "missing_token" else f'{challenge}, error="{code}"'
    return Refusal(401, code, message, {"WWW-Authenticate": value})


def forbidden(message: str, *, code: str = "forbidden") -> Refusal:
    """403: somebody whom we know may not do this."""
    return Refusal(403, code, message)


def hub_away(retry_after: int) -> Refusal:
    """503 while the hub does not answer."""
    message = f"The hub does not answer at the moment, it may be restarting. Try again in {retry_after} seconds."
    return Refusal(503, "hub_away", message, {"Retry-After": str(retry_after)})


def hub_refused() -> Refusal:
    """502: the hub refuses what the gateway needs; the logs say what."""
    message = "The hub has refused a request of the gateway; its log says why. Tell the administrator."
    return Refusal(502, "hub_refused", message)


def store_away(retry_after: int = 5) -> Refusal:
    """503 while the gateway's own database does not answer."""
    message = "Sign-ins cannot be read at the moment. Try again in a few seconds."
    return Refusal(503, "store_away", message, {"Retry-After": str(retry_after)})
