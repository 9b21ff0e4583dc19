"""Hubs of JupyterHub's own test kit with our spawner, and spawners without a hub."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def programs_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterHub looks for its proxy, and that for node, on the PATH."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
