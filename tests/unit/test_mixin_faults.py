"""What the mixin does when a server ends or its engine does not answer, on an engine that is a few lines of Python."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.spawner import Spawner, SpawnException

from p2m_spawner import mixin
from p2m_spawner.endings import ENDINGS, Ending
from p2m_spawner.errors import EngineSilent, NotReadyInTime
from p2m_spawner.mixin import BlenderSpawnerMixin
from p2m_spawner.start_queue import StartQueue

STATUS = {"ready": True, "blender": {"version": "4.3.2"}, "mcp": {"num_tools": 40}}


class Engine(Spawner):
    """An engine's own spawner class; `running` and `silent` are what the tests set."""

    running = False
    silent = False
    left = False
    at_once = 100

    def _ask(self) -> None:
        if self.silent:
            raise ConnectionError("no engine")

    async def start(self) -> tuple[str, int]:
        self._ask()
        await self.take_turn(self.at_once)
        self.running = self.left = True
        return "127.0.0.1", 8888

    async def poll(self) -> int | None:
        self._ask()
        return None if self.running else 137

    async def stop(self, now: bool = False) -> None:
        self._ask()
        self.running = self.left = False


class BlenderEngineSpawner(BlenderSpawnerMixin, Engine):
    async def server_is_alive(self) -> bool:
        return self.running

    async def log_tail(self, lines: int) -> str:
        return "last words"

    async def how_it_ended(self) -> Ending:
        self._ask()
        return Ending(exit_code=137, log=await self.log_tail(200))

    async def discard(self) -> None:
        self._ask()
        self.running = self.left = False

    async def recover(self) -> tuple[str, int]:
        if not self.running:
            raise LookupError("gone")
        self.api_token = "recovered"
        return "127.0.0.1", 9999


@pytest.fixture
def spawner(monkeypatch: pytest.MonkeyPatch) -> BlenderEngineSpawner:
    made = BlenderEngineSpawner(engine_patience=0.0)
    made.user = SimpleNamespace(
        name="ada", url="/user/ada/", groups=[], admin=False, db=SimpleNamespace(commit=lambda: None)
    )
    made.orm_spawner = orm.Spawner(
        name="", server=orm.Server(proto="http", ip="", port=1, base_url="/user/ada/", cookie_name="c"), state={}
    )
    made.sweeps = []
    monkeypatch.setattr(made, "request_sweep", lambda: made.sweeps.append(1))
    monkeypatch.setattr(ENDINGS, "_kept", type(ENDINGS._kept)())

    async def ready(*_: Any) -> dict[str, Any]:
        return STATUS

    monkeypatch.setattr(mixin, "wait_until_ready", ready)
    return made


async def test_a_server_whose_engine_does_not_answer_is_kept(spawner: BlenderEngineSpawner):
    await spawner.start()
    spawner.silent = True
    assert await spawner.poll() is None
    spawner.silent = False
    assert await spawner.poll() is None
    assert spawner.ending is None


async def test_a_server_that_ended_is_reported_once_and_swept(spawner: BlenderEngineSpawner):
    await spawner.start()
    spawner.api_token = "token"
    spawner.running = False
    assert await asyncio.gather(spawner.poll(), spawner.poll()) == [137, 137]
    ending = spawner.ending
    assert ending is not None
    assert (ending.reason, ending.log) == ("killed", "last words")
    assert not spawner.left
    assert spawner.api_token == "token", "JupyterHub revokes it next"
    ENDINGS.record("ada", "", Ending(error="another"))
    assert await spawner.poll() == 137
    assert ENDINGS.latest("ada", "") == Ending(error="another")


async def test_a_server_that_was_stopped_did_not_end_by_itself(spawner: BlenderEngineSpawner):
    await spawner.start()
    await spawner.stop()
    assert await spawner.poll() == 137
    assert spawner.ending is None


async def test_a_start_forgets_how_the_last_one_ended(spawner: BlenderEngineSpawner):
    ENDINGS.record("ada", "", Ending(exit_code=1))
    await spawner.start()
    assert spawner.ending is None


