"""The project's own configuration; only the hub's look at its servers comes more often."""

from pathlib import Path

load_subconfig(str(Path(__file__).resolve().parents[2] / "jupyterhub_config.py"))  # noqa: F821
c = get_config()  # noqa: F821
c.Spawner.poll_interval = 2
