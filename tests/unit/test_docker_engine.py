"""The door to the engine: calls side by side, pulls apart from them and once an image, nothing left behind."""

import asyncio
import threading

import pytest
from docker.errors import DockerException
from dockerspawner import DockerSpawner

from p2m_spawner import docker_pull
from p2m_spawner.docker_calls import PooledDockerCalls
from p2m_spawner.docker_engine import DockerEngine
from p2m_spawner.docker_pull import PullFailed
from tests.support.engine_edge import engine_edge
from tests.support.ports import free_port
from tests.support.waiting import wait_for, wait_for_async

IMAGE = "p2m/test:latest"
DEADLINE = 20


@pytest.fixture
def edge():
    with engine_edge() as edge:
        yield edge


@pytest.fixture
def engine(edge):
    engine = DockerEngine({"base_url": edge.base_url}, threads=3)
    yield engine
    edge.held.set()
    engine.executor.shutdown()


def layer(status, current=0, total=0, name="aaa"):
    return {"id": name, "status": status, "progressDetail": {"current": current, "total": total} if total else {}}


def pulling_threads():
    return [thread for thread in threading.enumerate() if thread.name == "docker pull"]


async def told(sentences, part):
    """Wait until a listener was told something."""
    return await wait_for_async(lambda: next((s for s in sentences if part in s), ""), DEADLINE, part, interval=0.01)


# Calls


async def test_as_many_calls_run_at_the_same_time_as_there_are_threads(edge, engine):
    edge.held.clear()
    calls = [engine.call("inspect_container", f"c{number}") for number in range(5)]
    await asyncio.to_thread(edge.wait_for_calls, 3)
    edge.held.set()
    assert [(await call)["State"]["Running"] for call in calls] == [True] * 5


async def test_each_thread_has_a_client_of_its_own_and_keeps_it(engine):
    together = threading.Barrier(3)

    def who(client):
        together.wait(DEADLINE)
        return threading.get_ident(), client

    first, second = [dict(await asyncio.gather(*(engine.run(who) for _ in range(3)))) for _ in range(2)]
    assert first == second
    assert len(set(map(id, first.values()))) == len(first) == 3
    assert engine.client not in first.values()


async def test_only_a_first_client_asks_the_engine_for_its_version(edge, engine):
    await engine.call("inspect_container", "c")
    assert engine.client.api_version == "1.41"
    assert sum(path.endswith("/version") for path in edge.calls) == 1


async def test_a_version_that_the_operator_gave_is_kept(edge):
    engine = DockerEngine({"base_url": edge.base_url, "version": "1.40"}, threads=1)
    await engine.call("inspect_container", "c")
    assert edge.calls == ["/v1.40/containers/c/json"]


async def test_a_call_that_still_waits_for_a_thread_is_not_made_once_cancelled(edge, engine):
    edge.held.clear()
    calls = [engine.call("inspect_container", f"c{number}") for number in range(3)]
    waiting = engine.call("stop", "mine")
    await asyncio.to_thread(edge.wait_for_calls, 3)
    waiting.cancel()
    edge.held.set()
    await asyncio.gather(*calls)
    await engine.call("inspect_container", "last")
    assert not any("mine" in path for path in edge.calls)


async def test_an_engine_that_is_down_is_an_error_now_and_none_once_it_is_up():
    engine = DockerEngine({"base_url": f"tcp://127.0.0.1:{free_port()}"}, threads=1)
    with pytest.raises(DockerException):
        await engine.call("inspect_container", "c")
    with engine_edge() as edge:
        engine._client_options["base_url"] = edge.base_url
        assert await engine.call("inspect_container", "c")


# Pulls


class Stock(DockerSpawner):
    """DockerSpawner as it is, with an executor and a client that no other test uses."""


class Ours(PooledDockerCalls):
    """The same with our door."""

    def tell_of_pull(self, progress):
        pass


@pytest.mark.parametrize(("spawner_class", "waits"), [(Ours, False), (Stock, True)])
async def test_a_pull_from_a_slow_registry_delays_nobody_else_as_it_does_with_stock_dockerspawner(
    edge, spawner_class, waits
):
    spawner_class._engine = spawner_class._executor = spawner_class._client = None
    spawner = spawner_class(client_kwargs={"base_url": edge.base_url})
    pull = spawner.docker("pull", *IMAGE.split(":"))
    await asyncio.to_thread(wait_for, lambda: edge.registry(IMAGE).pulls, DEADLINE, "the pull")
    others = [spawner.docker(method, "somebody-else") for method in ("inspect_container", "stop", "start")]
    done, _ = await asyncio.wait(others, timeout=0.5 if waits else DEADLINE)
    assert bool(done) is not waits
    edge.registry(IMAGE).end()
    await asyncio.gather(pull, *others)


