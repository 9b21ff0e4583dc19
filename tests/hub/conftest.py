"""For tests of the real hub application: one that keeps our accounts, and browsers that reach it through its proxy."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from jupyterhub.tests.mocking import MockHub
from jupyterhub.tests.utils import public_url
from jupyterhub.utils import url_path_join

from p2m_spawner import hub_api

TEMPLATES = Path(__file__).parents[2] / "p2m_spawner" / "templates"
CHEAP_HASHES = {"hash_memory": 64, "hash_passes": 1, "hash_lanes": 1}


class Browser:
    """One person's browser: keeps cookies, follows no redirects, sends the XSRF token of the page a form is on."""

    def __init__(self, hub: MockHub) -> None:
        self.base = url_path_join(public_url(hub), "hub")
        self.session = requests.Session()
        self.session.headers["Sec-Fetch-Mode"] = "navigate"

    async def request(self, method: str, page: str, **kwargs: Any) -> requests.Response:
        url = f"{self.base}/{page}"
        answer = await asyncio.to_thread(
            self.session.request, method, url, **{"allow_redirects": False, "timeout": 30, **kwargs}
        )
        answer.encoding = "utf-8"
        return answer

    async def get(self, page: str) -> requests.Response:
        return await self.request("GET", page)

    @property
    def xsrf(self) -> str:
        return next((cookie.value or "" for cookie in self.session.cookies if cookie.name == "_xsrf"), "")

    async def submit(self, page: str, **fields: str | bytes) -> requests.Response:
        """Open a page and post its form."""
        await self.get(page)
        return await self.request("POST", page, data={"_xsrf": self.xsrf, **fields})

    async def sign_up(self, name: str, password: str, again: str | None = None) -> requests.Response:
        confirmation = password if again is None else again
        return await self.submit("signup", username=name, password=password, password_confirmation=confirmation)

    async def log_in(self, name: str, password: str) -> requests.Response:
        return await self.submit("login", username=name, password=password)

    async def is_logged_in(self) -> bool:
        return (await self.get("home")).status_code == 200

    async def api(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """The hub's REST API, as its admin panel calls it."""
        await self.get("home")
        headers = {"X-XSRFToken": self.xsrf, "Sec-Fetch-Mode": "same-origin", "Sec-Fetch-Site": "same-origin"}
        return await self.request(method, f"api/{path}", headers=headers, **kwargs)


AccountsHub = Callable[..., Awaitable[MockHub]]


@pytest.fixture
def accounts_hub(hub_app: Any, tmp_path: Path) -> AccountsHub:
    """A function that starts a hub with our authenticator; keyword arguments are its traits."""

    async def start(**traits: Any) -> MockHub:
        defaults = {
            "db_url": f"sqlite:///{tmp_path}/accounts.sqlite",
            "admin_users": {"boss"},
            "initial_passwords": {"boss": "correct horse boss"},
            **CHEAP_HASHES,
        }
        config = {
            "JupyterHub": {
                "authenticator_class": "p2m_spawner.accounts.authenticator.AccountsAuthenticator",
                "template_paths": [str(TEMPLATES)],
                "cookie_secret_file": str(tmp_path / "cookie_secret"),
                "extra_handlers": hub_api.HANDLERS,
            },
            "ConfigurableHTTPProxy": {"pid_file": str(tmp_path / "proxy.pid")},
            "AccountsAuthenticator": {**defaults, **traits},
        }
        return await hub_app(config)

    return start


@pytest.fixture
async def hub(accounts_hub: AccountsHub) -> MockHub:
    """A hub with open sign-up."""
    return await accounts_hub()
