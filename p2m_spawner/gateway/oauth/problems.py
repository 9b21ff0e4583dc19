"""What OAuth endpoints refuse, in the form that RFC 6749 (section 5.2) and its relatives give errors. Pure."""

from collections.abc import Mapping


class OAuthProblem(Exception):
    """A request of a client that gets no further.

    Args:
        code: ``invalid_request``, ``invalid_grant`` …
        description: A sentence for the client's developers and users.
        status: HTTP status.
        headers: More response headers.
    """

    def __init__(
        self, code: str, description: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, str]:
        """The answer's JSON."""
        return {"error": self.code, "error_description": self.description}