async def test_a_failed_start_is_kept_with_its_sentence(spawner: BlenderEngineSpawner, monkeypatch: pytest.MonkeyPatch):
    async def too_slow(*_: Any) -> None:
        raise NotReadyInTime("Blender was not ready.", reason="blender_timeout")

    monkeypatch.setattr(mixin, "wait_until_ready", too_slow)
    with pytest.raises(SpawnException):
        await spawner.start()
    assert not spawner.left
    assert spawner.ending is not None
    assert (spawner.ending.reason, spawner.ending.sentence) == ("start_failed", "Blender was not ready.")
    assert await spawner.poll() == 137
    assert spawner.ending.reason == "start_failed"


async def test_a_start_waits_for_its_turn_says_so_and_hands_it_on_when_it_fails(
    spawner: BlenderEngineSpawner, monkeypatch: pytest.MonkeyPatch
):
    queue = spawner._start_queues.setdefault(asyncio.get_running_loop(), StartQueue())
    spawner.at_once = 1
    before = await queue.turn(1, [].append)
    start = asyncio.create_task(spawner.start())
    stage = await anext(spawner.progress())
    assert (stage["stage"], stage["message"]) == (
        "queue",
        "Many Blenders are being started. 1 other starts before yours …",
    )
    assert not spawner.running

    async def too_slow(*_: Any) -> None:
        raise NotReadyInTime("Blender was not ready.", reason="blender_timeout")

    monkeypatch.setattr(mixin, "wait_until_ready", too_slow)
    before.end()
    with pytest.raises(SpawnException):
        await start
    async with asyncio.timeout(5):
        await queue.turn(1, [].append)


async def test_a_start_that_no_engine_answers_is_not_taken_for_a_running_server(spawner: BlenderEngineSpawner):
    spawner.silent = True
    with pytest.raises(ConnectionError):
        await spawner.start()
    assert await spawner.poll() == "it did not start"
    assert spawner.sweeps == [1]


async def test_a_stop_that_no_engine_answers_asks_for_a_sweep(spawner: BlenderEngineSpawner):
    await spawner.start()
    spawner.silent = True
    with pytest.raises(EngineSilent):
        await spawner.stop()
    assert spawner.sweeps == [1]


async def test_what_cannot_be_removed_now_is_swept_later(spawner: BlenderEngineSpawner):
    await spawner.start()
    spawner.running = False

    async def poll_then_silence(self: Engine) -> int:
        self.silent = True
        return 137

    spawner.silent = False
    original, Engine.poll = Engine.poll, poll_then_silence  # type: ignore[method-assign]
    try:
        assert await spawner.poll() == 137
    finally:
        Engine.poll = original  # type: ignore[method-assign]
    assert spawner.sweeps == [1]
    assert spawner.ending is not None
    assert "does not answer" in spawner.ending.error


# A hub that starts


async def test_a_server_that_was_ready_is_found_again_by_its_state(spawner: BlenderEngineSpawner):
    spawner.running = True
    spawner._check_pending = True
    spawner.load_state({"ready": True})
    assert await spawner.poll() is None
    assert spawner.api_token != "recovered"
    assert spawner.get_state()["ready"]


async def test_a_start_that_a_hub_left_behind_is_brought_to_its_end(spawner: BlenderEngineSpawner):
    spawner.running = True
    spawner._check_pending = True
    assert await spawner.poll() is None
    assert spawner.api_token == "recovered"
    assert await spawner.get_url() == "http://127.0.0.1:9999"
    assert spawner.orm_spawner.state["ready"]
    assert await spawner.poll() is None


async def test_a_start_left_behind_that_comes_to_nothing_is_told_and_swept(spawner: BlenderEngineSpawner):
    spawner.left = True
    spawner._check_pending = True
    assert await spawner.poll() == 137
    assert spawner.ending is not None
    assert spawner.ending.reason == "start_interrupted"
    assert not spawner.left


async def test_a_hub_that_starts_while_the_engine_does_not_answer_forgets_nobody(spawner: BlenderEngineSpawner):
    spawner.silent = True
    spawner._check_pending = True
    assert await spawner.poll() is None
