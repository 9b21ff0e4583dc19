"""Work is never lost: what the next Blender has after a change, a kill, a stop, a crash, a full disk."""

import hashlib
import json
import time
from typing import Any

import pytest

from tests.support.mcp_client import mcp_client

from .conftest import TOKEN, Containers, UserContainer, wait_until

HOME = "/home/blender"
SESSION = f"{HOME}/.p2m/session/scene.blend"
ADDON = "bl_ext.system.p2m_blender"

ADD = """
import bpy
bpy.ops.mesh.primitive_cube_add()
bpy.context.object.name = {name!r}
"""
STATE = """
import bpy, json
print(json.dumps([bpy.data.filepath, bpy.data.is_dirty, sorted(bpy.data.objects.keys())]))
"""
CRASH_WITH_OBJECT = """
import os, signal
import bpy

@bpy.app.handlers.persistent
def crash(*_):
    if "Crash" in bpy.data.objects:
        os.kill(os.getpid(), signal.SIGSEGV)

def register():
    bpy.app.handlers.load_post.append(crash)

def unregister():
    pass
"""


def run(container: UserContainer, code: str) -> str:
    return str(container.ask_blender("execute_code", code=code)["result"])


def add(container: UserContainer, name: str) -> None:
    run(container, ADD.format(name=name))


def objects(container: UserContainer) -> list[str]:
    # Not with code: a call of code is an undo step, even if it changes nothing.
    return [item["name"] for item in container.ask_blender("get_scene_info", limit=1000)["objects"]]


def state_once_changed(container: UserContainer) -> tuple[str, list[str]]:
    """The open file's path and the objects, once the window's title says that there is something to save."""
    wait_until("the scene counts as changed", lambda: '= "* ' in title(container), deadline=5)
    name, _, found = json.loads(run(container, STATE))
    return name, found


def session(container: UserContainer) -> dict[str, Any]:
    return dict(container.ask_blender("get_status")["session"])


def on_disk(container: UserContainer, name: str) -> bool:
    """Whether the saved session has an object: names stand in an uncompressed file as they are."""
    return container.run("grep", "-q", f"OB{name}", SESSION)[0] == 0


def checksum(container: UserContainer, path: str) -> str:
    return container.output("sha256sum", path).split()[0]


def title(container: UserContainer) -> str:
    """The title of Blender's window."""
    script = 'xprop -id "$(xprop -root _NET_CLIENT_LIST | grep -o "0x[0-9a-f]*" | head -n 1)" _NET_WM_NAME'
    return container.output("sh", "-c", script)


def kill_and_wait(container: UserContainer) -> float:
    """Kill Blender as if for the first time; return the seconds until the next one answers."""
    container.output("rm", "-f", "/run/p2m/blender-failures.json")
    container.kill("blender")
    began = time.monotonic()
    container.wait_for_blender()
    return time.monotonic() - began


def save_file(container: UserContainer) -> str:
    """Save the scene as a file of the person's, which is open then."""
    path = f"{HOME}/work.blend"
    run(container, f"import bpy; bpy.ops.wm.save_as_mainfile(filepath={path!r})")
    return path


@pytest.fixture
def file(container: UserContainer) -> str:
    """A file of the person's, open and saved."""
    return save_file(container)


def test_a_change_is_on_disk_within_five_seconds(container: UserContainer) -> None:
    assert run(container, "import bpy; print(bpy.data.is_dirty)") == "False\n"
    preferences = "import bpy; f = bpy.context.preferences; print(f.filepaths.file_preview_type, f.is_dirty)"
    before = run(container, preferences)
    began = time.monotonic()
    add(container, "Soon")
    wait_until("the change is in the session", lambda: on_disk(container, "Soon"), deadline=10)
    took = time.monotonic() - began
    print(f"a change was on disk after {took:.1f} s")
    assert took < 5
    wait_until("status knows", lambda: session(container)["saved_at"], deadline=5)
    assert session(container) | {"saved_at": ""} == {"state": "ok", "saved_at": "", "reason": None, "notice": None}
    assert run(container, preferences) == before
    meta = json.loads(container.output("cat", f"{HOME}/.p2m/session/meta.json"))
    assert (meta["file"], meta["blender_version"][:2]) == (None, "4.")
    assert 0 < meta["duration_s"] < 1


def test_a_killed_blender_comes_back_with_the_scene_and_the_files_name(container: UserContainer, file: str) -> None:
    original = checksum(container, file)
    add(container, "Unsaved")
    wait_until("the change is in the session", lambda: on_disk(container, "Unsaved"), deadline=10)
    seconds = kill_and_wait(container)
    print(f"Blender answers {seconds:.1f} s after kill -9")
    assert seconds < 20
    name, found = state_once_changed(container)
    assert name == file
    assert "Unsaved" in found
    assert "work" in title(container)
    assert checksum(container, file) == original
    assert container.ask_blender("get_status")["file"] == file
    assert "Resumed work.blend" in session(container)["notice"]


