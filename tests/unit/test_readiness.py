"""Waiting for a server: what is told meanwhile, and each way in which it ends."""

from types import SimpleNamespace

import pytest

from p2m_spawner import readiness
from p2m_spawner.errors import NotReadyInTime, ServerDied


def status(blender="ready", mcp="ready", ui="ready", reason=None, restarts=0):
    ready = blender in ("ready", "busy") and mcp == "ready" and ui == "ready"
    return {
        "ready": ready,
        "blender": {"state": blender, "version": "4.3.2", "restarts": restarts, "reason": reason},
        "mcp": {"state": mcp, "num_tools": 4 if mcp == "ready" else 0},
        "ui": {"state": ui},
        "jobs": [],
    }


class Server:
    """A server whose status goes through a list; its clock jumps at every look."""

    def __init__(self, *answers, alive=True, step=0.0):
        self.answers = list(answers)
        self.alive = alive
        self.now = 0.0
        self.step = step
        self.told = []

    async def fetch(self):
        self.now += self.step
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def is_alive(self):
        return self.alive

    async def wait(self, deadline=30.0):
        return await readiness.wait_until_ready(
            self.fetch, self.is_alive, lambda *told: self.told.append(told), deadline, clock=lambda: self.now
        )


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Nobody waits; the pauses that would have been made, in seconds."""
    made = []

    async def sleep(seconds):
        made.append(seconds)

    monkeypatch.setattr(readiness, "asyncio", SimpleNamespace(sleep=sleep))
    return made


async def test_returns_the_status_that_says_ready_and_tells_each_stage_once():
    server = Server(
        None,
        None,
        status("starting", "down", "down"),
        status("starting", "down"),
        status("ready", "down"),
        status("ready", "down"),
        status(),
    )
    assert (await server.wait())["ready"]
    assert server.told == [
        ("display", "Starting JupyterLab and Blender …"),
        ("display", "Starting the display …"),
        ("blender", "Starting Blender …"),
        ("mcp", "Blender answers; starting its MCP server …"),
    ]


async def test_a_restarting_blender_is_told_with_its_count():
    server = Server(status("restarting", restarts=2), status())
    await server.wait()
    assert server.told == [("blender", "Blender ended and is being started again (restart 2) …")]


async def test_the_deadline_ends_the_wait_with_the_reason_from_the_container():
    server = Server(status("restarting", reason="exit code 1: no display"), step=1.0)
    with pytest.raises(NotReadyInTime, match=r"not ready after 5 seconds: exit code 1: no display") as caught:
        await server.wait(deadline=5)
    assert caught.value.reason == "blender_timeout"


async def test_a_failed_blender_ends_the_wait_at_once():
    server = Server(status("failed", reason="exit code 127: not found"))
    with pytest.raises(ServerDied, match="Blender did not start: exit code 127: not found") as caught:
        await server.wait()
    assert caught.value.reason == "blender_failed"


async def test_a_container_that_ended_ends_the_wait_at_once():
    server = Server(None, alive=False)
    with pytest.raises(ServerDied, match="ended while it was starting") as caught:
        await server.wait()
    assert caught.value.reason == "server_died"


@pytest.mark.parametrize(("took", "pause"), [(0.01, 0.1), (0.2, 0.4), (3.0, 1.0)])
async def test_the_slower_the_answers_the_rarer_the_looks(pauses, took, pause):
    await Server(None, status("starting"), status(), step=took).wait()
    assert pauses == pytest.approx([pause, pause])


async def test_nothing_that_answers_is_none_and_no_error():
    assert await readiness.fetch_status("http://127.0.0.1:9/user/ada/p2m/status", "secret") is None
