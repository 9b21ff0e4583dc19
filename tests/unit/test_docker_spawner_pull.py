"""What a pull looks like to the user who waits for it, and to the operator when it fails."""

import asyncio
from types import SimpleNamespace

import pytest

from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.errors import SpawnFailure
from tests.support.engine_edge import engine_edge

IMAGE = "registry.example/p2m/test:latest"
NO_ANSWER = "dial tcp: lookup registry.example: no such host"


@pytest.fixture
def edge(monkeypatch):
    with engine_edge() as edge:
        monkeypatch.setattr(BlenderDockerSpawner, "_engine", None)
        yield edge
        if BlenderDockerSpawner._engine:
            BlenderDockerSpawner._engine.executor.shutdown()


def spawner(edge, policy):
    return BlenderDockerSpawner(
        client_kwargs={"base_url": edge.base_url},
        pull_policy=policy,
        user=SimpleNamespace(name="ada", id=1, url="/user/ada/"),
    )


async def test_the_spawn_page_shows_megabytes_and_percent(edge):
    waiting = spawner(edge, "always")
    pull = asyncio.ensure_future(waiting.pull_image(IMAGE))
    stages = waiting.progress()
    assert (await anext(stages))["message"] == "Looking for the Blender image …"
    edge.registry(IMAGE).say(
        {"id": "a", "status": "Downloading", "progressDetail": {"current": 170_000_000, "total": 340_000_000}}
    )
    assert await anext(stages) == {
        "progress": 10,
        "stage": "image",
        "message": "Pulling the Blender image: 170 of 340 MB (50 %) …",
    }
    edge.registry(IMAGE).end()
    await pull


async def test_an_image_that_is_here_is_not_pulled(edge):
    edge.images.add("p2m/test:latest")
    await spawner(edge, "ifnotpresent").pull_image("p2m/test:latest")
    assert edge.registry("p2m/test:latest").pulls == 0


@pytest.mark.parametrize(
    ("policy", "sentence", "reason", "operators_text"),
    [
        ("always", "The newest Blender image could not be fetched. Try again", "image_pull", "pull_policy is always"),
        ("ifnotpresent", "The Blender image is not on this machine.", "image_missing", "make image"),
    ],
)
async def test_a_registry_that_does_not_answer_is_told_to_user_metrics_and_operator(
    edge, policy, sentence, reason, operators_text
):
    edge.registry(IMAGE).refusal = NO_ANSWER
    with pytest.raises(SpawnFailure, match=sentence) as caught:
        await spawner(edge, policy).pull_image(IMAGE)
    assert caught.value.reason == reason
    for part in (IMAGE, NO_ANSWER, operators_text):
        assert part in caught.value.log_message


async def test_an_image_that_may_not_be_pulled_is_told_to_user_and_operator(edge):
    with pytest.raises(SpawnFailure, match="not on this machine") as caught:
        await spawner(edge, "never").pull_image(IMAGE)
    assert "pull_policy is never" in caught.value.log_message
    assert edge.registry(IMAGE).pulls == 0
