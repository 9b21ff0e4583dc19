"""The hub of `bench.scale`: the project's own, with room for many servers, on a port range of its own."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import database_clock, fake_engine  # noqa: E402
from p2m_spawner.docker_spawner import BlenderDockerSpawner  # noqa: E402

c = get_config()  # noqa: F821
load_subconfig(str(ROOT / "jupyterhub_config.py"))  # noqa: F821

c.BlenderDockerSpawner.host_ip = fake_engine.HOST
c.BlenderDockerSpawner.ui_port_start = fake_engine.FIRST_PORT
c.BlenderDockerSpawner.mcp_port_start = fake_engine.FIRST_PORT + 20_000
c.BlenderDockerSpawner.port_range_size = 20_000

if "BENCH_NO_SWEEP" in os.environ:  # a hub with the default removes nothing
    c.BlenderDockerSpawner.hub_id = BlenderDockerSpawner.hub_id.default_value

database_clock.start()
