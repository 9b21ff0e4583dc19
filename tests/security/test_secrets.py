"""Who can read what is secret: the engine's records, the hub's log, the list of processes, the state folder."""

import json
import re
import stat
from pathlib import Path

import pytest

from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of

NEEDED_BY_JUPYTERHUB = {
    "JUPYTERHUB_ACTIVITY_URL",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_BASE_URL",
    "JUPYTERHUB_CLIENT_ID",
    "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED",
    "JUPYTERHUB_DEFAULT_URL",
    "JUPYTERHUB_HOST",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES",
    "JUPYTERHUB_OAUTH_CALLBACK_URL",
    "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",
    "JUPYTERHUB_OAUTH_SCOPES",
    "JUPYTERHUB_PUBLIC_HUB_URL",
    "JUPYTERHUB_PUBLIC_URL",
    "JUPYTERHUB_ROOT_DIR",
    "JUPYTERHUB_SERVER_NAME",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
    "JUPYTERHUB_USER",
    "JPY_API_TOKEN",
}
NOT_SECRET = {
    "CPU_LIMIT", "DISPLAY", "HOME", "JUPYTERHUB_ACTIVITY_INTERVAL", "JUPYTER_IMAGE_SPEC", "LANG", "MEM_LIMIT",
    "P2M_BLENDER_MODE", "P2M_BLENDER_TCP_HOST", "P2M_MCP_MODE", "P2M_RUNTIME_DIR", "PATH",
}  # fmt: skip


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process of the host was started with."""
    lines = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(line.split("=", 1) for line in lines)


def command_lines() -> str:
    """How all processes of this machine were started, as `ps` shows to everybody."""
    shown = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown.append(path.read_text(errors="replace").replace("\0", " "))
        except OSError:  # ended meanwhile
            continue
    return "\n".join(shown)


@pytest.fixture
def of_container(ada: Person) -> dict[str, str]:
    """The environment of Ada's container, as `docker inspect` shows it."""
    return dict(line.split("=", 1) for line in ada.container().attrs["Config"]["Env"])


@pytest.fixture
def secrets(hub: Hub, ada: Person, of_container: dict[str, str]) -> dict[str, str]:
    """Everything that only the hub or one person should know."""
    hub.admin()
    proxy = environment_of(int((hub.state_dir / "proxy.pid").read_text()))
    found = {
        "the administrator's password": hub.admin_password,
        "the key of the cookies": (hub.state_dir / "cookie-secret").read_text().strip(),
        "the proxy's token": proxy["CONFIGPROXY_AUTH_TOKEN"],
        "a person's password": ada.password,
        "a person's token": ada.token,
        "the container's token": of_container["JUPYTERHUB_API_TOKEN"],
    }
    # Not jupyterhub-session-id: it opens nothing, and JupyterHub logs it.
    logins = (cookie for cookie in ada.session.cookies if "login" in cookie.name)
    found |= {f"the cookie {cookie.name}": str(cookie.value) for cookie in logins}
    assert all(len(secret) >= 16 for secret in found.values()), found
    return found


def test_the_engine_shows_the_containers_own_token_and_no_other_secret(
    ada: Person, of_container: dict[str, str], secrets: dict[str, str]
):
    assert set(of_container) <= NEEDED_BY_JUPYTERHUB | NOT_SECRET
    token = secrets.pop("the container's token")
    assert {name for name, value in of_container.items() if token in value} == {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"}
    record = json.dumps(ada.container().attrs)
    assert [what for what, secret in secrets.items() if secret in record] == []


async def test_neither_logs_nor_the_list_of_processes_tell_a_secret(hub: Hub, ada: Person, secrets: dict[str, str]):
    async with mcp_client(ada.mcp_url, ada.token) as client:  # so that there is something to log
        text_of(await client.call_tool("get_scene_info", {}))
    assert ada.post_form("login", username=ada.name, password="wrong " + ada.password).status_code == 403
    places = {
        "hub.log": (hub.state_dir / "logs" / "hub.log").read_text(errors="replace"),
        "the output of make up": hub.output(),
        "docker logs": ada.container().logs().decode(errors="replace"),
        "ps": command_lines(),
    }
    assert ada.name in places["hub.log"]
    told = [f"{where}: {what}" for where, text in places.items() for what, secret in secrets.items() if secret in text]
    assert told == []


def test_no_secret_is_in_an_address_that_was_logged(hub: Hub, ada: Person):
    log = (hub.state_dir / "logs" / "hub.log").read_text(errors="replace")
    assert not re.search(r"[?&](token|password|_xsrf|code)=(?!\[secret\])[^&\s]{8,}", log)


def test_the_state_folder_is_the_hubs_own(hub: Hub):
    open_to_others = {
        str(path.relative_to(hub.state_dir)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in (hub.state_dir, *hub.state_dir.rglob("*"))
        if path.stat().st_mode & 0o077 and path.name not in {"logs", "hub.pid"}
    }
    assert open_to_others == {}
    assert {"jupyterhub.sqlite", "accounts.sqlite", "cookie-secret", "admin-password"} <= {
        path.name for path in hub.state_dir.iterdir()
    }


def test_passwords_are_kept_as_argon2_hashes_only(hub: Hub, ada: Person):
    for name in ("accounts.sqlite", "jupyterhub.sqlite"):
        content = (hub.state_dir / name).read_bytes()
        assert ada.password.encode() not in content
        assert ada.token.encode() not in content
    assert b"$argon2id$" in (hub.state_dir / "accounts.sqlite").read_bytes()
