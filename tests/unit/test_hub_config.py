"""Each topic of the hub's configuration on a bare Config(), without a hub."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from traitlets.config import Config

from hub_config import accounts, pages, spawner, state
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
    assert c.BlenderDockerSpawner.hub_id == str(given.state_dir)
    assert (c.BlenderDockerSpawner.mem_limit, c.BlenderDockerSpawner.cpu_limit) == ("2G", 1.5)
    assert c.BlenderDockerSpawner.publish_mcp is True


def test_profiles_and_modes_are_the_spawners(tmp_path):
    file = tmp_path / "profiles.yaml"
    c = configured(
        spawner, settings(tmp_path, P2M_PROFILES=str(file), P2M_BLENDER_MODE="headless", P2M_MCP_MODE="no-code")
    )
    assert c.BlenderDockerSpawner.profiles_file == str(file)
    assert (c.BlenderDockerSpawner.blender_mode, c.BlenderDockerSpawner.mcp_mode) == ("headless", "no-code")
    assert "profiles_file" not in configured(spawner, settings(tmp_path)).BlenderDockerSpawner


def test_the_pages_folders_exist(tmp_path):
    c = configured(pages, settings(tmp_path))
    assert all(os.path.isdir(folder) for folder in c.JupyterHub.template_paths)  # noqa: PTH112
    assert Path(c.JupyterHub.extra_handlers[0][2]["path"]).is_dir()
    assert c.JupyterHub.template_vars == {"p2m_accounts": True}
