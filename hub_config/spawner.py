"""What a user gets: a container with Blender, limits or profiles, and what happens to it when the hub goes."""

from typing import Any

from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Choose the spawner by its entry point and set what its servers have."""
    c.JupyterHub.spawner_class = f"blender-{settings.engine}"
    c.JupyterHub.cleanup_servers = False  # a hub that stops leaves people at their work
    c.BlenderSpawnerMixin.hub_id = str(settings.state_dir)
    c.BlenderSpawnerMixin.image = settings.image
    if settings.engine == "docker":
        c.BlenderDockerSpawner.network_name = settings.network
    c.BlenderSpawnerMixin.mem_limit = settings.memory
    c.BlenderSpawnerMixin.cpu_limit = settings.cpus
    c.BlenderSpawnerMixin.blender_mode = settings.blender_mode
    c.BlenderSpawnerMixin.mcp_mode = settings.mcp_mode
    if settings.profiles:
        c.BlenderSpawnerMixin.profiles_file = str(settings.profiles)
    c.BlenderSpawnerMixin.publish_mcp = settings.publish_mcp
    c.BlenderSpawnerMixin.mcp_timeout = settings.mcp_timeout
