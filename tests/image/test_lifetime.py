"""What happens when something ends: Blender, Jupyter, the container."""

import time

from .conftest import Containers, UserContainer, wait_until


def test_home_survives_the_container(containers: Containers) -> None:
    first = containers.start()
    first.wait_for_blender()
    first.ask_blender(
        "execute_code", code="import bpy; bpy.ops.wm.save_as_mainfile(filepath='/home/blender/kept.blend')"
    )
    first.docker.stop(timeout=10)
    second = containers.start(volume=first.volume)
    second.wait_for_blender()
    assert second.output("stat", "-c", "%u", "/home/blender/kept.blend") == "1000"


def test_sigterm_ends_the_container_in_good_order(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_all()
    began = time.monotonic()
    container.docker.stop(timeout=10)
    assert time.monotonic() - began < 9.5
    container.docker.reload()
    assert container.docker.attrs["State"]["ExitCode"] == 0


def test_stopped_container_starts_again(containers: Containers) -> None:
    container = containers.start(locked_down=False)
    container.wait_for_all()
    container.docker.stop(timeout=10)
    container.docker.start()
    container.wait_for_all()


def test_killed_blender_comes_back(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_blender()
    assert container.exits()["restarts"] == 0
    first = kill_blender(container)
    container.wait_for_blender()
    assert container.pid("blender") not in {0, first}
    exits = container.exits()
    assert exits["restarts"] == 1
    assert not exits["failed"]
    assert "SIGKILL" in exits["reason"]


def test_quitting_blender_is_no_failure(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_blender()
    first = container.pid("blender")
    quit_soon = "import bpy; bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.3)"
    container.ask_blender("execute_code", code=quit_soon)
    wait_until("another Blender runs", lambda: container.pid("blender") not in {0, first})
    container.wait_for_blender()
    assert container.exits()["reason"] == "quit"
    assert container.output("cat", "/run/p2m/blender-delay") == "0"


def test_blender_that_keeps_dying_is_given_up_until_restarted(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_blender()
    for _ in range(4):
        kill_blender(container)
        # Do not sit out the back-off.
        container.run("sh", "-c", "echo 0 >/run/p2m/blender-delay; s6-svc -t /run/p2m-services/blender")
        wait_until("Blender failed or runs", lambda: container.exits()["failed"] or container.pid("blender"))
        if container.exits()["failed"]:
            break
    if not container.exits()["failed"]:
        kill_blender(container)
    wait_until("Blender is given up", lambda: container.exits()["failed"], deadline=30)
    assert container.pid("blender") == 0
    container.output("p2m-restart-blender")
    container.wait_for_blender()
    assert not container.exits()["failed"]


def test_restart_for_repair_is_counted_but_no_failure(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_blender()
    first = container.pid("blender")
    container.output("p2m-restart-blender")
    container.wait_for_blender()
    assert container.pid("blender") != first
    assert container.exits() == {"restarts": 1, "failed": False, "reason": "restart requested"}


def test_container_ends_with_the_jupyter_server(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_all()
    container.kill("jupyter-lab")
    wait_until("the container ends", container.ended, deadline=20)
    assert container.docker.attrs["State"]["ExitCode"] == 128 + 9


def test_container_ends_when_jupyter_cannot_start(containers: Containers) -> None:
    container = containers.start(command=["start-p2m", "--no-such-option=1", "--ServerApp.port=not-a-number"])
    wait_until("the container ends", container.ended, deadline=60)
    assert container.docker.attrs["State"]["ExitCode"] != 0


def test_blender_whose_display_ends_comes_back(containers: Containers) -> None:
    container = containers.start()
    container.wait_for_blender()
    first = container.pid("blender")
    container.kill("Xtigervnc")
    wait_until("another Blender runs", lambda: container.pid("blender") not in {0, first})
    container.wait_for_blender()
    assert container.output("test", "-S", "/run/p2m/vnc.sock") == ""


def kill_blender(container: UserContainer) -> int:
    """Kill Blender and wait until that is recorded; return the process id it had."""
    before = container.exits()["restarts"]
    pid = container.kill("blender")
    wait_until("the exit is recorded", lambda: container.exits()["restarts"] > before, deadline=20)
    return pid
