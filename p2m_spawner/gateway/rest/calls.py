"""The table of REST calls: what each takes and answers. Routes and the OpenAPI document are both made from it.

Starlette rather than FastAPI: the `mcp` package brings it anyway, a dozen calls need no dependency injection, and the
errors' one shape and the checks of tokens would have to be written over FastAPI's own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.callers import Caller, need_admin, need_blender
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.tokens import Audience
from p2m_spawner.gateway.validation import valid

NO_STORE = {"Cache-Control": "no-store"}

Who = Literal["anybody", "owner", "user", "admin"]
"""Who may make a call: ``owner`` is whoever has a good token, ``user`` one that opens a Blender."""


@dataclass(frozen=True)
class Answer:
    """One status that a call may answer with.

    Attributes:
        status: HTTP status.
        description: When.
        model: Its body; None: empty.
    """

    status: int
    description: str
    model: type[BaseModel] | None


class Asked:
    """A call that has passed the checks of the table.

    Attributes:
        gateway: The gateway's parts.
        request: The HTTP request.
        body: Its validated body, None for a call without.
        query: Its validated query, None for a call without.
    """

    def __init__(self, gateway: Gateway, request: Request, caller: Caller | None, body: Any, query: Any) -> None:
        self.gateway = gateway
        self.request = request
        self.body = body
        self.query = query
        self._caller = caller

    @property
    def caller(self) -> Caller:
        """Who calls; only for calls that are not for anybody."""
        assert self._caller is not None  # noqa: S101 - the table says so
        return self._caller


Result = tuple[int, BaseModel | None]
"""Status and body of an answer."""


@dataclass(frozen=True)
class Call:
    """One call of the API.

    Attributes:
        method: HTTP method.
        path: Below the gateway's prefix.
        summary: What it does, for people.
        handler: Does it.
        who: Who may.
        answers: What it may answer, beside the errors that every call may have.
        body: Model of its JSON body, None: it has none.
        query: Model of its query, None: it has none.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Asked], Awaitable[Result]]
    who: Who
    answers: tuple[Answer, ...]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None

    def route(self, gateway: Gateway) -> Route:
        """The Starlette route of this call."""

        async def endpoint(request: Request) -> Response:
            status = 500
            try:
                response = await self._answer(gateway, request)
                status = response.status_code
                return response
            except Refusal as refusal:
                status = refusal.status
                if status == 401 and self.who != "anybody":
                    gateway.metrics.refused_tokens.labels(refusal.code).inc()
                raise
            finally:
                gateway.metrics.requests.labels(self.path, status).inc()

        return Route(f"{gateway.settings.prefix}{self.path}", endpoint, methods=[self.method], name=self.path)

    async def _answer(self, gateway: Gateway, request: Request) -> Response:
        caller = None
        if self.who != "anybody":
            given = request.headers.get("authorization")
            caller = await gateway.callers.identify(given, [Audience.REST], fresh=True)
            if self.who == "user":
                need_blender(caller)
            elif self.who == "admin":
                need_admin(caller)
        query = valid(self.query, dict(request.query_params)) if self.query else None
        body = valid(self.body, await request.body()) if self.body else None
        status, answer = await self.handler(Asked(gateway, request, caller, body, query))
        if answer is None:
            return Response(status_code=status, headers=NO_STORE)
        return JSONResponse(answer.model_dump(mode="json"), status, headers=NO_STORE)
