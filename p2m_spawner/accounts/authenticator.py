"""`p2m-accounts`: JupyterHub's side of the accounts.

Set `c.JupyterHub.authenticator_class = "p2m-accounts"` and add the `templates` folder of `p2m_spawner` to
`c.JupyterHub.template_paths`.
"""

from functools import cached_property
from typing import Any

from jupyterhub.auth import Authenticator
from sqlalchemy.exc import SQLAlchemyError
from tornado import web
from traitlets import Dict, Enum, Integer, Set, Unicode, default

from p2m_spawner.accounts import api, handlers, names, passwords
from p2m_spawner.accounts.errors import WrongCredentials
from p2m_spawner.accounts.model import AccountStore
from p2m_spawner.accounts.service import Accounts, Rules
from p2m_spawner.schema import WrongSchema


class AccountsAuthenticator(Authenticator):
    """People sign up and sign in with a name and a password that this hub keeps (argon2id, in its own table)."""

    db_url = Unicode(
        "sqlite:///p2m-accounts.sqlite",
        config=True,
        help="""Where accounts are kept (str): an SQLAlchemy URL with a blocking driver.

        Default: an SQLite file (mode 0600) in the hub's working directory; its folder must exist. The table
        `p2m_accounts` is made when missing. A table of an older version is upgraded in an SQLite file, which is copied
        first; in a database server `python -m p2m_spawner.migrations` does it.

        Example: `"postgresql+psycopg://hub:secret@db.example.org/accounts"`
        """,
    )

    signup = Enum(
        ["open", "approval", "closed"],
        "open",
        config=True,
        help="""Who gets an account (str).

        - `"open"` (default): everybody who signs up, at once.
        - `"approval"`: after an administrator has approved it on the page `/hub/accounts`.
        - `"closed"`: only those whom an administrator adds in the admin panel; they get their first password from
          *Reset password* on `/hub/accounts`.
        """,
    )

    minimum_password_length = Integer(
        8,
        min=1,
        max=passwords.MAX_BYTES,
        config=True,
        help="""Shortest acceptable password (int, characters). Default 8. Example: `12`.

        Common passwords, sequences and the user's own name are refused as well; the longest has 1024 bytes. Passwords
        that exist already are not affected.
        """,
    )

    reserved_names = Set(
        Unicode(),
        config=True,
        help="""Names that nobody can sign up with (set of str), beside a built-in list (admin, hub, root, …).

        Default: none. Administrators can still add users of these names. Example: `{"teacher", "lab"}`
        """,
    )

    initial_passwords = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="""First passwords (dict of user name to password), for the administrator of a new hub.

        Given to hub users of these names (for instance those in `admin_users`) at start while they have no password;
        a password that they have is never replaced. Not checked against the policy. Default: none.

        Example: `{"admin": Path("admin-password").read_text().strip()}`
        """,
    )

    failed_logins_per_name = Integer(
        5,
        min=1,
        config=True,
        help="""Failed sign-ins for one name from one address (int, per `throttle_period`). Default 5.

        From all addresses together ten times as many, which does not hold for addresses from which the name signed in
        before. Then 429 with Retry-After, until some of the period has passed.
        """,
    )

    failed_logins_per_address = Integer(
        30,
        min=1,
        config=True,
        help="""Failed sign-ins from one address, for any names (int, per `throttle_period`). Default 30.

        The address is the client's as JupyterHub sees it: behind a reverse proxy of your own, set
        `c.JupyterHub.trusted_downstream_ips`, or everybody shares the proxy's. An IPv6 /64 counts as one address.
        """,
    )

    throttle_period = Integer(
        300, min=1, config=True, help="Seconds in which failed sign-ins are forgotten (int). Default 300. Example: `60`"
    )

    signups_per_hour = Integer(
        100,
        min=1,
        config=True,
        help="""Sign-ups from one address (int, per hour). Default 100: a class behind one address. Example: `10`""",
    )

    hash_memory = Integer(
        65536,
        min=8,
        config=True,
        help="""Memory of one argon2id hash (int, KiB). Default 65536 (64 MiB, RFC 9106); at most two run at a time.

        Passwords are hashed anew with changed costs when their owner next signs in. Example: `19456`
        """,
    )

    hash_passes = Integer(
        3, min=1, config=True, help="Iterations of one argon2id hash (int). Default 3 (RFC 9106). Example: `2`"
    )

    hash_lanes = Integer(
        4, min=1, config=True, help="Threads of one argon2id hash (int). Default 4 (RFC 9106). Example: `1`"
    )

    @default("allow_all")
    def _allow_all_default(self) -> bool:
        # The table of accounts is what lets people in; allowed_users still restricts it further.
        return not (self.allowed_users or self.allow_existing_users)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A bad db_url, or tables of another version, stop the hub at start with a sentence; a server that does not
        # answer yet does not.
        try:
            self._store.prepare()
        except WrongSchema:
            raise
        except (SQLAlchemyError, OSError) as error:
            self.log.warning("The accounts database %r does not answer yet: %s", self._store.url, error)

    @cached_property
    def _store(self) -> AccountStore:
        return AccountStore(self.db_url)

    @cached_property
    def accounts(self) -> Accounts:
        """What can be done with accounts; the handlers and other services in the hub process use it."""
        rules = Rules(
            signup=self.signup,
            minimum_password=self.minimum_password_length,
            reserved=self.reserved_names | self.blocked_users | self.admin_users,
            initial_passwords={names.normalise(name): password for name, password in self.initial_passwords.items()},
            tries_per_name=self.failed_logins_per_name,
            tries_per_address=self.failed_logins_per_address,
            period=self.throttle_period,
            signups_per_hour=self.signups_per_hour,
            cost=passwords.Cost(memory=self.hash_memory, passes=self.hash_passes, lanes=self.hash_lanes),
        )
        return Accounts(self._store, rules, log=self.log)

    def normalize_username(self, username: str) -> str:
        """One spelling per person: NFKC, case folded, then JupyterHub's `username_map`."""
        name = names.normalise(username)
        return str(self.username_map.get(name, name))

    def validate_username(self, username: str) -> bool:
        """Whether a normalised name has an acceptable form, for sign-up and for users added by an administrator."""
        return names.is_valid(username) and bool(super().validate_username(username))

    async def authenticate(self, handler: web.RequestHandler, data: dict[str, str]) -> str | None:
        """The user name if name and password belong together, else None.

        Raises:
            tornado.web.HTTPError: with a sentence for the user: 403 awaiting approval, 429 throttled, 503 no database.
        """
        with handlers.refusals_as_http():
            try:
                account = await self.accounts.sign_in(
                    data.get("username", ""), data.get("password", ""), handler.request.remote_ip or ""
                )
            except WrongCredentials:
                return None
        return account.name

    async def add_user(self, user: Any) -> None:
        """Give every user of the hub an account, so that nobody else can sign up with their name.

        It has no password until an administrator sets one on `/hub/accounts` (or `initial_passwords` does).

        Raises:
            ValueError: the name is not acceptable; JupyterHub then does not add the user.
            tornado.web.HTTPError: 503 without a database.
        """
        super().add_user(user)
        with handlers.refusals_as_http():
            await self.accounts.ensure(user.name)

    async def delete_user(self, user: Any) -> None:
        """Retire the account of a user whom an administrator deletes: the name can no longer sign in.

        Nobody can sign up with it either (see `Accounts.retire`); an administrator can give it a password again.

        Raises:
            tornado.web.HTTPError: JupyterHub then keeps the user: 400 while a server starts or takes long to stop; 503
                without a database.
        """
        if user.active:
            raise web.HTTPError(400, f"A server of {user.name} is starting or stopping. Try again in a moment.")
        super().delete_user(user)
        with handlers.refusals_as_http():
            await self.accounts.retire(user.name)

    def get_handlers(self, app: Any) -> list[tuple[str, type[web.RequestHandler]]]:
        """The pages of this authenticator, below the hub's prefix."""
        return [
            (r"/login", handlers.AccountsLoginHandler),
            (r"/signup", handlers.SignupHandler),
            (r"/change-password", handlers.ChangePasswordHandler),
            (r"/accounts", handlers.AccountsAdminHandler),
            (r"/api/users/([^/]+)", handlers.AccountUserAPIHandler),
            *api.HANDLERS,
        ]
