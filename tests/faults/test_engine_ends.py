"""An engine that is killed, away, or has a full disk: one of the tests' own, with a hub in its network."""

import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.support.hub import ROOT, Hub, Person
from tests.support.image import IMAGE
from tests.support.scenes import add_object, has_object
from tests.support.second_engine import SecondEngine, second_engine
from tests.support.waiting import wait_for

from .conftest import SCENE

DATA = ROOT / ".p2m" / "test-engine"
"""Kept between runs: to load the image takes most of a minute."""


@pytest.fixture(scope="module")
def engine() -> Iterator[SecondEngine]:
    """The engine; it keeps containers on a small disk, for the test that fills it."""
    with second_engine(DATA, IMAGE, disk_megabytes=16) as running:
        yield running


@pytest.fixture(scope="module")
def hub(engine: SecondEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub of that engine."""
    running = Hub(
        tmp_path_factory.mktemp("engine") / "state",
        command=(*engine.inside, "deploy/hub", "up"),
        address=engine.address,
        DOCKER_HOST=engine.url,
        P2M_MCP_TIMEOUT="180",
        P2M_BLENDER_MODE="headless",  # starts in half the time
    ).start()
    yield running
    running.down()


@pytest.fixture(scope="module")
def somebody(hub: Hub) -> Person:
    person = hub.person().sign_up().log_in().start_server()
    add_object(person, SCENE)
    return person


def test_an_engine_that_is_killed_and_comes_back(somebody: Person, hub: Hub, engine: SecondEngine):
    if not somebody.servers():
        somebody.start_server()

    engine.stop(signal.SIGKILL)
    engine.start()

    wait_for(lambda: not somebody.servers(), 90, "the hub notices", interval=0.5)
    ending = somebody.ending()
    print(ending["message"])
    assert ending["message"] in somebody.page()
    wait_for(lambda: hub.containers() == [], 30, "the sweep", interval=0.5)
    assert {volume.name for volume in hub.engine.volumes.list()} == {somebody.volume}
    somebody.start_server()
    assert has_object(somebody, SCENE)


def test_while_the_engine_is_away_a_server_is_kept_and_a_stop_waits(somebody: Person, hub: Hub, engine: SecondEngine):
    newcomer = hub.person().sign_up().log_in()
    if not somebody.servers():
        somebody.start_server()
    engine.stop(signal.SIGKILL)
    try:
        refused = newcomer.api("POST", f"users/{newcomer.name}/server")
        assert refused.status_code == 503
        assert refused.json()["message"].startswith("The container engine does not answer. Try again in a minute")
        stopping = threading.Thread(target=somebody.api, args=("DELETE", f"users/{somebody.name}/server"))
        stopping.start()
        wait_for(lambda: "Kept, because it is not known" in hub.output(), 60, "a poll without an answer", interval=0.5)
        assert somebody.servers()
    finally:
        engine.start()
    stopping.join(90)
    wait_for(lambda: not somebody.servers(), 90, "the stop", interval=0.5)
    wait_for(lambda: hub.containers() == [], 30, "no container", interval=0.5)
    newcomer.start_server()
    newcomer.stop_server()


def test_an_engine_whose_disk_is_full_is_told(somebody: Person, hub: Hub, engine: SecondEngine):
    if somebody.servers():
        somebody.stop_server()
    rubbish = engine.containers / "rubbish"
    subprocess.run(["dd", "if=/dev/zero", f"of={rubbish}", "bs=4k"], capture_output=True, check=False)
    try:
        refused = somebody.api("POST", f"users/{somebody.name}/server")
        assert refused.status_code == 503
        assert refused.json()["message"] == (
            "The disk of the machine that runs the containers is full. Tell the administrator."
        )
    finally:
        rubbish.unlink()
    assert hub.containers() == []
    somebody.start_server()
    assert has_object(somebody, SCENE)
