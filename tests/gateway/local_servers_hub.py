"""Configuration of a hub whose users' servers are processes beside it (`local_server`), for tests that need many."""

import asyncio
import os
import sys
from pathlib import Path

from jupyterhub.spawner import Spawner

ROOT = Path(__file__).resolve().parents[2]
load_subconfig(str(Path(__file__).with_name("light_hub.py")))  # type: ignore[name-defined]  # noqa: F821
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(Path(os.environ["P2M_STATE"]) / "homes" / "{username}")


async def take_long(spawner: Spawner) -> None:
    """Let servers of people named "slow…" take longer to start than clients wait for an answer to server/discover."""
    if spawner.user.name.startswith("slow"):
        await asyncio.sleep(7)


c.Spawner.pre_spawn_hook = take_long
c.Spawner.cmd = [sys.executable, "-m", "tests.gateway.local_server"]
c.Spawner.notebook_dir = "~"
c.Spawner.start_timeout = 90
c.Spawner.http_timeout = 90
c.Spawner.environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'singleuser_image'}"}
c.JupyterHub.cleanup_servers = True  # the processes end with the hub
