"""deploy/engine: never touches an engine that answers, and says in one sentence why there is none."""

import pwd
import shlex
from pathlib import Path

import pytest

from .conftest import Run, is_one_sentence, needs_root

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/", "USER=nobody")


def hidden_engine(*command: str | Path, also: str = "true") -> tuple[str, ...]:
    """The command in a mount namespace where the machine's engine cannot be seen."""
    script = f"mount -t tmpfs tmpfs /run && {also} && exec {shlex.join(map(str, command))}"
    return ("unshare", "--mount", "sh", "-c", script)


def test_engine_that_answers_is_left_alone(run: Run) -> None:
    before = run("docker", "info", "--format", "{{.ID}} {{.DockerRootDir}}").stdout
    result = run("deploy/engine")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith("answers")
    assert len(result.stdout.splitlines()) == 1
    assert run("docker", "info", "--format", "{{.ID}} {{.DockerRootDir}}").stdout == before


def test_docker_host_that_does_not_answer_is_named(run: Run, tmp_path: Path) -> None:
    result = run("deploy/engine", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "engine")
    assert f"{tmp_path}/none.sock" in result.stderr
    assert "unset DOCKER_HOST" in result.stderr


@needs_root
def test_no_engine_and_not_root_says_who_can_install_it(run: Run, checkout: Path) -> None:
    result = run(*hidden_engine(*NOBODY, checkout / "deploy/engine"), cwd=checkout, DOCKER_HOST=None)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "engine")
    assert "sudo deploy/engine" in result.stderr
    assert not (checkout / ".p2m").exists()


@needs_root
@pytest.mark.skipif(not Path("/run/docker.sock").exists(), reason="the engine listens elsewhere")
def test_engine_that_a_user_may_not_use_says_how_to_get_the_right(run: Run, checkout: Path) -> None:
    result = run(*NOBODY, checkout / "deploy/engine", cwd=checkout, DOCKER_HOST=None)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "engine")
    assert f"usermod -aG docker {pwd.getpwnam('nobody').pw_name}" in result.stderr


@needs_root
@pytest.mark.parametrize(
    "left_behind", ["true", "echo 1 > /run/docker.pid"], ids=["nothing", "pid file of a killed daemon"]
)
def test_engine_that_does_not_start_gives_its_reason(run: Run, checkout: Path, left_behind: str) -> None:
    broken = f"{left_behind} &&"
    broken += " mount -t tmpfs tmpfs /var/log && mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker"
    broken += " && echo '{\"no-such-setting\": 1}' > /etc/docker/daemon.json"
    result = run(*hidden_engine(checkout / "deploy/engine", also=broken), cwd=checkout, DOCKER_HOST=None)
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "engine")
    assert "no-such-setting" in result.stderr
