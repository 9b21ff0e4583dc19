"""Asynchronous client of JupyterHub's REST API, for services. Knows the hub, knows no spawner and no gateway.

Every answer is turned into a typed value, every failure into one of two exceptions: the hub does not answer
(:class:`HubAway`, worth another try soon), or it refuses (:class:`HubRefused`, says why).
"""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

RETRY_AFTER = 5
"""Seconds after which a hub that is away is worth another try; a restart takes about that long."""

TIMEOUT = httpx2.Timeout(5.0, connect=3.0)
"""Of one request."""

SLOW_TIMEOUT = httpx2.Timeout(30.0, connect=3.0)
"""Of a start or stop, which the hub answers after at most 10 s (``slow_spawn_timeout``, ``slow_stop_timeout``), and of
a password, which may wait for the hashes of others."""

PROGRESS_SILENCE = 30.0
"""Seconds without a byte after which a progress stream counts as broken. The hub sends an empty line each 8 s."""

PAGE = 200
"""Users asked for at once when all are listed."""


class HubAway(Exception):
    """The hub does not answer, or answers that it cannot just now.

    Args:
        cause: What happened, for the log.

    Attributes:
        retry_after: Seconds after which to try again.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"The hub does not answer: {cause}")
        self.retry_after = RETRY_AFTER


class HubRefused(Exception):
    """The hub has answered, with a refusal.

    Args:
        status: HTTP status.
        message: The hub's sentence.
        code: A word for programs, from our own handlers in the hub; empty from JupyterHub's.
        retry_after: Seconds to wait, when the hub names them.
    """

    def __init__(self, status: int, message: str, code: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True)
class HubServer:
    """A user's server as the hub sees it.

    Attributes:
        name: Empty for the default server.
        url: Its path, ``/user/NAME/``.
        ready: Whether it can be used.
        pending: ``spawn``, ``stop`` or None.
        started: When it was started, None while it was not.
        last_activity: When it was last used.
    """

    name: str
    url: str
    ready: bool
    pending: str | None
    started: datetime | None
    last_activity: datetime | None

    @classmethod
    def from_model(cls, model: Mapping[str, Any]) -> Self:
        """Read the hub's server model."""
        return cls(
            name=model["name"],
            url=model["url"],
            ready=bool(model["ready"]),
            pending=model["pending"],
            started=_time(model["started"]),
            last_activity=_time(model["last_activity"]),
        )


@dataclass(frozen=True)
class HubUser:
    """A user of the hub.

    Attributes:
        name: Also the user's id.
        admin: Whether they administer the hub.
        created: When the hub first knew them; None when the token that asked may not see it.
        servers: Servers that run, start or stop, by name.
        last_activity: When the user or one of their servers was last active, None while that is not known.
    """

    name: str
    admin: bool
    created: datetime | None
    servers: Mapping[str, HubServer] = field(default_factory=dict)
    last_activity: datetime | None = None

    @classmethod
    def from_model(cls, model: Mapping[str, Any]) -> Self:
        """Read the hub's user model."""
        servers = {name: HubServer.from_model(server) for name, server in model.get("servers", {}).items()}
        return cls(
            name=model["name"],
            admin=bool(model.get("admin")),
            created=_time(model.get("created")),
            servers=servers,
            last_activity=_time(model.get("last_activity")),
        )

    @property
    def server(self) -> HubServer | None:
        """The default server, None while it is stopped."""
        return self.servers.get("")


@dataclass(frozen=True)
class ServerPlace:
    """Where a server is (:mod:`p2m_spawner.server_api`).

    Attributes:
        address: ``http://host:port``, None unless it is ready.
        ui_port: Port of Jupyter and desktop on its host, None when not published.
        mcp_port: Port of the raw Blender socket on its host, None when not published.
    """

    address: str | None
    ui_port: int | None
    mcp_port: int | None