@pytest.mark.parametrize("mode", ["container", "headless"])
def test_killing_blender_again_and_again_is_no_crash_of_the_scene(request: pytest.FixtureRequest, mode: str) -> None:
    container: UserContainer = request.getfixturevalue(mode)
    add(container, "Tough")
    container.ask_blender("save_session")
    for _ in range(3):
        kill_and_wait(container)
        assert "Tough" in objects(container)


def test_a_scene_that_was_never_saved_is_still_unsaved(container: UserContainer) -> None:
    run(container, "import bpy; bpy.ops.wm.read_homefile()")
    add(container, "Nameless")
    container.ask_blender("save_session")
    container.output("p2m-restart-blender")
    container.wait_for_blender()
    name, found = state_once_changed(container)
    assert name == ""
    assert "Nameless" in found
    assert "Unsaved" in title(container)


def test_relative_paths_still_lead_to_the_same_files(headless: UserContainer) -> None:
    save_file(headless)
    picture = f"{HOME}/texture.png"
    code = f"""
import bpy
made = bpy.data.images.new("texture", 4, 4)
made.filepath_raw, made.file_format = {picture!r}, "PNG"
made.save()
bpy.data.images.remove(made)
bpy.data.images.load("//texture.png").use_fake_user = True
"""
    run(headless, code)
    headless.ask_blender("save_session")
    kill_and_wait(headless)
    code = "import bpy; i = bpy.data.images['texture.png']; print(i.filepath, bpy.path.abspath(i.filepath), i.size[0])"
    assert run(headless, code) == f"//texture.png {picture} 4\n"


