"""What s6's finish script records of an exit. No container needed."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "singleuser_image/rootfs/usr/local/lib/p2m/service_exited.py"
SIGNALLED = 256  # s6's exit code of a process that a signal ended


@pytest.fixture
def record() -> Callable[..., bool]:
    """The script's `record`."""
    return runpy.run_path(str(SCRIPT))["record"]  # type: ignore[no-any-return]


def exits(runtime: Path) -> dict[str, Any]:
    return dict(json.loads((runtime / "blender-exits.json").read_text()))


def delay(runtime: Path) -> int:
    return int((runtime / "blender-delay").read_text())


def test_a_crash_is_explained_with_the_last_words(record: Callable[..., bool], tmp_path: Path) -> None:
    (tmp_path / "blender.log").write_text("Read prefs\nError: out of memory\n\n----\n")
    assert not record(tmp_path, "blender", SIGNALLED, 11, 5, now=0.0)
    assert exits(tmp_path) == {"restarts": 1, "failed": False, "reason": "killed by SIGSEGV: Error: out of memory"}


def test_failures_back_off_and_are_given_up_at_the_fifth(record: Callable[..., bool], tmp_path: Path) -> None:
    delays = []
    for n in range(4):
        assert not record(tmp_path, "blender", 1, 0, 5, now=10.0 * n)
        delays.append(delay(tmp_path))
    assert delays == [0, 1, 2, 4]
    assert record(tmp_path, "blender", 1, 0, 5, now=50.0)
    assert exits(tmp_path)["failed"]


def test_failures_of_long_ago_do_not_count(record: Callable[..., bool], tmp_path: Path) -> None:
    for n in range(20):
        assert not record(tmp_path, "blender", 1, 0, 5, now=60.0 * n)


def test_quitting_is_no_failure(record: Callable[..., bool], tmp_path: Path) -> None:
    for n in range(20):
        assert not record(tmp_path, "blender", 0, 0, 5, now=float(n))
    assert exits(tmp_path) == {"restarts": 20, "failed": False, "reason": "quit"}
    assert delay(tmp_path) == 0


def test_a_requested_restart_forgives_what_was_before(record: Callable[..., bool], tmp_path: Path) -> None:
    for n in range(4):
        record(tmp_path, "blender", 1, 0, 5, now=float(n))
    (tmp_path / "blender-restart-requested").touch()
    assert not record(tmp_path, "blender", SIGNALLED, 15, 5, now=5.0)
    assert exits(tmp_path)["reason"] == "restart requested"
    assert delay(tmp_path) == 0
    assert not record(tmp_path, "blender", 1, 0, 5, now=6.0)


def test_a_memory_limit_that_ended_it_is_named(record: Callable[..., bool], tmp_path: Path) -> None:
    assert not record(tmp_path, "blender", SIGNALLED, 9, 5, now=0.0, kills=1)
    assert exits(tmp_path)["reason"] == "killed by SIGKILL: the memory limit of this server was reached"


def test_a_memory_kill_of_long_ago_is_not_blamed_again(record: Callable[..., bool], tmp_path: Path) -> None:
    for kills in (1, 1):
        record(tmp_path, "blender", SIGNALLED, 9, 5, now=0.0, kills=kills)
    assert exits(tmp_path)["reason"] == "killed by SIGKILL"
