"""Configuration of the hub that `make up` runs. Settings come from the environment, topics from hub_config/."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # jupyterhub does not add the folder of its configuration

from hub_config import accounts, culling, gateway, lifecycle, logs, monitoring, network, pages, prepull, spawner, state
from hub_config.settings import Settings

c = get_config()  # noqa: F821
settings = Settings.from_environment(os.environ)
for topic in (state, logs, network, accounts, spawner, lifecycle, culling, monitoring, pages, gateway, prepull):
    topic.configure(c, settings)