@dataclass(frozen=True)
class UserToken:
    """One of a user's hub tokens, as the hub lists it: without its text.

    Attributes:
        id: What the hub calls it.
        note: What it was made for.
        client: The OAuth client that has it, ``JupyterHub`` for one that was made by hand.
        scopes: Its expanded scopes.
        created: When it was made.
        used: When it was last used, None for never.
        expires: When it ends, None for never.
    """

    id: str
    note: str
    client: str
    scopes: frozenset[str]
    created: datetime | None
    used: datetime | None
    expires: datetime | None

    @classmethod
    def from_model(cls, model: Mapping[str, Any]) -> Self:
        """Read the hub's token model."""
        return cls(
            id=model["id"],
            note=model["note"] or "",
            client=model["oauth_client"] or "",
            scopes=frozenset(model["scopes"]),
            created=_time(model["created"]),
            used=_time(model["last_activity"]),
            expires=_time(model["expires_at"]),
        )


@dataclass(frozen=True)
class TokenOwner:
    """Whose a hub token is, and what it may do.

    Attributes:
        name: Name of the user or service.
        kind: ``user`` or ``service``.
        admin: Whether the owner administers the hub, whatever the token may do.
        scopes: The token's expanded scopes.
        token_id: What the hub calls this token in its token API.
    """

    name: str
    kind: str
    admin: bool
    scopes: frozenset[str]
    token_id: str | None

    def may(self, scope: str) -> bool:
        """Whether the token has a scope for everybody, or for its owner's own things.

        Args:
            scope: A scope without filter, such as ``delete:servers``.
        """
        own = {scope, f"{scope}!user={self.name}", f"{scope}!server={self.name}/"}
        return not own.isdisjoint(self.scopes)


