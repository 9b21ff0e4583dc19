"""The pages: sign-in, sign-up, change of password, and the administrators' list of accounts.

A page's GET only shows; every change is a POST with JupyterHub's XSRF token. A refused POST shows its form again with a
sentence, a 4xx status (503 without database), the name that was typed and never a password.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jupyterhub import orm
from jupyterhub.apihandlers.users import UserAPIHandler
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import maybe_future, url_path_join
from tornado import web

from p2m_spawner.accounts import names
from p2m_spawner.accounts.errors import AccountProblem, UnknownAccount, WeakPassword, WrongCredentials

if TYPE_CHECKING:
    from p2m_spawner.accounts.service import Accounts

PAGE_SIZE = 50
"""Accounts on one page of the administrators' list."""

_EXPIRED = "This form is no longer valid. Please try again."


class Refused(web.HTTPError):
    """An account problem in tornado's words: JupyterHub shows its sentence and sends its `headers`."""

    def __init__(self, problem: AccountProblem) -> None:
        super().__init__(problem.status, str(problem))
        self.headers = _headers(problem)


@contextmanager
def refusals_as_http() -> Iterator[None]:
    """Turn account problems inside into `Refused`, where no form can show them."""
    try:
        yield
    except AccountProblem as problem:
        raise Refused(problem) from problem


def _headers(problem: AccountProblem) -> dict[str, str]:
    return {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}


class Form:
    """What the pages have in common; mixed into a JupyterHub handler."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Form fields as text; bytes that are not UTF-8 become the replacement character instead of an error page."""
        return value.decode("utf-8", "replace")

    @property
    def accounts(self: Any) -> "Accounts":
        """What can be done with accounts."""
        service: Accounts = self.authenticator.accounts
        return service

    def field(self: Any, name: str) -> str:
        """A field of the posted form, exactly as typed; empty when missing."""
        return str(self.get_body_argument(name, "", strip=False))

    def url(self: Any, page: str, **query: str | int) -> str:
        """The URL of one of the hub's pages."""
        path: str = url_path_join(self.hub.base_url, page)
        return f"{path}?{urlencode(query)}" if query else path


class PageHandler(Form, BaseHandler):
    """A page with a form: refusals, forms that have expired included, show the page again."""

    async def prepare(self) -> None:
        """Identify the user and check the XSRF token, as in JupyterHub, but say on the page when it is not valid."""
        try:
            await super().prepare()
        except web.HTTPError as error:
            if self.request.method != "POST":
                raise
            self.log.warning("%s %s: %s", self.request.method, self.request.path, error)
            self.set_status(error.status_code)
            await self.show(problem=_EXPIRED)

    async def show(self, **context: Any) -> None:
        """Finish with this page."""
        raise NotImplementedError

    def check_repetition(self, password: str) -> None:
        """Compare a new password with its repetition, which a program that posts the form may leave out.

        Raises:
            WeakPassword: they differ.
        """
        if self.get_body_argument("password_confirmation", password, strip=False) != password:
            raise WeakPassword("The two passwords are not the same.")

    async def refuse(self, problem: AccountProblem, sentence: str = "", **context: Any) -> None:
        """Finish with this page, the problem's sentence (or another) on it and its status."""
        self.set_status(problem.status)
        for name, value in _headers(problem).items():
            self.set_header(name, value)
        await self.show(problem=sentence or str(problem), **context)

    async def finish_template(self, template: str, **context: Any) -> None:
        """Finish with a page that browsers and proxies do not keep."""
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.render_template(template, **context))


class AccountsLoginHandler(Form, LoginHandler):
    """JupyterHub's login page; who signs in with a temporary password is asked to change it."""

    async def post(self) -> None:
        """Sign in, or show the form with a sentence."""
        name = self.field("username").strip()
        user = await self.login_user({"username": name, "password": self.field("password")})
        if user is None:
            self.set_status(WrongCredentials.status)
            html = await self._render(login_error=str(WrongCredentials()), username=name[: names.MAX_LENGTH])
            self.finish(html)
            return
        with refusals_as_http():
            account = await self.accounts.find(user.name)
        if account is not None and account.temporary:
            self.redirect(self.url("change-password", next=self.get_next_url(user)))
        else:
            self.redirect(self.get_next_url(user))


class SignupHandler(PageHandler):
    """`/hub/signup`."""

    async def get(self) -> None:
        """The form, or why there is none."""
        if self.current_user:
            self.redirect(self.url("home"))
        else:
            await self.show()

    async def post(self) -> None:
        """Make an account. With open sign-up its owner is signed in at once."""
        name, password = self.field("username").strip(), self.field("password")
        try:
            self.check_repetition(password)
            account = await self.accounts.sign_up(name, password, self.request.remote_ip, self._is_hub_user)
        except AccountProblem as problem:
            await self.refuse(problem, username=name)
            return
        if account.is_awaiting:
            self.set_status(201)
            await self.show(created=account)
            return
        user = await self.login_user({"username": account.name, "password": password})
        if user is None:
            self.set_status(403)
            await self.show(problem="Your account was made, but this hub does not let you in. Ask its administrator.")
        else:
            self.redirect(self.get_next_url(user))

    async def show(self, **context: Any) -> None:
        """Finish with the sign-up page."""
        rules = self.accounts.rules
        context["username"] = context.get("username", "")[: 2 * names.MAX_LENGTH]
        await self.finish_template(
            "signup.html",
            **context,
            signup=rules.signup,
            name_length=names.MAX_LENGTH,
            minimum=rules.minimum_password,
            next=self.get_argument("next", ""),
        )

    def _is_hub_user(self, name: str) -> bool:
        return self.find_user(name) is not None


