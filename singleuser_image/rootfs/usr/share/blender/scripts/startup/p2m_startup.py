"""Enables the p2m extension in the Blender that s6 supervises, whatever the user's preferences say.

Lives among Blender's own startup scripts, so that a user's home (empty, or with preferences of long ago) has no say.
"""

import os
from pathlib import Path

import addon_utils
import bpy
from bpy.app.handlers import persistent

EXTENSION = "bl_ext.system.p2m_blender"
REPOSITORY = "system"


def is_supervised() -> bool:
    """Say whether this process is the one that s6 started, not one that a user runs."""
    return not bpy.app.background and os.environ.get("P2M_BLENDER_PID") == str(os.getpid())


def welcome_new_user() -> None:
    """Choose preferences for a user who never saved any: what software rendering needs."""
    config = Path(bpy.utils.resource_path("USER")) / "config" / "userpref.blend"
    if config.exists():
        return
    preferences = bpy.context.preferences
    preferences.system.viewport_aa = "OFF"
    preferences.view.show_splash = False


def enable_extension() -> None:
    """Enable the extension, with its repository when the user's preferences lack or disable that."""
    repositories = bpy.context.preferences.extensions.repos
    repository = next((r for r in repositories if r.module == REPOSITORY), None)
    if repository is None:
        repository = repositories.new(name="System", module=REPOSITORY, source="SYSTEM")
    if not repository.enabled:
        repository.enabled = True
    if not addon_utils.check(EXTENSION)[1]:
        addon_utils.enable(EXTENSION, default_set=True, persistent=True)


def soon() -> None:
    """Enable the extension from Blender's event loop: at this point its preferences are not complete."""
    if not bpy.app.timers.is_registered(enable_extension):
        bpy.app.timers.register(enable_extension, first_interval=0.0, persistent=True)


@persistent
def on_factory_preferences(*_: object) -> None:
    """Come back after File > Defaults > Load Factory Settings."""
    soon()


def register() -> None:
    """Blender calls this at start."""
    if is_supervised():
        welcome_new_user()
        soon()
        bpy.app.handlers.load_factory_preferences_post.append(on_factory_preferences)


def unregister() -> None:
    """Blender calls this when it reloads its scripts."""
    if on_factory_preferences in bpy.app.handlers.load_factory_preferences_post:
        bpy.app.handlers.load_factory_preferences_post.remove(on_factory_preferences)
