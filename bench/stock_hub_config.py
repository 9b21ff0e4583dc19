"""The hub of the benchmark's other side: stock DockerSpawner on the same image, network and machine."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hub_config import accounts, network, pages, state
from hub_config.settings import Settings

c = get_config()  # noqa: F821
settings = Settings.from_environment(os.environ)
for topic in (state, network, accounts, pages):
    topic.configure(c, settings)

c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = settings.image
c.DockerSpawner.network_name = settings.network
c.DockerSpawner.use_internal_ip = False
c.DockerSpawner.prefix = "p2m-stock"
c.DockerSpawner.volumes = {"p2m-{username}": "/home/blender"}
c.DockerSpawner.remove = True
c.DockerSpawner.extra_create_kwargs = {"labels": {"p2m.hub": str(settings.state_dir)}}
c.DockerSpawner.http_timeout = c.DockerSpawner.start_timeout = int(settings.mcp_timeout)
