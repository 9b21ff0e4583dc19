"""What a client says of itself (RFC 7591, section 2), in a registration or in its document. Pure."""

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_spawner.gateway.oauth import redirects

AUTH_METHODS = ["none", "client_secret_post", "client_secret_basic"]
"""How clients may prove themselves at the token endpoint."""


class BadMetadata(ValueError):
    """A client that cannot be taken.

    Args:
        code: RFC 7591's.
        message: A sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ClientMetadata(BaseModel):
    """The parts that matter here; others are passed over, as RFC 7591 asks."""

    redirect_uris: Annotated[list[str], Field(min_length=1, max_length=20)]
    client_id: str | None = None
    client_name: str | None = None
    token_endpoint_auth_method: str | None = None
    grant_types: list[str] | None = None
    response_types: list[str] | None = None


def validated(metadata: ClientMetadata) -> None:
    """Check what the types do not say.

    Raises:
        BadMetadata: It cannot work here, or is dangerous.
    """
    for uri in metadata.redirect_uris:
        try:
            redirects.check(uri)
        except redirects.BadRedirect as error:
            raise BadMetadata("invalid_redirect_uri", str(error)) from error
    if metadata.grant_types is not None and "authorization_code" not in metadata.grant_types:
        raise BadMetadata("invalid_client_metadata", "grant_types must have authorization_code.")
    if metadata.response_types is not None and "code" not in metadata.response_types:
        raise BadMetadata("invalid_client_metadata", "response_types must have code.")
