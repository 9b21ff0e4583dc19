"""What the gateway is told by environment: by JupyterHub as a managed service, and by hub_config/gateway.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class SettingError(ValueError):
    """A variable that is missing or cannot be used; the text names it."""


@dataclass(frozen=True)
class GatewaySettings:
    """Settings of one gateway.

    Attributes:
        host: Address to listen on, from ``JUPYTERHUB_SERVICE_URL``.
        port: Its port.
        prefix: ``JUPYTERHUB_SERVICE_PREFIX``: path of everything that is served, ``/services/p2m/``.
        hub_prefix: Path of the hub's pages, ``/hub/``, from ``JUPYTERHUB_BASE_URL``.
        hub_api_url: ``JUPYTERHUB_API_URL``, without a last slash.
        hub_token: ``JUPYTERHUB_API_TOKEN``: the gateway's own rights at the hub.
        public_url: ``P2M_PUBLIC_URL``: origin that people use, without a last slash; None: the one of each request.
        state_dir: ``P2M_STATE``: folder of keys, database and process id.
        db_url: ``P2M_GATEWAY_DB``: SQLAlchemy URL of sign-ins; an SQLite file in the state folder by default.
        audit_arguments: ``P2M_AUDIT_ARGUMENTS``: whether the audit has the arguments of tool calls.
        oauth_client_id: ``JUPYTERHUB_CLIENT_ID``: as what the gateway's pages sign people in at the hub.
    """

    host: str
    port: int
    prefix: str
    hub_prefix: str
    hub_api_url: str
    hub_token: str = field(repr=False)
    public_url: str | None
    state_dir: Path
    db_url: str = field(repr=False)
    audit_arguments: bool
    oauth_client_id: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "GatewaySettings":
        """Read the settings.

        Args:
            environ: Usually ``os.environ``.

        Raises:
            SettingError: Something is missing or unusable.
        """

        def text(name: str) -> str:
            try:
                return environ[name]
            except KeyError:
                raise SettingError(f"{name} is not set; the hub starts the gateway with it.") from None

        listen = urlsplit(text("JUPYTERHUB_SERVICE_URL"))
        if not listen.hostname or not listen.port:
            raise SettingError("JUPYTERHUB_SERVICE_URL must have the form http://host:port.")
        state_dir = Path(text("P2M_STATE"))
        return cls(
            host=listen.hostname,
            port=listen.port,
            prefix=text("JUPYTERHUB_SERVICE_PREFIX"),
            hub_prefix=f"{environ.get('JUPYTERHUB_BASE_URL', '/')}hub/",
            hub_api_url=text("JUPYTERHUB_API_URL").rstrip("/"),
            hub_token=text("JUPYTERHUB_API_TOKEN"),
            public_url=environ.get("P2M_PUBLIC_URL", "").rstrip("/") or None,
            state_dir=state_dir,
            db_url=environ.get("P2M_GATEWAY_DB") or f"sqlite:///{state_dir / 'gateway.sqlite'}",
            audit_arguments=environ.get("P2M_AUDIT_ARGUMENTS") == "1",
            oauth_client_id=environ.get("JUPYTERHUB_CLIENT_ID", ""),
        )