async def test_many_who_want_the_same_image_wait_for_one_pull_and_all_see_how_far_it_is(edge, engine):
    registry, ada, ben = edge.registry(IMAGE), [], []
    first = asyncio.ensure_future(engine.pull(IMAGE, listener=lambda p: ada.append(p.sentence)))
    registry.say({"status": "Pulling from p2m/test", "id": "latest"}, layer("Downloading", 340_000_000, 1_830_000_000))
    await told(ada, "340 of 1,830 MB (19 %)")
    second = asyncio.ensure_future(engine.pull(IMAGE, listener=lambda p: ben.append(p.sentence)))
    await told(ben, "340 of 1,830 MB")
    registry.end()
    await asyncio.gather(first, second)
    assert registry.pulls == 1
    await engine.pull(IMAGE, listener=print)
    assert registry.pulls == 2


async def test_pulls_of_two_images_go_on_at_the_same_time(edge, engine):
    pulls = [asyncio.ensure_future(engine.pull("p2m/test", tag, listener=print)) for tag in ("a", "b")]
    for tag in ("a", "b"):
        await asyncio.to_thread(wait_for, lambda t=tag: edge.registry(f"p2m/test:{t}").pulls, DEADLINE, "the pull")
        edge.registry(f"p2m/test:{tag}").end()
    await asyncio.gather(*pulls)


async def test_listeners_are_told_once_a_second_at_most(edge, engine):
    now, told = [0.0], []
    engine._pulls._clock = lambda: now[0]
    pull = asyncio.ensure_future(engine.pull(IMAGE, listener=lambda p: told.append((p, p.sentence))))
    registry = edge.registry(IMAGE)
    registry.say(*(layer("Downloading", part, 100) for part in range(10, 51)))
    await wait_for_async(lambda: told and "(50 %)" in told[0][0].sentence, DEADLINE, "half of the image", interval=0.01)
    now[0] = 1.0
    registry.say(layer("Downloading", 60, 100))
    await wait_for_async(lambda: len(told) > 1, DEADLINE, "the next word", interval=0.01)
    assert ["(10 %)" in told[0][1], "(60 %)" in told[1][1], len(told)] == [True, True, 2]
    registry.end()
    await pull


@pytest.mark.parametrize("words", [[], [layer("Pulling fs layer")]])
async def test_a_pull_that_the_engine_refuses_fails_with_its_words(edge, engine, words):
    registry = edge.registry(IMAGE)
    registry.refusal = "" if words else "no such host"
    registry.say(*words, {"error": "no such host", "errorDetail": {"message": "no such host"}})
    with pytest.raises(PullFailed, match="no such host"):
        await engine.pull(IMAGE, listener=print)


@pytest.mark.parametrize("words", [[], [layer("Pulling fs layer")]])
async def test_an_engine_that_falls_silent_fails_the_pull_in_time(edge, engine, monkeypatch, words):
    monkeypatch.setattr(docker_pull, "SILENCE_S", 0.3)
    edge.registry(IMAGE).say(*words)
    with pytest.raises(PullFailed, match="timed out"):
        await engine.pull(IMAGE, listener=print)
    await wait_for_async(lambda: not pulling_threads(), DEADLINE, "the end of its thread")


async def test_a_pull_that_everybody_has_given_up_ends_here_and_in_the_engine(edge, engine):
    registry = edge.registry(IMAGE)
    pulls = [asyncio.ensure_future(engine.pull(IMAGE, listener=print)) for _ in range(2)]
    registry.say(layer("Downloading", 1, 100))
    await asyncio.to_thread(wait_for, lambda: registry.pulls, DEADLINE, "the pull")
    pulls[0].cancel()
    registry.say(layer("Downloading", 2, 100))
    assert await asyncio.wait([pulls[0]], timeout=DEADLINE)
    assert pulling_threads()
    pulls[1].cancel()
    await asyncio.wait(pulls, timeout=DEADLINE)
    registry.say(layer("Downloading", 3, 100))
    assert await asyncio.to_thread(registry.hung_up.wait, DEADLINE)
    await wait_for_async(lambda: not pulling_threads(), DEADLINE, "the end of its thread")


async def test_one_who_gives_up_takes_the_image_from_nobody_else(edge, engine):
    registry = edge.registry(IMAGE)
    gone, staying = [asyncio.ensure_future(engine.pull(IMAGE, listener=print)) for _ in range(2)]
    await asyncio.to_thread(wait_for, lambda: registry.pulls, DEADLINE, "the pull")
    gone.cancel()
    registry.say(layer("Pull complete"))
    registry.end()
    await staying
    assert registry.pulls == 1
    assert gone.cancelled()


async def test_whoever_comes_after_all_gave_up_gets_a_pull_of_their_own(edge, engine):
    registry = edge.registry(IMAGE)
    gone = asyncio.ensure_future(engine.pull(IMAGE, listener=print))
    await asyncio.to_thread(wait_for, lambda: registry.pulls, DEADLINE, "the pull")
    gone.cancel()
    await asyncio.wait([gone])
    new = asyncio.ensure_future(engine.pull(IMAGE, listener=print))
    await asyncio.to_thread(wait_for, lambda: registry.pulls == 2, DEADLINE, "a second pull")
    registry.end()
    await new
