"""The project's wheel, and environments of their own that it is installed in."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from .hub import ROOT

PACKAGES = ("p2m_spawner", "hub_config", "singleuser_image/p2m_singleuser/notebook")


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy, so that nothing of an earlier build gets in, and return its path."""
    source, built = folder / "source", folder / "wheel"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(source)]
    subprocess.run(command, check=True, timeout=300)
    return next(built.glob("*.whl"))


def install(wheel: Path, extra: str, folder: Path) -> Path:
    """Install the wheel with an extra in an environment of its own, and return that environment's Python.

    What it requires is there and nothing else: taken from this environment, so that no index is asked.

    Args:
        wheel: From `build_wheel`.
        extra: Name of the extra.
        folder: Where the environment goes.
    """
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for required in _required(f"p2m-spawner[{extra}]"):
        for top in {file.parts[0] for file in required.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (packages / top).symlink_to(str(required.locate_file(top)))
    python = folder / "bin/python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, f"{wheel}[{extra}]"], check=True, timeout=120)
    return python


def _required(wanted: str) -> Iterator[Distribution]:
    """Yield what a requirement requires, and what that requires, without itself."""
    seen: set[tuple[str, str]] = set()
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(wanted), True)]
    while waiting:
        requirement, is_first = waiting.pop()
        try:
            installed = distribution(requirement.name)
        except PackageNotFoundError:  # one that deploy/environment takes away because it costs each start seconds
            continue
        if not is_first:
            found[installed.metadata["Name"]] = installed
        for extra in {"", *requirement.extras}:
            if (requirement.name, extra) in seen:
                continue
            seen.add((requirement.name, extra))
            for line in installed.requires or ():
                below = Requirement(line)
                if below.marker is None or below.marker.evaluate({"extra": extra}):
                    waiting.append((below, False))
    yield from found.values()
