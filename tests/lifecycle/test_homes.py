"""What becomes of volumes when a user is deleted, on the real engine and without a hub."""

import contextlib
import secrets
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from p2m_spawner.docker_homes import HOME
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from tests.support.image import IMAGE


@pytest.fixture
def engine() -> docker.DockerClient:
    return docker.from_env()


@pytest.fixture
def name(engine: docker.DockerClient) -> Iterator[str]:
    """A user who has a home."""
    name = f"leaver{secrets.token_hex(3)}"
    engine.volumes.create(f"p2m-{name}")
    yield name
    for container in engine.containers.list(all=True, filters={"volume": f"p2m-{name}"}):
        container.remove(force=True)
    with contextlib.suppress(docker.errors.NotFound):
        engine.volumes.get(f"p2m-{name}").remove()


def spawner(name: str, **traits: Any) -> BlenderDockerSpawner:
    return BlenderDockerSpawner(user=SimpleNamespace(name=name, id=1, url=f"/user/{name}/"), **traits)


def exists(engine: docker.DockerClient, name: str) -> bool:
    return bool([volume for volume in engine.volumes.list() if volume.name == f"p2m-{name}"])


def has_the_home(engine: docker.DockerClient, name: str, container: str, hub: str = "p2m") -> Any:
    """A container, not started, that has the home mounted."""
    home = {f"p2m-{name}": {"bind": HOME}}
    return engine.containers.create(IMAGE, name=container, volumes=home, labels={"p2m.hub": hub})


async def test_a_home_stays_unless_the_operator_wants_it_removed(engine: docker.DockerClient, name: str):
    await spawner(name).delete_forever()
    assert exists(engine, name)


async def test_a_home_goes_after_a_container_that_was_left_over(engine: docker.DockerClient, name: str):
    container = has_the_home(engine, name, f"p2m-{name}")
    await spawner(name, delete_home=True).delete_forever()
    assert not exists(engine, name)
    with pytest.raises(docker.errors.NotFound):
        container.reload()


async def test_a_home_that_somebody_uses_stays_and_the_log_says_so(
    engine: docker.DockerClient, name: str, caplog: pytest.LogCaptureFixture
):
    has_the_home(engine, name, f"backup-of-{name}")
    await spawner(name, delete_home=True).delete_forever()
    assert exists(engine, name)
    assert f"Volume p2m-{name} was not removed" in caplog.text


async def test_a_home_of_the_same_name_in_another_hub_stays(
    engine: docker.DockerClient, name: str, caplog: pytest.LogCaptureFixture
):
    container = has_the_home(engine, name, f"p2m-{name}", hub="class-3b")
    await spawner(name, delete_home=True).delete_forever()
    container.reload()
    assert exists(engine, name)
    assert "a container of another hub has this name" in caplog.text


async def test_somebody_who_never_started_a_server_has_no_home_to_remove(engine: docker.DockerClient):
    await spawner(f"never{secrets.token_hex(3)}", delete_home=True).delete_forever()
