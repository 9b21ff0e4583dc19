"""Preferences: a new user's suit software rendering, saved ones stay, and the extension listens with all."""

import json

from .conftest import ASK_BLENDER, Containers, UserContainer, wait_until

READ = (
    "import bpy, json; p = bpy.context.preferences; "
    "print(json.dumps([p.system.viewport_aa, p.view.show_splash, p.filepaths.file_preview_type]))"
)


def pid(container: UserContainer) -> int | None:
    """Return the process id of the Blender that answers, None while none does."""
    code, reply = container.run("python3", "-c", ASK_BLENDER, '{"id": 1, "type": "get_status"}')
    return int(json.loads(reply)["result"]["pid"]) if code == 0 else None


def preferences(container: UserContainer) -> str:
    """Return the three preferences as Blender has them, as JSON text."""
    return str(container.ask_blender("execute_code", code=READ)["result"]).strip()


def test_new_user_gets_preferences_for_software_rendering(container: UserContainer) -> None:
    assert preferences(container) == '["OFF", false, "AUTO"]'


def test_saved_preferences_are_kept_and_the_extension_listens_without_being_in_them(containers: Containers) -> None:
    container = containers.start()
    # Preferences of somebody who never had the extension, and who removed the repository it comes from.
    save = (
        "import bpy; p = bpy.context.preferences; p.system.viewport_aa = '5'; p.view.show_splash = False; "
        "r = p.extensions.repos; [r.remove(x) for x in list(r) if x.module == 'system']; "
        "bpy.ops.wm.save_userpref()"
    )
    container.output("blender", "-b", "--factory-startup", "--python-exit-code", "1", "--python-expr", save)
    container.wait_for_blender()
    first = pid(container)
    container.output("pkill", "-9", "-x", "blender")  # the one that started without them would save its own
    wait_until("the next Blender", lambda: pid(container) not in (None, first))
    assert preferences(container) == '["5", false, "AUTO"]'


def test_blender_in_the_background_leaves_the_sockets_alone(container: UserContainer) -> None:
    pid = container.pid("blender")
    container.output("blender", "-b", "--python-expr", "print(1)")
    assert container.blender_answers()
    assert container.pid("blender") == pid


def test_extension_stays_after_factory_settings(container: UserContainer) -> None:
    load = (
        "import bpy, pathlib; loaded = pathlib.Path('/tmp/loaded'); "
        "load = lambda: bpy.ops.wm.read_factory_settings() and loaded.touch(); "
        "bpy.app.timers.register(load, first_interval=0.2)"
    )
    container.ask_blender("execute_code", code=load)
    wait_until("the factory settings", lambda: container.run("test", "-e", "/tmp/loaded")[0] == 0)
    container.wait_for_blender()
    assert container.ask_blender("execute_code", code="import bpy; print(bpy.app.version_string)")["result"].strip()
