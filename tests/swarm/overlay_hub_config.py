"""The project's own configuration for a hub that is on the servers' overlay network itself."""

import os
from pathlib import Path

load_subconfig(str(Path(__file__).resolve().parents[2] / "jupyterhub_config.py"))  # noqa: F821
c = get_config()  # noqa: F821
c.JupyterHub.hub_bind_url = f"http://{os.environ['TEST_HUB_ADDRESS']}:8081"
c.BlenderSwarmSpawner.network_name = os.environ["TEST_NETWORK"]
