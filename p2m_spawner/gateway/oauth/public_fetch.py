"""Fetches a small document from the public internet for a stranger, and nothing from anywhere else.

Guards against server-side request forgery: https alone; every address that the name has must be a public one; the
connection goes to an address that was checked, so a name that changes its mind in between gains nothing; no redirects,
no proxy, no cookies; a limit on size and time.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx2

log = logging.getLogger(__name__)

DEADLINE = 5.0
"""Seconds for everything."""

LARGEST = 16 * 1024
"""Bytes of a document; the draft recommends 5 kB."""

MOST_ADDRESSES = 3
"""Of the addresses that a name has, so many are tried."""

# Prefixes whose addresses carry an IPv4 address, which may be any: NAT64 (RFC 6052), Teredo, 6to4.
_TUNNELS = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")]

Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotFetched(Exception):
    """There is no document; the text is a sentence for people."""


class Unreachable(NotFetched):
    """The network does not lead there, perhaps nowhere: hubs may be without the internet."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet: not private, loopback, link-local, shared or reserved."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in net for net in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class PublicFetch:
    """Fetches documents.

    Args:
        resolve: Looks names up.
        is_public: Tells which addresses may be asked.
        tls: Checks certificates; None: as the system trusts.
    """

    def __init__(
        self,
        resolve: Resolve = resolve,
        is_public: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve = resolve
        self._is_public = is_public
        self._tls = tls

    async def __call__(self, url: str) -> bytes:
        """The document at an https address.

        Raises:
            Unreachable: Nothing answers.
            NotFetched: It is not fetched, or is no JSON, or too large.
        """
        try:
            target = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise NotFetched("The address cannot be read.") from error
        if target.scheme != "https":
            raise NotFetched("The address does not begin with https.")
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._get(target)
        except (OSError, TimeoutError, httpx2.RequestError, UnicodeError) as error:
            log.info("%s cannot be fetched: %r", url, error)
            raise Unreachable(f"{target.host} does not answer this hub.") from error

    async def _get(self, target: httpx2.URL) -> bytes:
        host = target.raw_host.decode("ascii")
        addresses = await self._resolve(host, target.port or 443)
        if not addresses or not all(map(self._is_public, addresses)):
            log.warning("%s is not fetched: its addresses %s are not all public", target, addresses)
            raise NotFetched(f"{target.host} is not on the public internet.")
        self._tls = self._tls or ssl.create_default_context()
        async with httpx2.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as http:
            answer = await self._send(http, target, host, addresses[:MOST_ADDRESSES])
            try:
                return await _body(answer, target.host)
            finally:
                await answer.aclose()

    async def _send(
        self, http: httpx2.AsyncClient, target: httpx2.URL, host: str, addresses: Sequence[str]
    ) -> httpx2.Response:
        """The beginning of the answer of the first address that takes a connection."""
        *others, last = addresses
        for address in others:
            try:
                return await http.send(_request(http, target, host, address), stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                log.info("%s does not answer at %s: %r", host, address, error)
        return await http.send(_request(http, target, host, last), stream=True)


def _request(http: httpx2.AsyncClient, target: httpx2.URL, host: str, address: str) -> httpx2.Request:
    return http.build_request(
        "GET",
        target.copy_with(host=address),
        headers={"Host": target.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity"},
        extensions={"sni_hostname": host},  # also the name that the certificate must have
    )


async def _body(answer: httpx2.Response, host: str) -> bytes:
    if answer.status_code != 200:
        raise NotFetched(f"{host} answers with status {answer.status_code}, not with a document.")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise NotFetched(f"{host} does not answer with JSON.")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise NotFetched(f"{host} answers with a compressed document, which was not asked for.")
    body = b""
    async for part in answer.aiter_raw():
        body += part
        if len(body) > LARGEST:
            raise NotFetched(f"The document of {host} is larger than {LARGEST // 1024} KiB.")
    return body
