"""What an operator sets by environment. Pure: reads a mapping, checks it, and touches nothing."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)

YEAR_SECONDS = 365 * 24 * 3600


class SettingError(ValueError):
    """A setting that cannot be used; the text names it, says what is wrong and what would be right."""


@dataclass(frozen=True)
class Settings:
    """Settings of one hub.

    Attributes:
        port: ``P2M_PORT`` (8000): port of the public address.
        bind: ``P2M_BIND`` (127.0.0.1): IP address on which the public port listens.
        hub_port: ``P2M_HUB_PORT`` (8081): port of the hub's own API on the containers' network.
        proxy_api_port: ``P2M_PROXY_API_PORT`` (8001): port of the proxy's API on the loopback.
        gateway_port: ``P2M_GATEWAY_PORT`` (8082): port of the gateway on the loopback, behind the proxy.
        database: ``P2M_DATABASE``: URL of a PostgreSQL database for all tables; None: SQLite files in the state folder.
        gateway_db: ``P2M_GATEWAY_DB``: SQLAlchemy URL of sign-ins at the gateway; None: where the other tables are.
        given_public_url: ``P2M_PUBLIC_URL``: address that people use, without a path; None: that of each request.
        state_dir: ``P2M_STATE`` (.p2m): folder of databases, secrets, logs and process ids; absolute.
        admin_user: ``P2M_ADMIN_USER`` (admin): name of the administrator.
        admin_password: ``P2M_ADMIN_PASSWORD``: the administrator's first password; None: one is generated.
        auth: ``P2M_AUTH`` (accounts): ``accounts`` or ``oauth``.
        signup: ``P2M_SIGNUP``: ``open``, ``approval`` or ``closed``; open on a loopback bind, otherwise approval.
        publish_mcp: ``P2M_PUBLISH_MCP`` (0): whether raw Blender sockets are published on the host's loopback.
        audit_arguments: ``P2M_AUDIT_ARGUMENTS`` (0): whether the audit of tool calls has their arguments.
        engine: ``P2M_ENGINE`` (docker): ``docker``, or ``swarm`` on a manager of a Docker Swarm.
        image: ``P2M_IMAGE``: image of the users' containers.
        network: ``P2M_NETWORK`` (p2m): Docker network of the users' containers; not used on a swarm.
        memory: ``P2M_MEMORY`` (4G): memory limit of a container; K, M, G or T.
        cpus: ``P2M_CPUS`` (2): CPU limit of a container, in cores.
        profiles: ``P2M_PROFILES``: YAML file of the profiles that users choose from; absolute; None: there are none.
        blender_mode: ``P2M_BLENDER_MODE`` (desktop): ``desktop`` or ``headless``, where a profile does not say.
        mcp_mode: ``P2M_MCP_MODE`` (full): ``full``, ``no-code`` or ``read-only``, where a profile does not say.
        mcp_timeout: ``P2M_MCP_TIMEOUT`` (30): seconds in which a started container's Blender must be ready.
        idle_timeout: ``P2M_IDLE_TIMEOUT`` (7200): seconds without use after which a server is stopped; 0: never.
        max_age: ``P2M_MAX_AGE`` (0): seconds after which a server is stopped even if it is in use; 0: never.
        stop_on_logout: ``P2M_STOP_ON_LOGOUT`` (0): whether somebody who logs out stops their servers.
        delete_homes: ``P2M_DELETE_HOMES`` (0): whether the home of a deleted user is removed.
        named_servers: ``P2M_NAMED_SERVERS`` (0): how many servers a user may have beside the default one.
        prepull: ``P2M_PREPULL`` (0): whether a hub that starts pulls the image, in the background.
        log_format: ``P2M_LOG_FORMAT`` (text): ``text`` or ``json``.
    """

    port: int = 8000
    bind: str = "127.0.0.1"
    hub_port: int = 8081
    proxy_api_port: int = 8001
    gateway_port: int = 8082
    database: str | None = field(default=None, repr=False)
    gateway_db: str | None = field(default=None, repr=False)
    given_public_url: str | None = None
    state_dir: Path = Path(".p2m")
    admin_user: str = "admin"
    admin_password: str | None = None
    auth: str = "accounts"
    signup: str = "open"
    publish_mcp: bool = False
    audit_arguments: bool = False
    engine: str = "docker"
    image: str = "p2m/blender-singleuser:latest"
    network: str = "p2m"
    memory: str = "4G"
    cpus: float = 2.0
    profiles: Path | None = None
    blender_mode: str = "desktop"
    mcp_mode: str = "full"
    mcp_timeout: float = 30.0
    idle_timeout: int = 7200
    max_age: int = 0
    stop_on_logout: bool = False
    delete_homes: bool = False
    named_servers: int = 0
    prepull: bool = False
    log_format: str = "text"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], base: Path | None = None) -> "Settings":
        """Read the settings.

        Args:
            environ: Usually ``os.environ``. Empty values count as not set.
            base: Folder that relative paths start from; the project's folder when left out.

        Raises:
            SettingError: A value that cannot be used.
        """
        base = base or Path(__file__).resolve().parent.parent

        def text(name: str, default: str) -> str:
            return environ.get(name, "").strip() or default

        def path(name: str, default: str = "") -> Path:
            return (base / Path(text(name, default)).expanduser()).resolve()

        def number(name: str, default: N, kind: Callable[[str], N], low: N, high: N) -> N:
            given = text(name, str(default))
            try:
                value = kind(given)
            except ValueError:
                value = None
            if value is None or not low <= value <= high:
                raise SettingError(f"{name} is {given!r}; it must be a number from {low} to {high}.")
            return value

        def choice(name: str, default: str, *values: str) -> str:
            value = text(name, default).lower()
            if value not in values:
                raise SettingError(f"{name} is {value!r}; it must be one of: {', '.join(values)}.")
            return value

        def switch(name: str) -> bool:
            return choice(name, "0", "0", "1") == "1"

        def seconds_or_never(name: str, default: int, low: int) -> int:
            value = number(name, default, int, 0, YEAR_SECONDS)
            if 0 < value < low:
                raise SettingError(f"{name} is {value}; it must be 0 for never, or seconds from {low} on.")
            return value

        bind = text("P2M_BIND", cls.bind)
        try:
            loopback = ipaddress.ip_address(bind).is_loopback
        except ValueError:
            raise SettingError(f"P2M_BIND is {bind!r}; it must be an IP address, for example 0.0.0.0.") from None
        memory = text("P2M_MEMORY", cls.memory).upper()
        if not re.fullmatch(r"\d+(\.\d+)?[KMGT]", memory):
            raise SettingError(
                f"P2M_MEMORY is {environ['P2M_MEMORY']!r}; it must be a number with K, M, G or T, for example 4G."
            )
        public_url = text("P2M_PUBLIC_URL", "").rstrip("/")
        if public_url and not re.fullmatch(r"https?://[^/?#@\s]+", public_url):
            raise SettingError(
                f"P2M_PUBLIC_URL is {public_url!r}; it must be scheme, host and port, for example https://hub.example.org."
            )
        database = text("P2M_DATABASE", "")
        if database and not re.fullmatch(
            r"postgres(ql)?(\+psycopg)?://\S+", database
        ):  # not repeated: it has a password
            raise SettingError(
                "P2M_DATABASE must be the URL of a PostgreSQL database, for example postgresql://p2m@db.example.org/p2m."
            )
        return cls(
            port=number("P2M_PORT", cls.port, int, 1, 65535),
            bind=bind,
            hub_port=number("P2M_HUB_PORT", cls.hub_port, int, 1, 65535),
            proxy_api_port=number("P2M_PROXY_API_PORT", cls.proxy_api_port, int, 1, 65535),
            gateway_port=number("P2M_GATEWAY_PORT", cls.gateway_port, int, 1, 65535),
            database=database or None,
            gateway_db=text("P2M_GATEWAY_DB", "") or None,
            given_public_url=public_url or None,
            state_dir=path("P2M_STATE", str(cls.state_dir)),
            admin_user=text("P2M_ADMIN_USER", cls.admin_user),
            admin_password=environ.get("P2M_ADMIN_PASSWORD") or None,
            auth=choice("P2M_AUTH", cls.auth, "accounts", "oauth"),
            signup=choice("P2M_SIGNUP", "open" if loopback else "approval", "open", "approval", "closed"),
            publish_mcp=switch("P2M_PUBLISH_MCP"),
            audit_arguments=switch("P2M_AUDIT_ARGUMENTS"),
            engine=choice("P2M_ENGINE", cls.engine, "docker", "swarm"),
            image=text("P2M_IMAGE", cls.image),
            network=text("P2M_NETWORK", cls.network),
            memory=memory,
            cpus=number("P2M_CPUS", cls.cpus, float, 0.1, 1024.0),
            profiles=path("P2M_PROFILES") if text("P2M_PROFILES", "") else None,
            blender_mode=choice("P2M_BLENDER_MODE", cls.blender_mode, "desktop", "headless"),
            mcp_mode=choice("P2M_MCP_MODE", cls.mcp_mode, "full", "no-code", "read-only"),
            mcp_timeout=number("P2M_MCP_TIMEOUT", cls.mcp_timeout, float, 1.0, 3600.0),
            idle_timeout=seconds_or_never("P2M_IDLE_TIMEOUT", cls.idle_timeout, 30),
            max_age=seconds_or_never("P2M_MAX_AGE", cls.max_age, 60),
            stop_on_logout=switch("P2M_STOP_ON_LOGOUT"),
            delete_homes=switch("P2M_DELETE_HOMES"),
            named_servers=number("P2M_NAMED_SERVERS", cls.named_servers, int, 0, 1000),
            prepull=switch("P2M_PREPULL"),
            log_format=choice("P2M_LOG_FORMAT", cls.log_format, "text", "json"),
        )

    @property
    def bind_url(self) -> str:
        """What the public port binds, as a URL without a last slash."""
        return f"http://{f'[{self.bind}]' if ':' in self.bind else self.bind}:{self.port}"

    @property
    def public_url(self) -> str:
        """Where people open the hub, as far as is known, without a last slash."""
        return self.given_public_url or self.local_url

    @property
    def local_url(self) -> str:
        """Where somebody on this machine opens the hub, without a last slash."""
        everywhere = ipaddress.ip_address(self.bind).is_unspecified
        return f"http://127.0.0.1:{self.port}" if everywhere else self.bind_url

    @property
    def admin_password_file(self) -> Path:
        """Where a generated administrator's password is kept, mode 0600."""
        return self.state_dir / "admin-password"

    @property
    def metrics_token_file(self) -> Path:
        """Where Prometheus finds its token, mode 0600."""
        return self.state_dir / "metrics-token"
