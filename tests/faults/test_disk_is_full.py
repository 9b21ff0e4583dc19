"""A full disk: of a person's home, and of the hub's own state."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import Hub, Person
from tests.support.image import IMAGE
from tests.support.scenes import add_object, has_object, run_code, saved_at
from tests.support.waiting import wait_for

from .conftest import SCENE

RUBBISH = "/home/blender/rubbish"


@pytest.fixture(scope="module")
def small_home(hub: Hub) -> Iterator[Person]:
    """Somebody with a scene in a home of 24 MB, which is in memory: a container keeps it mounted."""
    person = hub.person("small").sign_up().log_in()
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=24m,uid=1000,gid=1000"}
    hub.engine.volumes.create(person.volume, driver="local", driver_opts=options)
    keeper = hub.engine.containers.run(IMAGE, ["sleep", "900"], detach=True, volumes=[f"{person.volume}:/home/blender"])
    try:
        person.start_server()
        add_object(person, SCENE)
        yield person
        person.stop_server()
    finally:
        keeper.remove(force=True)


def fill(person: Person) -> None:
    person.container().exec_run(["dd", "if=/dev/zero", f"of={RUBBISH}", "bs=4k"])


def make_room(person: Person) -> None:
    person.container().exec_run(["rm", RUBBISH])


def session(person: Person) -> str:
    """What Blender says of the session."""
    return run_code(person, "from bl_ext.system.p2m_blender import session; print(session.state())")


def test_a_full_home_keeps_what_is_saved_and_saves_again_when_there_is_room(small_home: Person):
    before = saved_at(small_home)
    fill(small_home)
    run_code(small_home, "import bpy; bpy.ops.object.empty_add(); bpy.context.object.name = 'not-yet-saved'")
    wait_for(lambda: "No space left on device" in session(small_home), 30, "Blender says so", interval=0.5)
    assert saved_at(small_home) == before
    assert small_home.is_ready()

    make_room(small_home)
    wait_for(lambda: saved_at(small_home) != before, 60, "the next save", interval=0.5)
    small_home.stop_server()
    small_home.start_server()
    assert has_object(small_home, SCENE)
    assert has_object(small_home, "not-yet-saved")


def test_a_server_starts_on_a_home_that_is_full(small_home: Person):
    fill(small_home)
    small_home.stop_server()
    small_home.start_server()
    assert has_object(small_home, SCENE)
    assert "No space left" not in session(small_home), "nothing has changed, so nothing had to be saved"
    make_room(small_home)
    add_object(small_home, "after-the-full-disk")


@pytest.fixture
def small_state(tmp_path: Path) -> Iterator[Path]:
    """A disk for the hub's state, with little more than `deploy/hub` asks for."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m", "p2m-test", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_hub_whose_disk_is_full_starts_nothing_and_goes_on_when_there_is_room(small_state: Path):
    hub = Hub(small_state / "state", P2M_MCP_TIMEOUT="180").start()
    try:
        person = hub.person().sign_up().log_in()
        rubbish = small_state / "rubbish"
        subprocess.run(["dd", "if=/dev/zero", f"of={rubbish}", "bs=4k"], capture_output=True, check=False)
        refused = person.api("POST", f"users/{person.name}/server")
        print(refused.status_code, refused.text)
        assert refused.status_code >= 500
        assert hub.containers() == []
        rubbish.unlink()
        person.start_server()
        person.stop_server()
        assert hub.containers() == []
    finally:
        hub.down()