class ChangePasswordHandler(PageHandler):
    """`/hub/change-password`, for whoever is signed in."""

    @web.authenticated
    async def get(self) -> None:
        """The form."""
        await self.show()

    @web.authenticated
    async def post(self) -> None:
        """Change the password, and sign this user out everywhere but here."""
        user, new = self.current_user, self.field("password")
        try:
            self.check_repetition(new)
            await self.accounts.change_password(user.name, self.field("old_password"), new, self.request.remote_ip)
        except WrongCredentials as problem:
            await self.refuse(problem, sentence="The current password is not right.")
            return
        except AccountProblem as problem:
            await self.refuse(problem)
            return
        end_sessions(self, user, keep=self.get_session_cookie())
        self.set_login_cookie(user)
        if self.get_argument("next", ""):
            self.redirect(self.get_next_url(user))
        else:
            self.redirect(self.url("change-password", changed=1))

    async def show(self, **context: Any) -> None:
        """Finish with the page."""
        user = self.current_user
        with refusals_as_http():
            account = await self.accounts.find(user.name) if user else None
        await self.finish_template(
            "change_password.html",
            **context,
            minimum=self.accounts.rules.minimum_password,
            temporary=account is not None and account.temporary,
            changed=bool(self.get_argument("changed", "")),
            next=self.get_argument("next", ""),
        )


class AccountsAdminHandler(PageHandler):
    """`/hub/accounts`, for administrators: approve, reject, give out a temporary password."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self) -> None:
        """The list."""
        await self.show()

    @web.authenticated
    @needs_scope("admin:users")
    async def post(self) -> None:
        """Do `action` to the account `name`, then show the list with what happened."""
        name, action = self.field("name"), self.field("action")
        actions = {"approve": self._approve, "reject": self._reject, "reset": self._reset_password}
        if action not in actions:
            raise web.HTTPError(400, "Unknown action")
        try:
            done = await actions[action](name)
        except AccountProblem as problem:
            await self.refuse(problem)
            return
        self.log.info("%s: %s account %r", self.current_user.name, action, name)
        await self.show(**done)

    async def show(self, **context: Any) -> None:
        """Finish with the list; without the right to see it, with the refusal alone."""
        if not self.has_scope("admin:users"):
            raise web.HTTPError(403)
        search = self.get_argument("q", "")[: names.MAX_LENGTH]
        offset = _natural(self.get_argument("offset", ""))
        with refusals_as_http():
            accounts, total = await self.accounts.page(names.normalise(search), offset, PAGE_SIZE)
        await self.finish_template(
            "accounts_admin.html",
            **context,
            accounts=accounts,
            total=total,
            search=search,
            offset=offset,
            previous=self.url("accounts", q=search, offset=max(0, offset - PAGE_SIZE)) if offset else None,
            following=self.url("accounts", q=search, offset=offset + PAGE_SIZE) if offset + PAGE_SIZE < total else None,
            here=self.url("accounts", q=search, offset=offset),
            signup=self.accounts.rules.signup,
        )

    async def _approve(self, name: str) -> dict[str, str]:
        await self.accounts.approve(name)
        # From now on the admin panel shows them too, and can delete them.
        await maybe_future(self.authenticator.add_user(self.user_from_username(name)))
        return {"done": f"{name} can sign in now."}

    async def _reject(self, name: str) -> dict[str, str]:
        if not await self.accounts.reject(name):
            raise UnknownAccount
        return {"done": f"{name} was rejected."}

    async def _reset_password(self, name: str) -> dict[str, str]:
        user = self.find_user(name)
        if user is not None and user.admin and not self.current_user.admin:
            raise web.HTTPError(403, "Only administrators can reset an administrator's password.")
        password = await self.accounts.reset_password(name)
        if user is not None:
            end_sessions(self, user)
        return {"temporary_for": name, "temporary_password": password}


class AccountUserAPIHandler(UserAPIHandler):
    """JupyterHub's user API: without renaming, and deletion ends named servers too."""

    @needs_scope("admin:users")
    async def patch(self, user_name: str) -> None:
        """Change a user, but not their name: account, volume and agents' addresses belong to it.

        Raises:
            tornado.web.HTTPError: 400 for a new name.
        """
        data = self.get_json_body()
        if isinstance(data, dict) and data.get("name", user_name) != user_name:
            raise web.HTTPError(400, "Users cannot be renamed: their account and their files belong to the name.")
        await super().patch(user_name)

    @needs_scope("delete:users")
    async def delete(self, user_name: str) -> None:
        """Stop all servers of a user, then delete the user.

        JupyterHub 6.1 stops the default server only, and fails half way when another one runs.
        """
        user = self.find_user(user_name)
        if user is not None and user.name != self.current_user.name:
            named = [name for name, spawner in user.spawners.items() if name and spawner.ready]
            await asyncio.gather(*(self.stop_single_user(user, name) for name in named))
        await super().delete(user_name)


def end_sessions(handler: BaseHandler, user: Any, keep: str | None = None) -> None:
    """Sign a user out of the hub and their servers in every browser.

    Tokens that they made for programs stay; the page `/hub/token` revokes those. A server may accept a revoked cookie
    until its cache expires (five minutes by default in JupyterHub).

    Args:
        handler: any handler of the hub.
        user: JupyterHub's user.
        keep: a session whose access to servers stays. Its hub cookie has to be set anew.
    """
    user.orm_user.cookie_id = orm.new_token()
    sessions = handler.db.query(orm.APIToken).filter(
        orm.APIToken.user_id == user.orm_user.id, orm.APIToken.session_id.is_not(None)
    )
    for token in sessions:
        if token.session_id != keep:
            handler.db.delete(token)
    handler.db.commit()


def _natural(text: str) -> int:
    """A number from a query string; anything odd is 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
