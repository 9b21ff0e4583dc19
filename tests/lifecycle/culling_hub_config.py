"""The project's own configuration, with an idle time shorter than an operator may set: `P2M_TEST_IDLE_S` seconds."""

import os
from dataclasses import replace
from pathlib import Path

load_subconfig(str(Path(__file__).resolve().parents[2] / "jupyterhub_config.py"))  # noqa: F821
c = get_config()  # noqa: F821

from hub_config import culling  # noqa: E402 - the project's configuration makes it importable
from hub_config.settings import Settings  # noqa: E402

culling.configure(c, replace(Settings.from_environment(os.environ), idle_timeout=int(os.environ["P2M_TEST_IDLE_S"])))
