"""Each topic of the hub's configuration on a bare Config(), without a hub."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from traitlets.config import Config

from hub_config import accounts, culling, lifecycle, monitoring, pages, prepull, spawner, state
from hub_config.settings import Settings


@pytest.fixture(autouse=True)
def umask_of_the_tests() -> Iterator[None]:
    """The topic `state` narrows it for the hub's process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def settings(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_environment({"P2M_STATE": str(tmp_path / "state"), **environ})


def configured(topic, of: Settings) -> Config:
    c = Config()
    state.configure(c, of)
    topic.configure(c, of)
    return c


def test_the_state_folder_is_for_the_hubs_own_user_only(tmp_path):
    given = settings(tmp_path)
    configured(state, given)
    assert stat.S_IMODE(given.state_dir.stat().st_mode) == 0o700


def test_files_are_the_hubs_own_in_a_folder_that_everybody_may_enter_too(tmp_path):
    given = settings(tmp_path)
    given.state_dir.mkdir(mode=0o755)
    configured(state, given)
    database = given.state_dir / "jupyterhub.sqlite"
    database.touch()
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_an_administrators_password_is_generated_once_and_readable_by_the_owner_only(tmp_path):
    given = settings(tmp_path)
    first = configured(accounts, given).AccountsAuthenticator.initial_passwords["admin"]
    assert len(first) >= 20
    assert configured(accounts, given).AccountsAuthenticator.initial_passwords["admin"] == first
    assert given.admin_password_file.read_text().strip() == first
    assert stat.S_IMODE(given.admin_password_file.stat().st_mode) == 0o600


def test_a_given_administrator_is_used_and_his_password_not_written_down(tmp_path):
    given = settings(tmp_path, P2M_ADMIN_USER="teacher", P2M_ADMIN_PASSWORD="chalk and cheese")
    c = configured(accounts, given)
    assert c.AccountsAuthenticator.initial_passwords == {"teacher": "chalk and cheese"}
    assert c.Authenticator.admin_users == {"teacher"}
    assert not given.admin_password_file.exists()


@pytest.mark.parametrize(("signup", "everybody"), [("open", True), ("approval", False), ("closed", False)])
def test_oauth_is_one_setting_away_and_lets_in_whom_sign_up_says(tmp_path, monkeypatch, signup, everybody):
    monkeypatch.delenv("OAUTH2_USERNAME_KEY", raising=False)
    c = configured(accounts, settings(tmp_path, P2M_AUTH="oauth", P2M_SIGNUP=signup))
    assert c.JupyterHub.authenticator_class == "generic-oauth"
    assert c.GenericOAuthenticator.allow_all is everybody
    assert c.GenericOAuthenticator.username_claim == "preferred_username"


def test_the_spawner_is_named_by_its_entry_point_and_containers_outlive_the_hub(tmp_path):
    given = settings(tmp_path, P2M_MEMORY="2g", P2M_CPUS="1.5", P2M_PUBLISH_MCP="1")
    c = configured(spawner, given)
    assert c.JupyterHub.spawner_class == "blender-docker"
    assert c.JupyterHub.cleanup_servers is False
    assert c.BlenderSpawnerMixin.hub_id == str(given.state_dir)
    assert (c.BlenderSpawnerMixin.mem_limit, c.BlenderSpawnerMixin.cpu_limit) == ("2G", 1.5)
    assert c.BlenderSpawnerMixin.publish_mcp is True


def test_the_culler_may_see_and_stop_servers_and_nothing_else(tmp_path):
    c = configured(culling, settings(tmp_path, P2M_IDLE_TIMEOUT="7200"))
    (service,) = c.JupyterHub.services.get_value([])
    (role,) = c.JupyterHub.load_roles.get_value([])
    assert service["command"][-3:] == ["--timeout=7200", "--max-age=0", "--cull-every=600"]
    assert "admin" not in service
    assert role["scopes"] == ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    assert role["services"] == [service["name"]]


