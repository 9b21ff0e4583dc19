"""Who may come in: our own accounts, or an OAuth provider, and who administers the hub."""

import os
from typing import Any

from . import databases
from .secret_file import read_or_generate
from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Choose the authenticator by its entry point and make sure that the administrator can log in."""
    c.Authenticator.admin_users = {settings.admin_user}
    if settings.auth == "oauth":
        _configure_oauth(c, settings)
    else:
        _configure_accounts(c, settings)


def _configure_accounts(c: Any, settings: Settings) -> None:
    c.JupyterHub.authenticator_class = "p2m-accounts"
    c.AccountsAuthenticator.db_url = databases.url_of(settings, "accounts.sqlite")
    c.AccountsAuthenticator.signup = settings.signup
    c.AccountsAuthenticator.initial_passwords = {settings.admin_user: _first_admin_password(settings)}


def _first_admin_password(settings: Settings) -> str:
    """The administrator's first password: given by environment, or generated once into a file of mode 0600."""
    if settings.admin_password:
        return settings.admin_password
    return read_or_generate(settings.admin_password_file)


def _configure_oauth(c: Any, settings: Settings) -> None:
    """Sign-in by an OAuth provider, which oauthenticator's GenericOAuthenticator reads from the environment.

    ``OAUTH_CLIENT_ID``, ``OAUTH_CLIENT_SECRET``, ``OAUTH_CALLBACK_URL``, ``OAUTH2_AUTHORIZE_URL``,
    ``OAUTH2_TOKEN_URL``, ``OAUTH2_USERDATA_URL`` and ``OAUTH2_USERNAME_KEY`` are oauthenticator's own variables.

    With ``P2M_SIGNUP=open`` everybody whom the provider knows comes in, otherwise those whom an administrator has
    added in the admin panel.
    """
    c.JupyterHub.authenticator_class = "generic-oauth"
    c.GenericOAuthenticator.scope = ["openid", "profile", "email"]  # OpenID Connect Core 1.0, section 5.4
    if "OAUTH2_USERNAME_KEY" not in os.environ:
        c.GenericOAuthenticator.username_claim = "preferred_username"
    c.GenericOAuthenticator.allow_all = settings.signup == "open"
    c.GenericOAuthenticator.allow_existing_users = True
