"""Small signed texts that the gateway hands out and gets back: cookies, OAuth's ``state``. Pure: key and clock given.

JSON Web Tokens of the same keys as access tokens. What one is for is its audience, so that none passes for another,
nor for an access token. Signed, not encrypted: whoever has one can read it.
"""

from typing import Any

import jwt

from p2m_spawner.gateway.tokens import ALGORITHM, ISSUER, Keys

LONGEST = 16 * 1024
"""Characters; what is longer is not looked at."""


class BadSeal(Exception):
    """A text that was not sealed here for this purpose, or too long ago."""


def seal(keys: Keys, purpose: str, content: dict[str, Any], lifetime: float, now: float) -> str:
    """Sign something.

    Args:
        keys: Where the key comes from.
        purpose: What it is for; the same word opens it.
        content: JSON; not ``iss``, ``aud`` or ``exp``.
        lifetime: Seconds; at most as long as replaced keys are kept (:data:`p2m_spawner.gateway.keys.KEEP_FOR`).
        now: Unix seconds.
    """
    key = keys.signing_key()
    claims = {**content, "iss": ISSUER, "aud": f"p2m-{purpose}", "exp": now + lifetime}
    return jwt.encode(claims, key.octets, ALGORITHM, headers={"kid": key.kid})


def unseal(keys: Keys, purpose: str, text: str, now: float) -> dict[str, Any]:
    """What was sealed.

    Raises:
        BadSeal: It was not, or not for this, or has expired.
    """
    if len(text) > LONGEST:
        raise BadSeal("too long")
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        key = keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise BadSeal("unknown key")
        content = jwt.decode(
            text,
            key.octets,
            algorithms=[ALGORITHM],
            audience=f"p2m-{purpose}",
            issuer=ISSUER,
            # PyJWT compares with the machine's own clock; the time is compared below with the given one.
            options={"require": ["iss", "aud", "exp"], "verify_exp": False},
        )
        expires = float(content["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise BadSeal(str(error)) from error
    if now >= expires:
        raise BadSeal("expired")
    return dict(content)