@pytest.mark.parametrize(
    ("idle", "age", "arguments"),
    [
        ("0", "3600", ["--timeout=31536000", "--max-age=3600", "--cull-every=600"]),
        ("40", "0", ["--timeout=40", "--max-age=0", "--cull-every=10"]),
        ("7200", "60", ["--timeout=7200", "--max-age=60", "--cull-every=15"]),
    ],
)
def test_the_culler_comes_round_several_times_within_the_shortest_limit(tmp_path, idle, age, arguments):
    c = configured(culling, settings(tmp_path, P2M_IDLE_TIMEOUT=idle, P2M_MAX_AGE=age))
    assert c.JupyterHub.services.get_value([])[0]["command"][-3:] == arguments


def test_without_limits_there_is_no_culler(tmp_path):
    c = configured(culling, settings(tmp_path, P2M_IDLE_TIMEOUT="0"))
    assert "services" not in c.JupyterHub


def test_servers_report_their_use_several_times_within_a_short_limit(tmp_path):
    def interval(limit: str) -> str:
        c = configured(culling, settings(tmp_path, P2M_IDLE_TIMEOUT=limit))
        return c.BlenderSpawnerMixin.environment.get_value({})["JUPYTERHUB_ACTIVITY_INTERVAL"]

    assert (interval("40"), interval("7200")) == ("10", "300")


def test_lifecycle_settings_are_off_unless_asked_for(tmp_path):
    c = configured(lifecycle, settings(tmp_path))
    assert (c.JupyterHub.allow_named_servers, c.JupyterHub.shutdown_on_logout) == (False, False)
    assert c.BlenderSpawnerMixin.delete_home is False
    c = configured(lifecycle, settings(tmp_path, P2M_NAMED_SERVERS="2", P2M_STOP_ON_LOGOUT="1", P2M_DELETE_HOMES="1"))
    assert (c.JupyterHub.allow_named_servers, c.JupyterHub.named_server_limit_per_user) == (True, 2)
    assert c.JupyterHub.shutdown_on_logout is True
    assert c.BlenderSpawnerMixin.delete_home is True


def test_prometheus_reads_metrics_only_by_a_token_that_stays(tmp_path):
    given = settings(tmp_path)
    (service,) = configured(monitoring, given).JupyterHub.services.get_value([])
    c = configured(monitoring, given)
    assert c.JupyterHub.services.get_value([]) == [service]
    assert given.metrics_token_file.read_text().strip() == service["api_token"]
    assert stat.S_IMODE(given.metrics_token_file.stat().st_mode) == 0o600
    assert c.JupyterHub.load_roles.get_value([])[0]["scopes"] == ["read:metrics"]


def test_a_pull_that_fails_leaves_a_sentence_and_the_image_that_is_there(monkeypatch, caplog):
    class Registry:
        def __init__(self, **_):
            pass

        def pull(self, repository, tag):
            raise prepull.docker.errors.APIError(f"no route to {repository} {tag}")

    monkeypatch.setattr(prepull.docker, "APIClient", Registry)
    prepull.pull("registry.example:5000/blender")
    assert "Image registry.example:5000/blender could not be pulled" in caplog.text
    assert "no route to registry.example:5000/blender latest" in caplog.text


def test_profiles_and_modes_are_the_spawners(tmp_path):
    file = tmp_path / "profiles.yaml"
    c = configured(
        spawner, settings(tmp_path, P2M_PROFILES=str(file), P2M_BLENDER_MODE="headless", P2M_MCP_MODE="no-code")
    )
    assert c.BlenderSpawnerMixin.profiles_file == str(file)
    assert (c.BlenderSpawnerMixin.blender_mode, c.BlenderSpawnerMixin.mcp_mode) == ("headless", "no-code")
    assert "profiles_file" not in configured(spawner, settings(tmp_path)).BlenderSpawnerMixin


def test_the_pages_folders_exist(tmp_path):
    c = configured(pages, settings(tmp_path))
    assert all(os.path.isdir(folder) for folder in c.JupyterHub.template_paths)  # noqa: PTH112
    assert Path(c.JupyterHub.extra_handlers[0][2]["path"]).is_dir()
    assert c.JupyterHub.template_vars == {"p2m_accounts": True}
