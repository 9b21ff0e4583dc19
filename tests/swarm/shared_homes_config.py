"""The project's own configuration with homes on storage that all machines reach: here they share the disk itself."""

import os
from pathlib import Path

load_subconfig(str(Path(__file__).resolve().parents[2] / "jupyterhub_config.py"))  # noqa: F821
c = get_config()  # noqa: F821
storage = Path(os.environ["TEST_STORAGE"])


def make_home(spawner):
    home = storage / spawner.user.name
    home.mkdir(exist_ok=True)
    os.chown(home, 1000, 1000)


c.Spawner.pre_spawn_hook = make_home
c.BlenderSwarmSpawner.home_storage = "shared"
c.BlenderSwarmSpawner.volumes = {f"{storage}/{{username}}": "/home/blender"}
c.BlenderSwarmSpawner.ui_port_start = 14000
