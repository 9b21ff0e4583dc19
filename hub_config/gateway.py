"""The gateway: a service that the hub runs beside itself at ``/services/p2m/``, and what it may do."""

import sys
from typing import Any

from p2m_spawner import log_api, mcp_scopes, server_api
from p2m_spawner.accounts import api as accounts_api

from . import databases
from .settings import Settings

NAME = "p2m"
"""Name of the service; also of its path, ``/services/p2m/``."""

SCOPES = {
    "access:servers": "open users' status documents and MCP endpoints for them",
    "start:servers": "wake a Blender that sleeps",
    "delete:servers": "stop a server at its owner's logout, or when an administrator cleans up",
    "read:servers": "tell whether a server runs, and follow its start",
    "read:users": "tell whether a token's user is still there, since when, and whether they are an administrator",
    "list:users": "list servers for administrators",
    "read:metrics": "repeat the hub's p2m_ metrics, so that one scrape gets all",
    log_api.SCOPE: "show administrators what servers print",
    accounts_api.SCOPE: "have names and passwords checked by the hub, which alone can",
}
"""The least that the gateway's role needs, and what for. Its REST API checks callers by their own tokens."""


def configure(c: Any, settings: Settings) -> None:
    """Run the gateway with its own role, and let everybody reach it."""
    url = f"http://127.0.0.1:{settings.gateway_port}"
    service = {
        "name": NAME,
        "display": False,  # the hub's pages link to it where it belongs
        "url": url,
        "command": [sys.executable, "-m", "p2m_spawner.gateway"],
        "environment": {
            "P2M_STATE": str(settings.state_dir),
            "P2M_PUBLIC_URL": settings.given_public_url or "",
            "P2M_GATEWAY_DB": settings.gateway_db or databases.url_of(settings, "gateway.sqlite"),
            "P2M_AUDIT_ARGUMENTS": str(int(settings.audit_arguments)),
            "PYTHONUNBUFFERED": "1",
        },
        "oauth_no_confirm": True,  # it is part of the hub: its pages sign people in without a question
        "oauth_client_allowed_scopes": ["tokens!user"],  # its pages make, list and end tokens for who is signed in
    }
    its_role = {
        "name": "p2m-gateway",
        "description": "What the gateway may do",
        "scopes": list(SCOPES),
        "services": [NAME],
    }
    everybodys_role = {
        "name": "user",
        "description": "Standard user privileges, the gateway's pages, and tokens for agents that may do less",
        "scopes": ["self", f"access:services!service={NAME}", *mcp_scopes.DEFINITIONS],
    }
    c.JupyterHub.services.append(service)
    c.JupyterHub.load_roles.extend([its_role, everybodys_role])
    c.JupyterHub.custom_scopes.update(
        {
            accounts_api.SCOPE: accounts_api.SCOPE_DEFINITION,
            log_api.SCOPE: log_api.SCOPE_DEFINITION,
            **mcp_scopes.DEFINITIONS,
        }
    )
    c.JupyterHub.extra_handlers.extend([*server_api.HANDLERS, *log_api.HANDLERS])
    c.JupyterHub.template_vars.update({"p2m_gateway": f"services/{NAME}/"})
    # OAuth's metadata has to be at these addresses outside the service's own path (RFC 8414, RFC 9728).
    metadata = ("oauth-authorization-server", "oauth-protected-resource")
    c.Proxy.extra_routes.update({f"/.well-known/{kind}/services/{NAME}/": url for kind in metadata})
