"""A clock that is set while the hub runs: waits do not end early or late, and nobody's server is touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import Hub, Person
from tests.support.scenes import has_object
from tests.support.waiting import wait_for

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
HOUR = 3600


class Clock:
    """The wall clock of a process under libfaketime, which reads how much to add from a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Set it to the right time and so many seconds."""
        self.file.write_text(f"{seconds:+d}\n")


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def hub(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub, and with it its proxy, whose wall clock the test sets; the clock that waits use goes on as it does.

    Without `deploy/hub`: under libfaketime 0.9.10 `time.sleep` of Python fails, which the hub itself does not call.
    """
    faked = {
        "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(clock.file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    running = Hub(
        tmp_path_factory.mktemp("clock-hub") / "state",
        command=("env", *(f"{name}={value}" for name, value in faked.items()), ".venv/bin/jupyterhub"),
        P2M_MCP_TIMEOUT="180",
        P2M_BLENDER_MODE="headless",  # starts in half the time
    ).start()
    yield running
    clock.jump(0)
    running.down()


@pytest.fixture(scope="module")
def person(hub: Hub) -> Person:
    return hub.person().sign_up().log_in()


@pytest.mark.parametrize("seconds", [HOUR // 2, -24 * HOUR], ids=["forward", "back"])
def test_a_jump_in_the_middle_of_a_start_changes_nothing(hub: Hub, person: Person, clock: Clock, seconds: int):
    clock.jump(0)
    person.request_server_soon()
    wait_for(hub.containers, 60, "the container", interval=0.02)
    container = hub.containers()[0].id
    clock.jump(seconds)
    wait_for(person.is_ready, 180, "the server")
    assert person.container().id == container
    assert has_object(person, "Cube")

    person.container().kill()
    wait_for(lambda: not person.servers(), 20, "the hub notices", interval=0.3)
    assert "saved" in person.ending()["message"]
    assert hub.containers() == []