def test_stopping_the_container_saves_what_is_not_yet_and_it_starts_again(containers: Containers) -> None:
    container = containers.start(locked_down=False)
    container.wait_for_all()
    run(container, f"import bpy; bpy.ops.wm.save_as_mainfile(filepath='{HOME}/work.blend')")
    container.ask_blender("execute_code", code=ADD.format(name="LastSecond"))
    began = time.monotonic()
    container.docker.stop(timeout=10)
    print(f"stopped in {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 9.5
    container.docker.start()
    container.wait_for_all()
    name, _, found = json.loads(run(container, STATE))
    assert name == f"{HOME}/work.blend"
    assert "LastSecond" in found
    assert "work" in title(container)


def test_code_that_does_not_end_keeps_no_stop_from_saving(headless: UserContainer) -> None:
    endless = ADD.format(name="Endless") + "\nwhile True: pass"
    request = json.dumps({"id": 1, "type": "execute_code", "params": {"code": endless}})
    send = "import socket,struct,sys,time; s=socket.socket(socket.AF_UNIX); s.connect('/run/p2m/blender.sock'); "
    send += "b=sys.argv[1].encode(); s.sendall(struct.pack('>I',len(b))+b); time.sleep(60)"
    headless.docker.exec_run(["python3", "-c", send, request], detach=True)
    wait_until("the code runs", lambda: headless.ask_blender("get_status")["busy_with"] == "execute_code")
    headless.output("p2m-restart-blender")
    headless.wait_for_blender()
    assert "Endless" in objects(headless)


def test_a_scene_that_crashes_blender_twice_is_set_aside(container: UserContainer) -> None:
    startup = f"{HOME}/.config/blender/4.3/scripts/startup"
    container.output("mkdir", "-p", startup)
    container.output("sh", "-c", 'printf %s "$1" >"$2"', "sh", CRASH_WITH_OBJECT, f"{startup}/crash.py")
    add(container, "Crash")
    container.ask_blender("save_session")
    container.output("rm", "-f", "/run/p2m/blender-failures.json")
    before = container.exits()["restarts"]
    container.kill("blender")

    def crashed_twice() -> bool:
        # Do not sit out the back-off.
        container.run("sh", "-c", "echo 0 >/run/p2m/blender-delay")
        return bool(container.exits()["restarts"] >= before + 3)

    wait_until("Blender crashed twice", crashed_twice, deadline=60)
    container.wait_for_blender()
    container.output("rm", f"{startup}/crash.py")
    assert "Crash" not in objects(container)
    notice = session(container)["notice"]
    assert "ended Blender twice" in notice
    aside = container.output("sh", "-c", f"ls {HOME}/.p2m/session/scene-crashed-*.blend")
    assert aside in notice
    assert container.run("grep", "-q", "OBCrash", aside)[0] == 0


def test_a_session_that_cannot_be_read_is_set_aside(headless: UserContainer) -> None:
    add(headless, "Damaged")
    headless.ask_blender("save_session")
    headless.output("truncate", "-s", "300000", SESSION)
    kill_and_wait(headless)
    assert "Damaged" not in objects(headless)
    assert "cannot be read" in session(headless)["notice"]
    assert headless.output("sh", "-c", f"ls {HOME}/.p2m/session/scene-unreadable-*.blend")


def test_a_scene_that_takes_long_to_save_backs_off_and_says_so(container: UserContainer) -> None:
    limit = f"import sys; print(sys.modules['{ADDON}.session'].LONGEST_SAVE_S)"
    usual = float(run(container, limit))
    set_limit = "import sys\nfor n in ('session', 'session_store'): sys.modules[f'" + ADDON + ".{n}'].LONGEST_SAVE_S = "
    run(container, f"{set_limit}1e-6")
    try:
        add(container, "Heavy")
        wait_until("the session backs off", lambda: session(container)["state"] == "backing off", deadline=15)
        assert "quiet moments" in session(container)["reason"]
    finally:
        run(container, f"{set_limit}{usual}")
    add(container, "Light again")
    wait_until("the session is as usual", lambda: session(container)["state"] == "ok", deadline=15)


def test_checkpoints_before_each_change_can_be_restored_and_that_taken_back(
    container: UserContainer, file: str
) -> None:
    run(container, "import bpy; bpy.ops.wm.save_mainfile()")
    original = checksum(container, file)
    add(container, "First")
    add(container, "Second")
    newest = container.ask_blender("list_checkpoints", limit=1)["checkpoints"][0]
    assert (newest["label"], newest["file"]) == ("before execute_blender_code", file)
    answer = container.ask_blender("restore_checkpoint", id=newest["id"])
    assert answer["file"] == file
    name, found = state_once_changed(container)
    assert name == file
    assert "First" in found
    assert "Second" not in found
    container.ask_blender("restore_checkpoint", id=answer["before_id"])
    assert "Second" in objects(container)
    assert checksum(container, file) == original


def test_what_a_checkpoint_costs(container: UserContainer) -> None:
    code = f"""
import statistics, sys, time
history, watch = (sys.modules[f"{ADDON}.{{name}}"] for name in ("scene_history", "watch"))
times = []
for _ in range(30):
    watch.note_change()
    began = time.perf_counter()
    history.ensure("before test")
    times.append(time.perf_counter() - began)
print(1000 * statistics.median(times))
"""
    median_ms = float(run(container, code))
    print(f"a checkpoint of a small scene takes {median_ms:.1f} ms (median of 30)")
    assert median_ms < 50


def test_checkpoints_stay_within_their_number(container: UserContainer) -> None:
    code = f"import sys; h = sys.modules['{ADDON}.scene_history']; [h.create('many') for _ in range(55)]"
    run(container, code)

    def files() -> int:
        return int(container.output("sh", "-c", f"ls {HOME}/.p2m/checkpoints/*.blend | wc -l"))

    wait_until("the oldest are gone", lambda: files() == 50, deadline=10)
    assert container.ask_blender("list_checkpoints", limit=1)["count"] == 50


def test_a_full_disk_is_told_and_the_former_session_stays(containers: Containers) -> None:
    container = containers.start(tmpfs={f"{HOME}/.p2m": "size=3m,uid=1000,gid=1000"}, headless=True)
    container.wait_for_blender()
    add(container, "Former")
    wait_until("the change is in the session", lambda: on_disk(container, "Former"), deadline=10)
    wait_until("status knows", lambda: session(container)["saved_at"], deadline=5)
    former = hashlib.sha256(container.output("base64", SESSION).encode()).hexdigest()
    container.run("dd", "if=/dev/zero", f"of={HOME}/.p2m/filler", "bs=64k")
    add(container, "Later")
    wait_until("the failure shows", lambda: session(container)["state"] == "failed", deadline=10)
    assert "could not be saved" in session(container)["reason"]
    assert hashlib.sha256(container.output("base64", SESSION).encode()).hexdigest() == former
    assert "could not be saved" in container.docker.logs().decode()
    container.output("rm", f"{HOME}/.p2m/filler")
    wait_until("it is saved again", lambda: session(container)["state"] == "ok", deadline=15)
    assert on_disk(container, "Later")


async def test_an_agent_goes_back_and_forth(container: UserContainer) -> None:
    container.docker.reload()
    port = container.docker.ports["8888/tcp"][0]["HostPort"]
    async with mcp_client(f"http://127.0.0.1:{port}/p2m/mcp", TOKEN) as client:

        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content
            return dict(result.structured_content)

        marked = await call("create_checkpoint", label="before the tower")
        await call("execute_blender_code", code=ADD.format(name="Tower"))
        assert await call("undo") == {"steps": 1}
        assert "Tower" not in objects(container)
        assert await call("redo") == {"steps": 1}
        assert "Tower" in objects(container)
        listed = (await call("list_checkpoints"))["checkpoints"]
        assert marked in listed
        restored = await call("restore_checkpoint", id=marked["id"])
        assert restored["restored"] == marked
        assert "Tower" not in objects(container)
        await call("restore_checkpoint", id=restored["before_id"])
        assert "Tower" in objects(container)
        refused = await client.call_tool("restore_checkpoint", {"id": 999_999})
        assert refused.is_error
        assert "list_checkpoints" in refused.content[0].text
