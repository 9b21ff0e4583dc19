"""What the tests of the set-up scripts share. They run the real scripts on the real engine."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts and other users need root")

Run = Callable[..., subprocess.CompletedProcess[str]]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


def is_one_sentence(text: str, topic: str) -> bool:
    """Whether a message is a single line of the form that all scripts use."""
    lines = text.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith(f"==> {topic}: ") and lines[0].endswith(".")


@pytest.fixture
def run() -> Run:
    """Run a command in the checkout, with changes to the environment (None removes a name)."""

    def run_command(*command: str | Path, cwd: Path = ROOT, **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **changes}
        return subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run_command


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of what the scripts need, which every user can read, and which the test may break."""
    folder = Path(tempfile.mkdtemp(prefix="p2m-checkout-"))
    folder.chmod(0o755)
    for name in ("deploy", "singleuser_image", "addon", "hub_config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    mount_point = tmp_path / "tiny"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", mount_point], check=True)
    yield mount_point
    subprocess.run(["umount", "--lazy", mount_point], check=True)
