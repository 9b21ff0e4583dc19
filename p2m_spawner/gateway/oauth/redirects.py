"""Where a browser may be sent back to: which addresses a client may name, and how they are compared. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlencode, urlsplit

LONGEST = 2048
"""Characters of one address."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""A program on the person's own computer. ``localhost`` is discouraged (RFC 8252, section 8.3), yet common."""

BROWSERS_OWN = frozenset(
    {"about", "blob", "chrome", "chrome-extension", "data", "edge", "file", "filesystem", "ftp", "intent", "jar"}
    | {"javascript", "mailto", "moz-extension", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss"}
)
"""Schemes with a meaning in a browser, which no program of the person's can have for itself."""

# RFC 3986's characters, without the ones that servers and browsers read in different ways.
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")


class BadRedirect(ValueError):
    """An address that no client may have; the text says why."""


def check(uri: str) -> None:
    """Refuse an address that a client wants to have.

    Raises:
        BadRedirect: It is dangerous, or no address.
    """
    if len(uri) > LONGEST:
        raise BadRedirect(f"A redirect URI may have at most {LONGEST} characters.")
    if "#" in uri:
        raise BadRedirect("A redirect URI must have no fragment.")
    if not _PLAIN.fullmatch(uri):
        raise BadRedirect("A redirect URI must be an absolute URI in ASCII, without spaces.")
    parts = _split(uri)
    if parts.scheme in BROWSERS_OWN or not parts.scheme:
        raise BadRedirect(f"A redirect URI must not begin with {parts.scheme or 'no scheme'!r}.")
    if "@" in parts.netloc:
        raise BadRedirect("A redirect URI must have no user name.")
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise BadRedirect("A redirect URI must name a host.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise BadRedirect("A redirect URI must begin with https, or lead to the person's own computer (127.0.0.1).")


def allowed(uri: str, registered: Iterable[str]) -> bool:
    """Whether an address is one of a client's: the same text, or on the loopback the same but for the port.

    A program takes whatever port is free when it asks (RFC 8252, section 7.3).
    """
    try:
        check(uri)
    except BadRedirect:
        return False
    known = set(registered)
    return uri in known or (is_loopback(uri) and _without_port(uri) in {_without_port(one) for one in known})


def is_loopback(uri: str) -> bool:
    """Whether an address is a program's on the person's own computer."""
    parts = _split(uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def host(uri: str) -> str:
    """What a person is told of an address: its host, or the scheme of a program's own."""
    parts = _split(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def source(uri: str) -> str:
    """An address's origin for a Content-Security-Policy, which has no words for IPv6 addresses."""
    parts = _split(uri)
    if parts.scheme in ("http", "https") and "[" not in parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def with_query(uri: str, **values: str | None) -> str:
    """An address with more in its query; what is None is left out."""
    more = urlencode({name: value for name, value in values.items() if value is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{more}"


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError as error:
        raise BadRedirect("A redirect URI must be an absolute URI.") from error
    return parts


def _without_port(uri: str) -> tuple[str, str | None, str, str]:
    parts = _split(uri)
    return parts.scheme, parts.hostname, parts.path, parts.query
