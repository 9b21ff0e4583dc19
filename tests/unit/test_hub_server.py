"""The single-user server starts without the hub's database layer, and with it when a release of JupyterHub needs it."""

import subprocess
import sys
from pathlib import Path


def run(code: str) -> str:
    """Run code in a Python of its own; returns what it printed."""
    script = f"import sys; from p2m_singleuser import hub_server; {code}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd="singleuser_image"
    )
    return done.stdout + done.stderr


def test_the_database_layer_stays_out():
    said = run("hub_server.load_singleuser(); print({'sqlalchemy', 'alembic', 'jupyterhub.orm'} & set(sys.modules))")
    assert said == "set()\n"


def test_who_wants_the_database_layer_afterwards_gets_the_real_one():
    said = run(
        "hub_server.load_singleuser(); import sqlalchemy; from jupyterhub import orm;"
        "print(sqlalchemy.__version__[0], orm.User.__tablename__)"
    )
    assert said == "2 users\n"


def test_a_jupyterhub_that_needs_more_is_run_as_a_whole():
    said = run(
        "hub_server.HUB_ONLY += ('traitlets',); hub_server.os.execv = lambda *command: sys.exit(print(*command));"
        "sys.argv = ['hub_server', '--ip=0.0.0.0']; hub_server.load_singleuser()"
    )
    assert (
        f"{Path(sys.executable).with_name('jupyterhub-singleuser')} ['jupyterhub-singleuser', '--ip=0.0.0.0']" in said
    )
    assert "starting with JupyterHub's database layer" in said
