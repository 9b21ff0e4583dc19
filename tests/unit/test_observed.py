"""The look at a running server beside the hub's poll, and the count of starts; on an engine that does nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.spawner import Spawner, SpawnException
from prometheus_client import REGISTRY
from tornado import web

from p2m_spawner import observed
from p2m_spawner.errors import SpawnFailure
from p2m_spawner.observed import ObservedBlenderMixin
from tests.support.waiting import wait_for_async

STATUS = {"mcp": {"state": "ready"}, "blender": {"restarts": 0}, "jobs": []}


class NoEngine(Spawner):
    """Starts nothing, and says that it runs."""

    start_error: BaseException | None = None
    ended: Any = None

    async def start(self) -> Any:
        if self.start_error:
            raise self.start_error
        return ("127.0.0.1", 1)

    async def poll(self) -> Any:
        return self.ended

    async def stop(self, now: bool = False) -> None: ...


class Observed(ObservedBlenderMixin, NoEngine):
    """A Blender on no engine."""

    ready = True
    server = SimpleNamespace(url="http://127.0.0.1:1/user/ada/", base_url="/user/ada/")
    outdated = False

    async def _wait_until_ready(self, address: Any) -> None:
        self.tell(40, "blender", "Starting Blender …")

    async def server_is_alive(self) -> bool:
        return True

    async def log_tail(self, lines: int) -> str:
        return ""

    async def discard(self) -> None: ...

    async def image_is_outdated(self) -> bool:
        return self.outdated

    async def token_of_server(self) -> str:
        return "from the container"


@pytest.fixture
def spawner():
    made = Observed(user=SimpleNamespace(name="ada", id=1, url="/user/ada/", groups=[], admin=False))
    yield made
    made.clear_state()


def mcp_up() -> float | None:
    return REGISTRY.get_sample_value("p2m_mcp_up", {"user": "ada", "server": ""})


def spawns(outcome: str, reason: str) -> float:
    return REGISTRY.get_sample_value("p2m_spawns_total", {"outcome": outcome, "reason": reason}) or 0


async def test_a_poll_does_not_wait_for_the_look_and_there_is_one_look_at_a_time(spawner, monkeypatch):
    answers = asyncio.Event()
    asked = []

    async def fetch(url: str, token: str) -> dict[str, Any]:
        asked.append((url, token))
        await answers.wait()
        return STATUS

    monkeypatch.setattr(observed, "fetch_status", fetch)
    spawner.outdated = True
    for _ in range(3):
        assert await spawner.poll() is None
        await asyncio.sleep(0)
    assert mcp_up() is None
    answers.set()
    await wait_for_async(mcp_up, 5, "the gauge", interval=0.01)
    assert asked == [("http://127.0.0.1:1/user/ada/p2m/status", "from the container")]
    assert spawner.newer_image


async def test_a_server_that_ends_during_the_look_leaves_no_numbers(spawner, monkeypatch):
    answers = asyncio.Event()

    async def fetch(url: str, token: str) -> dict[str, Any]:
        await answers.wait()
        return STATUS

    monkeypatch.setattr(observed, "fetch_status", fetch)
    await spawner.poll()
    look = spawner._look
    spawner.clear_state()
    answers.set()
    await asyncio.wait([look])
    assert look.cancelled()
    assert mcp_up() is None


async def test_an_engine_that_hangs_ends_the_look_with_a_sentence(spawner, monkeypatch, caplog):
    async def hangs() -> bool:
        await asyncio.Event().wait()
        return True

    async def fetch(url: str, token: str) -> dict[str, Any]:
        return STATUS

    monkeypatch.setattr(observed, "fetch_status", fetch)
    monkeypatch.setattr(observed, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(spawner, "image_is_outdated", hangs)
    await spawner.poll()
    await asyncio.wait([spawner._look])
    assert mcp_up() == 1
    assert "did not say within 0.05 s" in caplog.text


async def test_a_server_that_is_not_ready_is_not_looked_at(spawner, monkeypatch):
    monkeypatch.setattr(Observed, "ready", False)
    await spawner.poll()
    assert spawner._look is None


@pytest.mark.parametrize(
    ("error", "raised", "outcome", "reason"),
    [
        (SpawnFailure("No.", reason="engine"), SpawnException, "failure", "engine"),
        (web.HTTPError(400, "Not that image"), web.HTTPError, "failure", "refused"),
        (web.HTTPError(500), web.HTTPError, "error", "unforeseen"),
        (asyncio.CancelledError(), asyncio.CancelledError, "failure", "cancelled"),
        (ZeroDivisionError(), ZeroDivisionError, "error", "unforeseen"),
    ],
)
async def test_a_start_that_fails_is_counted_once_with_its_reason(spawner, error, raised, outcome, reason):
    before, succeeded = spawns(outcome, reason), spawns("success", "")
    spawner.start_error = error
    with pytest.raises(raised):
        await spawner.start()
    assert (spawns(outcome, reason), spawns("success", "")) == (before + 1, succeeded)


async def test_a_start_that_succeeds_is_counted_and_its_stages_measured(spawner):
    def stages() -> float:
        return REGISTRY.get_sample_value("p2m_spawn_stage_duration_seconds_count", {"stage": "blender"}) or 0

    before, measured = spawns("success", ""), stages()
    await spawner.start()
    assert (spawns("success", ""), stages()) == (before + 1, measured + 1)
