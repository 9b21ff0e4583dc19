"""Sign-in and sign-up for the gateway: JSON calls in the hub process, the only one that can check a password.

Only a token with the scope :data:`SCOPE` gets in, which the gateway's role has. The client's address, by which tries
are throttled, is what JupyterHub reads from the gateway's ``X-Forwarded-For``, by the same rules as for its pages.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from p2m_spawner.accounts import names
from p2m_spawner.accounts.errors import AccountProblem, WrongCredentials

SCOPE = "custom:p2m:accounts"
"""JupyterHub scope of a service that passes people's names and passwords on to the accounts."""

SCOPE_DEFINITION = {"description": "Sign people in and up with the name and password that they have given."}
"""For ``c.JupyterHub.custom_scopes``."""


class AccountsAPIHandler(APIHandler):
    """What both calls share: who may call, what comes in, how refusals go out."""

    async def prepare(self) -> None:
        """Refuse whoever is not the gateway, before the body is looked at.

        Raises:
            tornado.web.HTTPError: 403.
        """
        await super().prepare()
        if SCOPE not in self.parsed_scopes:
            raise web.HTTPError(403, f"This call needs the scope {SCOPE}.")

    def credentials(self) -> dict[str, str]:
        """Name and password from the body.

        Raises:
            tornado.web.HTTPError: 400 unless both are text.
        """
        body = self.get_json_body()
        if not isinstance(body, dict):
            raise web.HTTPError(400, "The body must be a JSON object.")
        given = {field: body.get(field) for field in ("username", "password")}
        if not all(isinstance(text, str) for text in given.values()):
            raise web.HTTPError(400, "username and password must be text.")
        return {field: str(text) for field, text in given.items()}

    async def answer(self, status: int, call: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Finish with what a call returns, or with the problem that it raises."""
        try:
            body = await call()
        except AccountProblem as problem:
            self.set_status(problem.status)
            if problem.retry_after is not None:
                self.set_header("Retry-After", str(problem.retry_after))
            body = {"error": problem.code, "message": str(problem)}
        else:
            self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(body)


class SignInAPIHandler(AccountsAPIHandler):
    """``POST /hub/api/p2m/accounts/sign-in``: whose name and password these are, as JupyterHub's own sign-in says."""

    async def post(self) -> None:
        """Answer ``{"name": str, "admin": bool}``; the hub knows the user from then on."""
        given = self.credentials()

        async def sign_in() -> dict[str, Any]:
            # What AccountsAuthenticator.authenticate refuses comes as an HTTPError made from its AccountProblem.
            try:
                authenticated = await self.authenticate(given)
            except web.HTTPError as error:
                if isinstance(error.__cause__, AccountProblem):
                    raise error.__cause__ from error
                raise
            if not authenticated:
                self.log.warning("Failed login for %r through the gateway", given["username"][: names.MAX_LENGTH])
                raise WrongCredentials
            user = await self.auth_to_user(authenticated)
            self.log.info("User logged in through the gateway: %s", user.name)
            return {"name": user.name, "admin": user.admin}

        await self.answer(200, sign_in)


class SignUpAPIHandler(AccountsAPIHandler):
    """``POST /hub/api/p2m/accounts/sign-up``: a new account."""

    async def post(self) -> None:
        """Answer 201 ``{"name": str, "state": "active" | "awaiting approval"}``."""
        given = self.credentials()

        async def sign_up() -> dict[str, Any]:
            account = await self.authenticator.accounts.sign_up(
                given["username"].strip(),
                given["password"],
                self.request.remote_ip or "",
                lambda name: self.find_user(name) is not None,
            )
            return {"name": account.name, "state": account.state}

        await self.answer(201, sign_up)


HANDLERS = [
    (r"/api/p2m/accounts/sign-in", SignInAPIHandler),
    (r"/api/p2m/accounts/sign-up", SignUpAPIHandler),
]
"""Routes below the hub's prefix, for ``Authenticator.get_handlers``."""
