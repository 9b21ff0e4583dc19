"""Configuration of a hub without containers: our accounts, pages and gateway, on the loopback alone.

Starts of servers fail with a sentence, so this hub is for everything that needs none.
"""

import os
import sys
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner, SpawnException

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hub_config import accounts, gateway, network, pages, state  # noqa: E402
from hub_config.settings import Settings  # noqa: E402


class NoContainers(SimpleLocalProcessSpawner):
    """Starts nothing."""

    async def start(self) -> None:
        refusal = SpawnException("There are no containers today.", reason="none", status_code=503)
        refusal.jupyterhub_message = "There are no containers today."  # as BlenderSpawnerMixin.start does
        raise refusal


c = get_config()  # type: ignore[name-defined]  # noqa: F821
settings = Settings.from_environment(os.environ)
for topic in (state, accounts, pages, gateway):
    topic.configure(c, settings)

c.JupyterHub.bind_url = settings.bind_url
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings.hub_port}"
c.JupyterHub.spawner_class = NoContainers
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
c.ConfigurableHTTPProxy.pid_file = str(settings.state_dir / "proxy.pid")
c.ConfigurableHTTPProxy.command = network.PROXY_COMMAND
if os.environ.get("P2M_TEST_ONE_ADDRESS"):  # all tests of one process have the same
    c.AccountsAuthenticator.failed_logins_per_address = 1000
    c.AccountsAuthenticator.signups_per_hour = 1000
c.AccountsAuthenticator.hash_memory = 64
c.AccountsAuthenticator.hash_passes = 1
c.AccountsAuthenticator.hash_lanes = 1
