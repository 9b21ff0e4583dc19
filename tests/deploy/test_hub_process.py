"""deploy/hub: what keeps the hub from starting is one sentence and leaves nothing; `down` keeps volumes."""

import os
import re
import signal
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port

from .conftest import ROOT, Run, is_one_sentence, needs_root, wait_until


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """State and ports of a hub of our own."""
    names = ("P2M_PORT", "P2M_HUB_PORT", "P2M_PROXY_API_PORT", "P2M_GATEWAY_PORT")
    return {"P2M_STATE": str(tmp_path / "state"), **{name: str(free_port()) for name in names}}


@pytest.mark.parametrize("name", ["P2M_PORT", "P2M_HUB_PORT", "P2M_PROXY_API_PORT", "P2M_GATEWAY_PORT"])
def test_taken_port_is_named_with_the_setting_that_changes_it(run: Run, settings: dict[str, str], name: str) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104
        other.listen()
        settings[name] = str(other.getsockname()[1])
        result = run("deploy/hub", "up", **settings)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "hub")
    assert f"port {settings[name]} " in result.stderr
    assert f"{name}=" in result.stderr
    assert not Path(settings["P2M_STATE"]).exists()


def test_unusable_setting_is_named(run: Run, settings: dict[str, str]) -> None:
    result = run("deploy/hub", "up", **{**settings, "P2M_PORT": "many"})
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "hub")
    assert "P2M_PORT" in result.stderr


def test_profiles_that_cannot_be_used_are_named_before_anything_starts(
    run: Run, settings: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "profiles.yaml"
    file.write_text("profiles:\n- name: gpu\n  memory: 16 apples\n")
    result = run("deploy/hub", "check", **settings, P2M_PROFILES=str(file))
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "hub")
    assert f"P2M_PROFILES: {file}: profile 'gpu': memory is '16 apples'; it must be a number" in result.stderr
    assert not Path(settings["P2M_STATE"]).exists()


@needs_root
def test_full_disk_of_the_state_is_a_sentence(run: Run, settings: dict[str, str], tiny_disk: Path) -> None:
    settings["P2M_STATE"] = str(tiny_disk / "state")
    result = run("deploy/hub", "up", **settings)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "hub")
    assert "MB free and the hub needs 200 MB" in result.stderr
    assert list(tiny_disk.iterdir()) == []


def test_state_that_is_a_file_is_a_sentence(run: Run, settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    result = run("deploy/hub", "up", **settings)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "hub")


@contextmanager
def hub_that_runs(settings: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`deploy/hub up` in a process group of its own, as a terminal would have it, once its banner is out."""
    with output.open("wb") as stream:
        hub = subprocess.Popen(
            [ROOT / "deploy/hub", "up"],
            env={**os.environ, **settings},
            stdout=stream,
            stderr=stream,
            process_group=0,
        )

    def is_ready() -> bool:
        assert hub.poll() is None, output.read_text()
        return "Ctrl-C stops the hub" in output.read_text()

    try:
        wait_until(is_ready, "the banner of the hub", 60)
        yield hub
    finally:
        if hub.poll() is None:
            hub.terminate()
            hub.wait(timeout=30)


def test_hub_says_where_it_is_and_ctrl_c_stops_it_cleanly(run: Run, settings: dict[str, str], tmp_path: Path) -> None:
    state = Path(settings["P2M_STATE"])
    output = tmp_path / "output"
    address = f"http://127.0.0.1:{settings['P2M_PORT']}"
    with hub_that_runs(settings, output) as hub:
        banner = output.read_text()
        assert re.search(rf"Address +{address}\n", banner)
        assert re.search(r"Administrator +admin\n", banner)
        assert re.search(rf"Password +in {state}/admin-password\n", banner)
        with urllib.request.urlopen(f"{address}/hub/health", timeout=5) as answer:  # noqa: S310
            assert answer.status == 200

        second = run("deploy/hub", "up", **settings)
        assert second.returncode == 1
        assert is_one_sentence(second.stderr, "hub")
        assert "runs already" in second.stderr

        os.killpg(hub.pid, signal.SIGINT)
        assert hub.wait(timeout=30) == 0
    assert (state / "admin-password").read_text().strip() not in output.read_text()
    assert "Traceback" not in output.read_text() + (state / "logs/hub.log").read_text()
    assert not list(state.glob("*.pid"))
    assert run("deploy/hub", "check", **settings).returncode == 0, "its ports are free again"


def children(pid: int) -> list[Path]:
    """What a process has started, in /proc."""
    return [Path("/proc") / child for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_orphans_of_a_killed_hub_do_not_keep_the_next_one_from_starting(
    run: Run, settings: dict[str, str], tmp_path: Path
) -> None:
    state = Path(settings["P2M_STATE"])
    with hub_that_runs(settings, tmp_path / "output") as foreground:
        hub, *orphans = (int((state / name).read_text()) for name in ("hub.pid", "proxy.pid", "gateway.pid"))
        (culler,) = (
            child for child in children(hub) if b"jupyterhub_idle_culler" in child.joinpath("cmdline").read_bytes()
        )
        os.kill(foreground.pid, signal.SIGKILL)
        foreground.wait()
        os.kill(hub, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{hub}/exe").exists(), "the end of the hub")
        wait_until(lambda: not culler.joinpath("exe").exists(), "the end of its culler")
    assert all(Path(f"/proc/{pid}/exe").exists() for pid in orphans), "proxy and gateway outlive their hub"
    assert run("deploy/hub", "check", **settings).returncode == 0
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in orphans)


def test_down_stops_a_hub_that_runs_elsewhere(run: Run, settings: dict[str, str], tmp_path: Path) -> None:
    with hub_that_runs(settings, tmp_path / "output") as hub:
        result = run("deploy/hub", "down", **settings)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("==> hub: stopped\n")
        assert hub.wait(timeout=10) == 0


@pytest.fixture
def user_container(run: Run, settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Names of a running container as the spawner labels it, and of its volume."""
    name = f"p2m-deploy-test-{uuid.uuid4().hex[:8]}"
    volume_and_label = ("--volume", f"{name}:/home", "--label", f"p2m.hub={Path(settings['P2M_STATE']).resolve()}")
    try:
        started = run(
            *("docker", "run", "--detach", "--init", "--network", "none", "--name", name),
            *(*volume_and_label, "debian:trixie-slim", "sleep", "600"),
        )
        assert started.returncode == 0, started.stderr
        yield name, name
    finally:
        run("docker", "rm", "--force", name)
        run("docker", "volume", "rm", "--force", name)


def test_down_removes_the_containers_of_its_hub_and_keeps_volumes(
    run: Run, settings: dict[str, str], user_container: tuple[str, str]
) -> None:
    container, volume = user_container
    other = run("deploy/hub", "down", **{**settings, "P2M_STATE": settings["P2M_STATE"] + "-other"})
    assert other.returncode == 0
    assert container in run("docker", "ps", "--format", "{{.Names}}").stdout

    result = run("deploy/hub", "down", **settings)

    assert result.returncode == 0, result.stderr
    assert "stopping 1 of its users' containers" in result.stdout
    assert container not in run("docker", "ps", "--all", "--format", "{{.Names}}").stdout
    assert volume in run("docker", "volume", "ls", "--format", "{{.Name}}").stdout
    assert run("deploy/hub", "down", **settings).returncode == 0
