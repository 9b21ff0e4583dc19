"""Servers that nobody owns are removed, others are not, and an engine that is away is waited for."""

import logging

import pytest

from p2m_spawner.errors import EngineSilent
from p2m_spawner.orphans import FoundServer, Sweeper
from p2m_spawner.patience import patiently

ADA, BOB = FoundServer("ada", "", "1"), FoundServer("bob", "film", "2")


class Engine:
    """An engine with servers, which does not answer the first times."""

    def __init__(self, *servers: FoundServer, silent: int = 0) -> None:
        self.servers = list(servers)
        self.silent = silent
        self.now = 0.0
        self.pauses: list[float] = []

    async def look(self) -> list[FoundServer]:
        if self.silent:
            self.silent -= 1
            raise ConnectionError("away")
        return self.servers

    async def remove(self, server: FoundServer) -> None:
        self.servers = [other for other in self.servers if other != server]

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def sweeper(self, *owned: tuple[str, str]) -> Sweeper:
        return Sweeper(
            self.look, lambda: set(owned), self.remove, is_silent, logging.getLogger("test"), sleep=self.sleep
        )


def is_silent(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


async def test_what_nobody_owns_is_removed_and_the_rest_stays():
    engine = Engine(ADA, BOB)
    await engine.sweeper(("ada", "")).request()
    assert engine.servers == [ADA]


async def test_a_server_of_another_name_is_no_owner():
    engine = Engine(BOB)
    await engine.sweeper(("bob", "")).request()
    assert engine.servers == []


async def test_the_database_is_asked_once_for_all_and_again_before_one_is_removed():
    engine, asked = Engine(*(FoundServer(f"user{number}", "", str(number)) for number in range(50)), BOB), []

    def owned() -> set[tuple[str, str]]:
        """Bob's start is in the database from the second time on."""
        asked.append(1)
        return {(f"user{number}", "") for number in range(50)} | ({("bob", "film")} if len(asked) > 1 else set())

    await Sweeper(engine.look, owned, engine.remove, is_silent, logging.getLogger("test")).request()
    assert len(engine.servers) == 51
    assert len(asked) == 2


async def test_an_engine_that_is_away_is_waited_for():
    engine = Engine(ADA, silent=8)
    await engine.sweeper().request()
    assert engine.servers == []
    assert engine.pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_an_engine_that_stays_away_is_given_up(caplog: pytest.LogCaptureFixture):
    engine = Engine(ADA, silent=10_000)
    await engine.sweeper().request()
    assert "no engine for" in caplog.text
    assert len(engine.pauses) < 100


async def test_two_requests_are_one_sweep_while_the_engine_is_away():
    engine = Engine(ADA, silent=1)
    sweeper = engine.sweeper()
    assert sweeper.request() is sweeper.request()


# Patience


async def test_an_engine_that_comes_back_in_time_answers():
    engine = Engine(ADA, silent=3)
    assert await patiently(engine.look, is_silent, 60, lambda: engine.now, engine.sleep) == [ADA]
    assert engine.pauses == [0.5, 1, 2]


@pytest.mark.parametrize(("seconds", "tries"), [(0, 1), (0.5, 2), (60, 15)])
async def test_an_engine_that_does_not_is_silent_after_the_deadline(seconds: float, tries: int):
    engine = Engine(silent=1000)
    with pytest.raises(EngineSilent) as caught:
        await patiently(engine.look, is_silent, seconds, lambda: engine.now, engine.sleep)
    assert engine.silent == 1000 - tries
    assert engine.now <= seconds
    assert caught.value.reason == "engine_silent"


async def test_what_the_engine_answers_is_raised_at_once():
    async def refuse() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await patiently(refuse, is_silent, 60)
