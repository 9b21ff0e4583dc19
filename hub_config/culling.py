"""When servers are stopped although nobody asked for it: idle ones, and those that are too old."""

import sys
from typing import Any

from .settings import YEAR_SECONDS, Settings

NAME = "idle-culler"

REPORT_SECONDS = 300
"""How often a server tells the hub of its use, unless the time limit is short; JupyterHub's own default."""

LONGEST_ROUND = 600
"""Seconds between two rounds of the culler at most."""


def configure(c: Any, settings: Settings) -> None:
    """Run jupyterhub-idle-culler as a service of the hub, with no more rights than it needs.

    What counts as use is what the server itself reports: work in JupyterLab and notebooks, agents' calls, renders,
    whatever moves on a desktop that somebody looks at. Traffic that the proxy sees counts for nothing: pages that are
    left open go on asking.
    """
    c.JupyterHub.last_activity_interval = 0  # the proxy's times, see above
    if settings.idle_timeout:
        # several reports within the limit, or a server in use would look idle
        report = min(REPORT_SECONDS, settings.idle_timeout // 4)
        c.BlenderSpawnerMixin.environment.update({"JUPYTERHUB_ACTIVITY_INTERVAL": str(report)})
    if settings.idle_timeout or settings.max_age:
        shortest = min(limit for limit in (settings.idle_timeout, settings.max_age) if limit)
        c.JupyterHub.services.append({"name": NAME, "command": _command(settings, shortest)})
        c.JupyterHub.load_roles.append(
            {
                "name": NAME,
                "description": "Sees which servers run and since when they are unused, and stops them",
                "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
                "services": [NAME],
            }
        )


def _command(settings: Settings, shortest: int) -> list[str]:
    """The culler's command line: it has no word for "never", so a year stands for it.

    It ends with its hub, also with one that is killed (setpriv of util-linux); the next hub starts another.
    """
    return [
        *("setpriv", "--pdeathsig", "TERM"),
        *(sys.executable, "-m", "jupyterhub_idle_culler"),
        f"--timeout={settings.idle_timeout or YEAR_SECONDS}",
        f"--max-age={settings.max_age}",
        f"--cull-every={min(LONGEST_ROUND, shortest // 4)}",
    ]
