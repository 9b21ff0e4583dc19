"""What a user gets: a container with Blender, limits or profiles, and what happens to it when the hub goes."""

from typing import Any

from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Choose the spawner by its entry point and set what its servers have."""
    c.JupyterHub.spawner_class = "blender-docker"
    c.JupyterHub.cleanup_servers = False  # a hub that stops leaves people at their work
    c.BlenderDockerSpawner.hub_id = str(settings.state_dir)
    c.BlenderDockerSpawner.image = settings.image
    c.BlenderDockerSpawner.network_name = settings.network
    c.BlenderDockerSpawner.mem_limit = settings.memory
    c.BlenderDockerSpawner.cpu_limit = settings.cpus
    c.BlenderDockerSpawner.blender_mode = settings.blender_mode
    c.BlenderDockerSpawner.mcp_mode = settings.mcp_mode
    if settings.profiles:
        c.BlenderDockerSpawner.profiles_file = str(settings.profiles)
    c.BlenderDockerSpawner.publish_mcp = settings.publish_mcp
    c.BlenderDockerSpawner.mcp_timeout = settings.mcp_timeout