class HubClient:
    """One hub, asked with one token over connections that are kept. Use from one event loop; close it in the end.

    Every method raises :class:`HubAway` or :class:`HubRefused`.

    Args:
        api_url: ``http://host:port/hub/api``.
        token: The service's API token.
        transport: Another way to send requests, for tests.
    """

    def __init__(self, api_url: str, token: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._token = token
        self._http = httpx2.AsyncClient(
            base_url=f"{api_url.rstrip('/')}/",
            headers={"Authorization": f"token {token}"},
            timeout=TIMEOUT,
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20),
            trust_env=False,  # never by a proxy of the environment
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    # Users and tokens

    async def user(self, name: str) -> HubUser | None:
        """A user with their servers, None when there is none of that name. Needs ``read:users``, ``read:servers``."""
        try:
            answer = await self._request("GET", _path("users", name))
        except HubRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        return HubUser.from_model(answer.json())

    async def active_users(self) -> list[HubUser]:
        """Everybody with a server that runs, starts or stops. Needs ``list:users``, ``read:servers``."""
        users: list[HubUser] = []
        while True:
            query = {"state": "active", "offset": len(users), "limit": PAGE}
            page = (await self._request("GET", "users", params=query)).json()
            users += map(HubUser.from_model, page)
            if len(page) < PAGE:
                return users

    async def users_page(self, search: str, offset: int, limit: int, *, active: bool) -> tuple[list[HubUser], int]:
        """Some of the users, by name. Needs ``list:users``, ``read:servers``.

        Args:
            search: Part of the name, in any case; empty for everybody.
            offset: How many to leave out.
            limit: How many at most.
            active: Only those with a server that runs, starts or stops.

        Returns:
            The users, and how many there are in all.
        """
        query: dict[str, Any] = {"offset": offset, "limit": limit, "sort": "name"}
        if search:
            query["name_filter"] = search
        if active:
            query["state"] = "active"
        headers = {"Accept": "application/jupyterhub-pagination+json"}
        page = (await self._request("GET", "users", params=query, headers=headers)).json()
        return list(map(HubUser.from_model, page["items"])), int(page["_pagination"]["total"])

    async def owner_of(self, token: str) -> TokenOwner | None:
        """Whose somebody's hub token is; None when the hub does not know it (any more)."""
        try:
            answer = await self._request("GET", "user", headers=_bearer(token))
        except HubRefused as refusal:
            if refusal.status in (401, 403):
                return None
            raise
        model = answer.json()
        return TokenOwner(
            name=model["name"],
            kind=model.get("kind", "user"),
            admin=bool(model.get("admin")),
            scopes=frozenset(model["scopes"]),
            token_id=model.get("token_id"),
        )

    async def revoke(self, token: str, owner: TokenOwner) -> None:
        """End somebody's hub token, with the rights of that token itself.

        Raises:
            HubRefused: The token may not (404 or 403: it lacks ``tokens``), or is gone.
        """
        path = _path("users", owner.name, "tokens", owner.token_id or "")
        await self._request("DELETE", path, headers=_bearer(token))

    async def tokens_of(self, name: str, token: str) -> list[UserToken]:
        """Somebody's tokens, the one used last at the end, with the rights of one of theirs (``read:tokens``)."""
        answer = await self._request("GET", _path("users", name, "tokens"), headers=_bearer(token))
        return list(map(UserToken.from_model, answer.json()["api_tokens"]))

    async def make_token(self, name: str, token: str, *, note: str, scopes: list[str], expires_in: int) -> str:
        """Make a token for somebody, with the rights of one of theirs (``tokens``).

        Args:
            name: Of the user.
            token: Theirs.
            note: What the new one is for.
            scopes: What it may do.
            expires_in: Seconds that it lives.

        Raises:
            HubRefused: The user may not give these scopes, or no token that lives so long (400).
        """
        body = {"note": note, "scopes": scopes, "expires_in": expires_in}
        answer = await self._request("POST", _path("users", name, "tokens"), json=body, headers=_bearer(token))
        return str(answer.json()["token"])

    async def end_token(self, name: str, token: str, token_id: str) -> None:
        """End one of somebody's tokens, with the rights of one of theirs (``tokens``).

        Raises:
            HubRefused: They have none of that id (404).
        """
        await self._request("DELETE", _path("users", name, "tokens", token_id), headers=_bearer(token))

    async def oauth_token(self, client_id: str, code: str, redirect_uri: str, verifier: str) -> str:
        """Exchange the code of a sign-in for a token that names the person (RFC 6749, section 4.1.3).

        Args:
            client_id: Of this service (``JUPYTERHUB_CLIENT_ID``); its API token is the secret.
            code: From the callback.
            redirect_uri: As sent to the hub's authorization page.
            verifier: PKCE's.

        Raises:
            HubRefused: The code is unknown, used or expired, or the verifier is another's.
        """
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "client_secret": self._token,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return str((await self._request("POST", "oauth2/token", data=form)).json()["access_token"])

    # Servers

    async def start_server(self, name: str) -> bool:
        """Ask for somebody's default server; returns within 10 s. Needs ``start:servers``.

        Returns:
            Whether it is ready already; otherwise it is starting.

        Raises:
            HubRefused: It runs already or is stopping (400), it failed at once, or too many are starting (429).
        """
        answer = await self._request("POST", _path("users", name, "server"), json={}, timeout=SLOW_TIMEOUT)
        return answer.status_code == 201

    async def stop_server(self, name: str) -> None:
        """Ask for the end of somebody's default server; returns before it has ended. Needs ``delete:servers``."""
        await self._request("DELETE", _path("users", name, "server"), timeout=SLOW_TIMEOUT)

    async def server_place(self, name: str) -> ServerPlace:
        """Where somebody's default server is. Needs ``read:servers``."""
        place = (await self._request("GET", _path("p2m", "users", name, "server"))).json()
        return ServerPlace(place["address"], place["ports"]["ui"], place["ports"]["mcp"])

    async def log_tail(self, name: str, lines: int) -> str:
        """The last lines that somebody's default server printed. Needs the scope of `p2m_spawner.log_api`."""
        answer = await self._request(
            "GET", _path("p2m", "users", name, "server", "log"), params={"lines": lines}, timeout=SLOW_TIMEOUT
        )
        return str(answer.json()["log"])

    async def ending(self, name: str) -> dict[str, Any] | None:
        """How somebody's default server ended last (docs/reference/faults.md). Needs ``read:servers``.

        None when it has not ended by itself, or the hub does not tell endings.
        """
        try:
            return dict((await self._request("GET", f"{_path('p2m', 'endings', name)}/")).json())
        except HubRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def progress(self, name: str) -> AsyncGenerator[dict[str, Any], None]:
        """Follow a start (server-sent events of JupyterHub). Needs ``read:servers``.

        Yields:
            Events with ``progress`` (percent) and ``message``; the last has ``ready`` or ``failed``.

        Raises:
            HubRefused: Nothing is starting (400, 404).
        """
        path = _path("users", name, "server", "progress")
        timeout = httpx2.Timeout(TIMEOUT.connect, read=PROGRESS_SILENCE)
        try:
            async with self._http.stream("GET", path, timeout=timeout) as answer:
                if answer.is_error:
                    await answer.aread()
                _raise_for_refusal(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except (httpx2.TransportError, ValueError) as error:
            raise HubAway(f"progress of {name}: {error!r}") from error

    # Accounts: p2m_spawner's own handlers in the hub process (p2m_spawner.accounts.api)

    async def sign_in(self, name: str, password: str, forwarded_for: str) -> dict[str, Any]:
        """Check a password in the hub process. Needs ``custom:p2m:accounts``.

        Args:
            name: As typed.
            password: As typed.
            forwarded_for: The request's ``X-Forwarded-For``, from which the hub reads the client's address.

        Returns:
            ``{"name": str, "admin": bool}``.
        """
        return await self._account_call("sign-in", name, password, forwarded_for)

    async def sign_up(self, name: str, password: str, forwarded_for: str) -> dict[str, Any]:
        """Make an account. Needs ``custom:p2m:accounts``.

        Returns:
            ``{"name": str, "state": "active" | "awaiting approval"}``.
        """
        return await self._account_call("sign-up", name, password, forwarded_for)

    async def _account_call(self, what: str, name: str, password: str, forwarded_for: str) -> dict[str, Any]:
        answer = await self._request(
            "POST",
            f"p2m/accounts/{what}",
            json={"username": name, "password": password},
            headers={"X-Forwarded-For": forwarded_for},
            timeout=SLOW_TIMEOUT,
        )
        return dict(answer.json())

    async def metrics(self) -> str:
        """The hub's own Prometheus page. Needs ``read:metrics``."""
        return (await self._request("GET", "metrics")).text

    async def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            answer = await self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise HubAway(f"{method} {path}: {error!r}") from error
        _raise_for_refusal(answer)
        return answer


def _raise_for_refusal(answer: httpx2.Response) -> None:
    """Raise what an error status means; the body must have been read.

    Raises:
        HubAway: 502 to 504 without a sentence of the hub: something in front of it speaks.
        HubRefused: Any other 3xx, 4xx or 5xx.
    """
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "message" not in body:
        if answer.status_code in (502, 503, 504):
            raise HubAway(f"{answer.request.method} {answer.request.url.path}: {answer.status_code}")
        body = {"message": answer.reason_phrase}
    retry_after = answer.headers.get("Retry-After", "")
    raise HubRefused(
        answer.status_code,
        str(body["message"]),
        str(body.get("error", "")),
        int(retry_after) if retry_after.isascii() and retry_after.isdigit() else None,
    )


def _path(*parts: str) -> str:
    """A path of the API from parts that may have any characters."""
    return "/".join(quote(part, safe="") for part in parts)


def _bearer(token: str) -> dict[str, str]:
    """Ask with somebody's own token instead of the service's."""
    return {"Authorization": f"token {token}"}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
