"""The parts of a running gateway, made once from its settings and given to every route."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.audit import Audit
from p2m_spawner.gateway.callers import Callers
from p2m_spawner.gateway.grants import Grants
from p2m_spawner.gateway.keys import KeyRing
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth.server import OAuthServer
from p2m_spawner.gateway.pages import Pages
from p2m_spawner.gateway.servers import Servers
from p2m_spawner.gateway.settings import GatewaySettings
from p2m_spawner.gateway.sign_in import SignIn
from p2m_spawner.gateway.store import GrantStore
from p2m_spawner.hub_client import HubClient
from p2m_spawner.schema import WrongSchema

log = logging.getLogger(__name__)

KEY_FILE = "gateway-keys.json"
"""Name of the key file in the state folder."""

AUDIT_FILE = "logs/audit.jsonl"
"""Name of the audit in the state folder."""


@dataclass(frozen=True)
class Gateway:
    """What routes work with. An asynchronous context manager that closes it all.

    Attributes:
        settings: What the environment says.
        hub: The hub, asked with the gateway's own token.
        grants: Sign-ins and tokens.
        callers: Who calls.
        servers: Users' servers.
        addresses: URLs for answers.
        metrics: What is counted.
        pages: Renders pages.
        sign_in: Who is at a browser.
        oauth: The authorization server of the MCP address.
        audit: The tool calls.
        stopping: Set when the gateway is about to stop: answers that may take hours end by themselves.
    """

    settings: GatewaySettings
    hub: HubClient
    grants: Grants
    callers: Callers
    servers: Servers
    addresses: Addresses
    metrics: Metrics
    pages: Pages
    sign_in: SignIn
    oauth: OAuthServer
    audit: Audit
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Self:
        """Make all parts; nothing is connected yet.

        Raises:
            sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError: The database's URL is unusable.
            p2m_spawner.schema.WrongSchema: The database's tables are.
        """
        hub = HubClient(settings.hub_api_url, settings.hub_token)
        keys = key_ring(settings.state_dir)
        grants = Grants(_prepared(GrantStore(settings.db_url)), keys)
        callers, addresses, metrics, pages = Callers(hub, grants), Addresses(settings), Metrics(), Pages(settings)
        sign_in = SignIn(settings, hub, callers, keys, addresses, pages)
        audit_file = settings.state_dir / AUDIT_FILE
        audit_file.parent.mkdir(mode=0o700, exist_ok=True)
        return cls(
            settings=settings,
            hub=hub,
            grants=grants,
            callers=callers,
            servers=Servers(hub, settings.hub_token),
            addresses=addresses,
            metrics=metrics,
            pages=pages,
            sign_in=sign_in,
            oauth=OAuthServer(settings, grants, keys, callers, addresses, metrics, pages, sign_in),
            audit=Audit(audit_file, keep_arguments=settings.audit_arguments),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(self.audit.close)
            stack.callback(self.grants.close)
            stack.callback(self.oauth.close)
            await stack.enter_async_context(self.hub)
            await stack.enter_async_context(self.servers)


def _prepared(store: GrantStore) -> GrantStore:
    """Make or check the tables now if the database answers; the first use does it otherwise."""
    try:
        store.prepare()
    except WrongSchema:
        raise
    except (SQLAlchemyError, OSError) as error:
        log.warning("The gateway's database %r does not answer yet: %s", store.url, error)
    return store


def key_ring(state_dir: Path) -> KeyRing:
    """The keys of the gateway with this state folder."""
    return KeyRing(state_dir / KEY_FILE)
