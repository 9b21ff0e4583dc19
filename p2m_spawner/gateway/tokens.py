"""Access tokens: JSON Web Tokens (RFC 7519) that the gateway signs and verifies itself. Pure: key and clock are given.

HS256, because nobody but the gateway verifies them: clients take a token as an opaque text.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import jwt

ALGORITHM = "HS256"
ISSUER = "p2m-gateway"
LIFETIME = 3600
"""Seconds that an access token lives."""

LONGEST = 4096
"""Characters; a token of ours has about 500."""

CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti", "sid", "mode", "client"]


class Audience(StrEnum):
    """What a token opens. A token of one audience is refused by the other."""

    REST = "p2m-rest"
    MCP = "p2m-mcp"


class Mode(StrEnum):
    """What a token allows in Blender, from the widest to the narrowest (docs/protocol.md, "Modes and pause")."""

    FULL = "full"
    NO_CODE = "no-code"
    READ_ONLY = "read-only"


MODE_HEADER = "x-p2m-mode"
"""Narrows what one request may do in Blender."""


class BadToken(Exception):
    """A token that is not accepted; the text is a sentence for its owner."""


class SigningKey(Protocol):
    """A key and its name; :class:`p2m_spawner.gateway.keys.Key` is one."""

    @property
    def kid(self) -> str:
        """Its name in the token's header."""

    @property
    def octets(self) -> bytes:
        """The secret."""


class Keys(Protocol):
    """Where keys come from; :class:`p2m_spawner.gateway.keys.KeyRing` is one."""

    def signing_key(self) -> SigningKey:
        """The key for new tokens."""

    def find(self, kid: str) -> SigningKey | None:
        """A key that still verifies."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says.

    Attributes:
        user: Name of the user.
        grant: Id of the sign-in that it belongs to, see `store`.
        mode: What it allows.
        client: Who got it, for people: ``REST API``, or the name of an OAuth client.
        audience: What it opens.
        issued: Unix seconds.
        expires: Unix seconds.
    """

    user: str
    grant: str
    mode: Mode
    client: str
    audience: Audience
    issued: float
    expires: float


def sign(keys: Keys, user: str, grant: str, mode: Mode, client: str, audience: Audience, now: float) -> str:
    """Make an access token that lives for `LIFETIME`.

    Args:
        keys: Where the key comes from.
        user, grant, mode, client, audience: See :class:`Claims`.
        now: Unix seconds.
    """
    key = keys.signing_key()
    claims = {
        "iss": ISSUER,
        "aud": audience.value,
        "sub": user,
        "iat": now,
        "exp": int(now) + LIFETIME,
        "jti": secrets.token_hex(8),
        "sid": grant,
        "mode": mode.value,
        "client": client,
    }
    return jwt.encode(claims, key.octets, ALGORITHM, headers={"kid": key.kid})


def looks_like_jwt(token: str) -> bool:
    """Whether a text has the three parts of a signed JWT. The hub's own tokens have no dots."""
    return token.count(".") == 2


def verify(keys: Keys, token: str, audiences: Collection[Audience], now: float) -> Claims:
    """What a token says, once its signature, issuer, audience and times are checked.

    Args:
        keys: Where keys come from.
        token: As received.
        audiences: Those accepted here.
        now: Unix seconds.

    Raises:
        BadToken: It is not accepted.
    """
    if len(token) > LONGEST:
        raise BadToken("The token is too long.")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise BadToken("The token is not of this hub, or was made long ago. Sign in again.")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.octets,
            algorithms=[ALGORITHM],
            audience=[audience.value for audience in audiences],
            issuer=ISSUER,
            # PyJWT compares with the machine's own clock; times are compared below with the given one.
            options={"require": CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        verified = Claims(
            user=claims["sub"],
            grant=claims["sid"],
            mode=Mode(claims["mode"]),
            client=claims["client"],
            audience=Audience(claims["aud"]),
            issued=float(claims["iat"]),
            expires=float(claims["exp"]),
        )
    except jwt.InvalidAudienceError as error:
        raise BadToken("The token is for another address of this hub.") from error
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise BadToken("The token is damaged, or not of this hub. Sign in again.") from error
    if now >= verified.expires:
        raise BadToken("The token has expired. Refresh it, or sign in again.")
    return verified
