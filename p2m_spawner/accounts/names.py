"""User names: one spelling per person, safe in URLs, volume names and file paths. Pure."""

import re
import unicodedata
from collections.abc import Collection

from p2m_spawner.accounts.errors import BadName

MAX_LENGTH = 32
"""Longest user name, in characters; valid names are ASCII, so also in bytes."""

PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?")
"""A whole valid name. Docker volume names, URL path segments and file names all allow these characters."""

_RESERVED = """
admin administrator anonymous api blender daemon gateway hub health home jupyter jupyterhub login logout mail me metrics
nobody none null oauth oauth2 operator owner p2m postmaster proxy public root security self service services shared
signup spawn static status support sysadmin system token undefined user users webmaster www
"""

RESERVED = frozenset(_RESERVED.split())
"""Names that look official or that are part of the hub's own URLs: nobody can sign up with them."""

_LONGEST_INPUT = 4 * MAX_LENGTH


def normalise(raw: str) -> str:
    """The one spelling of a name: Unicode NFKC, case folded, without surrounding space.

    `ADA`, `Ａｄａ` (full width) and ` ada ` are all `ada`. The result is not necessarily a valid name.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", raw).casefold()).strip()


def is_valid(name: str) -> bool:
    """Whether a normalised name has an acceptable form (reserved names have)."""
    return PATTERN.fullmatch(name) is not None


def validate(raw: str, reserved: Collection[str] = RESERVED) -> str:
    """The normalised form of a name that somebody wants to sign up with.

    Args:
        raw: what was typed, of any length.
        reserved: normalised names to refuse.

    Raises:
        BadName: empty, too long, not of the allowed characters, or reserved. The sentence says which.
    """
    if not raw.strip():
        raise BadName("Choose a user name.")
    name = normalise(raw) if len(raw) <= _LONGEST_INPUT else raw
    if len(name) > MAX_LENGTH:
        raise BadName(f"User names have at most {MAX_LENGTH} characters.")
    if not is_valid(name):
        raise BadName("User names are made of the letters a–z and digits, with . _ - between them, like ada-lovelace.")
    if name in reserved:
        raise BadName("That user name is reserved. Choose another one.")
    return name
