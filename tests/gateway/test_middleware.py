"""What no request gets past: foreign hosts and origins, bodies that are too large."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.middleware import MAX_BODY, BodyLimit, SameSite, refusal_response
from p2m_spawner.gateway.refusals import Refusal


async def size(request: Request) -> Response:
    return JSONResponse(len(await request.body()))


async def refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refusal_response(refusal)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(
        routes=[Route("/{path:path}", size, methods=["GET", "POST"])],
        middleware=[
            Middleware(SameSite, public_url="https://hub.example.org"),
            Middleware(BodyLimit, larger={"/mcp": 1_000_000}),
        ],
        exception_handlers={Refusal: refused},
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "localhost:1", "192.0.2.7", "hub.example.org"])
async def test_our_hosts_are_answered(client: httpx2.AsyncClient, host: str) -> None:
    assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "hub.example.org.evil", "[::1", "", "x@y"])
async def test_foreign_hosts_are_refused(client: httpx2.AsyncClient, host: str) -> None:
    answer = await client.get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_host")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://hub.example.org"])
async def test_our_origins_are_answered(client: httpx2.AsyncClient, origin: str) -> None:
    assert (await client.post("/", headers={"Origin": origin})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:8001", "http://[", "file://", "127.0.0.1:8000"]
)
async def test_foreign_origins_are_refused(client: httpx2.AsyncClient, origin: str) -> None:
    answer = await client.post("/", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_origin")


@pytest.mark.parametrize(("path", "limit"), [("/", MAX_BODY), ("/mcp", 1_000_000)])
@pytest.mark.parametrize("declared", [True, False])
async def test_bodies_over_the_limit_are_refused(
    client: httpx2.AsyncClient, path: str, limit: int, declared: bool
) -> None:
    async def pieces(length: int) -> AsyncIterator[bytes]:
        for start in range(0, length, 10_000):
            yield b"x" * min(10_000, length - start)

    for length, status in ((limit, 200), (limit + 1, 413)):
        answer = await client.post(path, content=b"x" * length if declared else pieces(length))
        assert answer.status_code == status
    assert answer.json()["error"] == "too_large"
