"""Clients told by a document: what is taken from one, and that it is fetched from the public internet alone."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from p2m_spawner.gateway.oauth.client_documents import (
    KNOWN_FOR,
    QUIET_FOR,
    BadDocument,
    ClientDocuments,
    check_address,
)
from p2m_spawner.gateway.oauth.public_fetch import LARGEST, NotFetched, PublicFetch, Unreachable, is_public
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Documents about clients

DOCUMENT = {
    "client_id": "https://app.example/client.json",
    "client_name": "App",
    "redirect_uris": ["https://app.example/cb"],
    "token_endpoint_auth_method": "none",
}


class Web:
    """Stands for the internet in tests of what is done with a document."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, url: str) -> bytes:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_document_describes_its_client_and_is_kept_for_a_while(clock: Clock) -> None:
    web = Web(json.dumps(DOCUMENT).encode())
    documents = ClientDocuments(web, clock)
    client = await documents.client("https://app.example/client.json")
    assert (client.name, client.published_by, client.redirect_uris) == (
        "App",
        "app.example",
        ("https://app.example/cb",),
    )
    assert client.has_secret(None)
    assert not client.has_secret("x")
    await documents.client("https://app.example/client.json")
    assert web.asked == 1
    clock.now += KNOWN_FOR + 1
    await documents.client("https://app.example/client.json")
    assert web.asked == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://app.example/other.json"},
        {"client_id": None},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"grant_types": ["client_credentials"]},
    ],
)
async def test_a_document_of_something_else_is_refused(changes: dict[str, Any], clock: Clock) -> None:
    documents = ClientDocuments(Web(json.dumps(DOCUMENT | changes).encode()), clock)
    with pytest.raises(BadDocument):
        await documents.client("https://app.example/client.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"null"])
async def test_what_is_no_document_is_refused(raw: bytes, clock: Clock) -> None:
    with pytest.raises(BadDocument):
        await ClientDocuments(Web(raw), clock).client("https://app.example/client.json")


@pytest.mark.parametrize(
    "client_id",
    [
        "http://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://user@app.example/client.json",
        "https://app.example/client.json#x",
        "https://app.example/../client.json",
        "https://app.example/./client.json",
        "https:///client.json",
        "https://app.example:x/client.json",
        "https://app.example/ client.json",
        "https://äpp.example/client.json",
        "https://app.example/" + "x" * 600,
        "file://app.example/client.json",
    ],
)
def test_an_id_that_is_no_good_address_is_not_fetched(client_id: str) -> None:
    with pytest.raises(BadDocument):
        check_address(client_id)


async def test_a_hub_without_the_internet_tells_clients_to_register_instead(clock: Clock) -> None:
    documents = ClientDocuments(Web(Unreachable("app.example does not answer this hub.")), clock)
    assert documents.advertised
    with pytest.raises(BadDocument, match=r"Connect again"):
        await documents.client("https://app.example/client.json")
    assert not documents.advertised
    clock.now += QUIET_FOR + 1
    assert documents.advertised


# Fetches lead to the public internet alone


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.17.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "not an address",
        "",
    ],
)
def test_addresses_that_are_not_public_are_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_told(address: str) -> None:
    assert is_public(address)


class Site(BaseHTTPRequestHandler):
    """A web site with a certificate, where each path is another trap."""

    hosts: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        body, headers, status = json.dumps(DOCUMENT).encode(), {"Content-Type": "application/json"}, 200
        if self.path == "/redirect":
            status, headers = 302, {"Location": "/client.json", "Content-Length": "0"}
        elif self.path == "/html":
            headers = {"Content-Type": "text/html"}
        elif self.path == "/large":
            body = b" " * (LARGEST + 1)
        elif self.path == "/packed":
            headers["Content-Encoding"] = "gzip"
        elif self.path == "/missing":
            status = 404
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        print("site:", format % args)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Port of a site called app.example, and a context that trusts its certificate."""
    folder = tmp_path_factory.mktemp("site")
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=app.example -addext subjectAltName=DNS:app.example"
    )
    subprocess.run([*make.split(), "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, timeout=60)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.socket = serving.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, ssl.create_default_context(cafile=str(folder / "cert.pem"))
    server.shutdown()
    thread.join()
    server.server_close()


class Names:
    """A resolver; each look at a name finds the next answer."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


async def test_a_document_comes_from_the_address_that_was_checked(site: tuple[int, ssl.SSLContext]) -> None:
    port, tls = site
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    fetch = PublicFetch(names, lambda address: address == "127.0.0.1", tls)
    assert json.loads(await fetch(f"https://app.example:{port}/client.json")) == DOCUMENT
    assert Site.hosts[-1] == f"app.example:{port}"
    assert names.asked == 1, "a name that changes its mind afterwards is not asked"


@pytest.mark.parametrize("path", ["redirect", "html", "large", "packed", "missing"])
async def test_anything_but_a_small_json_document_is_refused(site: tuple[int, ssl.SSLContext], path: str) -> None:
    port, tls = site
    with pytest.raises(NotFetched) as refusal:
        await PublicFetch(Names(["127.0.0.1"]), lambda address: True, tls)(f"https://app.example:{port}/{path}")
    assert not isinstance(refusal.value, Unreachable)


async def test_a_certificate_of_another_name_is_refused(site: tuple[int, ssl.SSLContext]) -> None:
    port, tls = site
    with pytest.raises(Unreachable):
        await PublicFetch(Names(["127.0.0.1"]), lambda address: True, tls)(f"https://other.example:{port}/client.json")


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::1"], []])
async def test_a_name_with_any_private_address_is_not_asked(
    site: tuple[int, ssl.SSLContext], addresses: list[str]
) -> None:
    port, tls = site
    asked = len(Site.hosts)
    with pytest.raises(NotFetched, match="not on the public internet"):
        await PublicFetch(Names(addresses), tls=tls)(f"https://app.example:{port}/client.json")
    assert len(Site.hosts) == asked


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]"]
)
async def test_no_spelling_of_the_loopback_is_asked(site: tuple[int, ssl.SSLContext], host: str) -> None:
    asked = len(Site.hosts)
    with pytest.raises(NotFetched):
        await PublicFetch(tls=site[1])(f"https://{host}:{site[0]}/client.json")
    assert len(Site.hosts) == asked


async def test_plain_http_is_not_asked() -> None:
    names = Names(["1.1.1.1"])
    with pytest.raises(NotFetched):
        await PublicFetch(names)("http://app.example/client.json")
    assert names.asked == 0


async def test_a_name_that_does_not_exist_is_out_of_reach() -> None:
    with pytest.raises(Unreachable):
        await PublicFetch()("https://does-not-exist.invalid/client.json")
