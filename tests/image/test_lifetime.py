"""What happens when something ends: Blender, Jupyter, the container."""

import time

import pytest

from .conftest import Containers, UserContainer, wait_until


def test_sigterm_ends_the_container_in_good_order_and_the_home_survives_it(containers: Containers) -> None:
    first = containers.start(headless=True)
    first.wait_for_all()
    first.ask_blender(
        "execute_code", code="import bpy; bpy.ops.wm.save_as_mainfile(filepath='/home/blender/kept.blend')"
    )
    began = time.monotonic()
    first.docker.stop(timeout=10)
    assert time.monotonic() - began < 9.5
    first.docker.reload()
    assert first.docker.attrs["State"]["ExitCode"] == 0
    second = containers.start(volume=first.volume, headless=True)
    second.wait_for_blender()
    assert second.output("stat", "-c", "%u", "/home/blender/kept.blend") == "1000"


def test_container_ends_when_jupyter_cannot_start(containers: Containers) -> None:
    container = containers.start(command=["start-p2m", "--no-such-option=1", "--ServerApp.port=not-a-number"])
    wait_until("the container ends", container.ended, deadline=60)
    assert container.docker.attrs["State"]["ExitCode"] != 0


def as_new(container: UserContainer) -> UserContainer:
    """A container with a Blender that answers and failed long ago at most."""
    container.wait_for_blender()
    container.output("rm", "-f", "/run/p2m/blender-failures.json")
    return container


@pytest.fixture
def windowed(container: UserContainer) -> UserContainer:
    """The module's container whose Blender has a window."""
    return as_new(container)


@pytest.fixture
def blender(headless: UserContainer) -> UserContainer:
    """The module's container whose Blender has none."""
    return as_new(headless)


def test_killed_blender_comes_back(blender: UserContainer) -> None:
    before = blender.exits()["restarts"]
    first = kill_blender(blender)
    blender.wait_for_blender()
    assert blender.pid("blender") not in {0, first}
    exits = blender.exits()
    assert exits["restarts"] == before + 1
    assert not exits["failed"]
    assert "SIGKILL" in exits["reason"]


def test_quitting_blender_is_no_failure(windowed: UserContainer) -> None:
    first = windowed.pid("blender")
    quit_soon = "import bpy; bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.3)"
    windowed.ask_blender("execute_code", code=quit_soon)
    wait_until("another Blender runs", lambda: windowed.pid("blender") not in {0, first})
    windowed.wait_for_blender()
    assert windowed.exits()["reason"] == "quit"
    assert windowed.output("cat", "/run/p2m/blender-delay") == "0"


def test_blender_that_keeps_dying_is_given_up_until_restarted(blender: UserContainer) -> None:
    for _ in range(4):
        kill_blender(blender)
        # Do not sit out the back-off.
        blender.run("sh", "-c", "echo 0 >/run/p2m/blender-delay; s6-svc -t /run/p2m-services/blender")
        wait_until("Blender failed or runs", lambda: blender.exits()["failed"] or blender.pid("blender"))
        if blender.exits()["failed"]:
            break
    if not blender.exits()["failed"]:
        kill_blender(blender)
    wait_until("Blender is given up", lambda: blender.exits()["failed"], deadline=30)
    assert blender.pid("blender") == 0
    blender.output("p2m-restart-blender")
    blender.wait_for_blender()
    assert not blender.exits()["failed"]


def test_restart_for_repair_is_counted_but_no_failure(blender: UserContainer) -> None:
    before = blender.exits()["restarts"]
    first = blender.pid("blender")
    blender.output("p2m-restart-blender")
    blender.wait_for_blender()
    assert blender.pid("blender") != first
    assert blender.exits() == {"restarts": before + 1, "failed": False, "reason": "restart requested"}


def test_blender_whose_display_ends_comes_back(windowed: UserContainer) -> None:
    first = windowed.pid("blender")
    windowed.kill("Xtigervnc")
    wait_until("another Blender runs", lambda: windowed.pid("blender") not in {0, first})
    windowed.wait_for_blender()
    assert windowed.output("test", "-S", "/run/p2m/vnc.sock") == ""


def test_container_ends_with_the_jupyter_server(blender: UserContainer) -> None:
    """The last test of this container."""
    blender.wait_for_all()
    blender.kill("jupyter-lab")
    wait_until("the container ends", blender.ended, deadline=20)
    assert blender.docker.attrs["State"]["ExitCode"] == 128 + 9


def kill_blender(container: UserContainer) -> int:
    """Kill Blender and wait until that is recorded; return the process id it had."""
    before = container.exits()["restarts"]
    pid = container.kill("blender")
    wait_until("the exit is recorded", lambda: container.exits()["restarts"] > before, deadline=20)
    return pid
