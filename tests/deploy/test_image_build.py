"""singleuser_image/build: a build that fails changes nothing, and says why."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.image import IMAGE

from .conftest import Run, is_one_sentence, needs_root, wait_until

BASE = "debian:trixie-slim"


@pytest.fixture
def small_engine(tmp_path: Path, tiny_disk: Path) -> Iterator[str]:
    """Address of a Docker engine of its own, whose disk is far too small.

    It has a network namespace of its own: `--bridge none` removes docker0, which is the other engine's.
    """
    folder = Path(tempfile.mkdtemp(prefix="p2m-"))  # tmp_path would be too long for the name of a socket
    address = f"unix://{folder}/docker.sock"
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [
                *(
                    "unshare",
                    "--net",
                    "dockerd",
                    "--host",
                    address,
                    "--data-root",
                    tiny_disk / "data",
                    "--exec-root",
                    folder / "exec",
                ),
                *("--pidfile", folder / "docker.pid", "--bridge", "none", "--iptables=false"),
            ],
            stdout=output,
            stderr=output,
        )

    def answers() -> bool:
        assert daemon.poll() is None, log.read_text()
        done = subprocess.run(["docker", "--host", address, "version"], capture_output=True, check=False)
        return done.returncode == 0

    try:
        wait_until(answers, "an answer of the second engine")
        yield address
    finally:
        daemon.terminate()
        daemon.wait(timeout=20)
        shutil.rmtree(folder)


def image_id(run: Run, name: str) -> str:
    return run("docker", "image", "inspect", "--format", "{{.Id}}", name).stdout.strip()


def temporary_contexts(folder: Path) -> list[Path]:
    return list(folder.glob("p2m-image.*"))


def test_broken_step_leaves_the_former_image_and_nothing_else(run: Run, checkout: Path, tmp_path: Path) -> None:
    assert image_id(run, BASE), "the base image is there once the image was built"
    former = image_id(run, IMAGE)
    tags = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false").stdout
    (checkout / "singleuser_image/Dockerfile").write_text(f"FROM {BASE}\nRUN echo no such thing: p2m-test; exit 7\n")

    result = run(checkout / "singleuser_image/build", cwd=checkout, TMPDIR=str(tmp_path), P2M_STATE=None)

    assert result.returncode == 1
    sentence, *lines = result.stderr.splitlines()
    assert is_one_sentence(sentence, "image")
    assert "the build failed" in sentence
    assert any("no such thing: p2m-test" in line for line in lines)
    assert f"The whole log: {checkout}/.p2m/logs/image-build.log" in lines[-1]
    assert "Step 2/3" in result.stdout, "steps are shown as they go"
    assert image_id(run, IMAGE) == former
    now = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false").stdout
    assert set(now.split()) <= set(tags.split())
    assert "p2m-test" not in run("docker", "ps", "--all", "--no-trunc", "--format", "{{.Command}}").stdout
    assert temporary_contexts(tmp_path) == []


def test_interrupted_build_leaves_nothing(run: Run, checkout: Path, tmp_path: Path) -> None:
    former = image_id(run, IMAGE)
    (checkout / "singleuser_image/Dockerfile").write_text(f"FROM {BASE}\nRUN sleep 321.5\n")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("P2M_STATE", None)
    build = subprocess.Popen(
        [checkout / "singleuser_image/build"],
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )

    def step_runs() -> bool:
        return "sleep 321.5" in run("docker", "ps", "--all", "--no-trunc", "--format", "{{.Command}}").stdout

    wait_until(step_runs, "the step")
    os.killpg(build.pid, signal.SIGINT)
    assert build.wait(timeout=20) == 130
    wait_until(lambda: not step_runs(), "the end of the step's container")
    assert image_id(run, IMAGE) == former
    assert temporary_contexts(tmp_path) == []


@needs_root
def test_full_disk_is_noticed_before_the_build(run: Run, small_engine: str, checkout: Path, tmp_path: Path) -> None:
    result = run(checkout / "singleuser_image/build", cwd=checkout, DOCKER_HOST=small_engine, TMPDIR=str(tmp_path))
    assert result.returncode == 1
    assert is_one_sentence(result.stderr, "image")
    assert "MB free and the build needs" in result.stderr
    assert run("docker", "--host", small_engine, "image", "ls", "--quiet", "--all").stdout == ""
    assert temporary_contexts(tmp_path) == []


def test_image_that_is_up_to_date_is_not_built(run: Run, tmp_path: Path) -> None:
    result = run("singleuser_image/build", TMPDIR=str(tmp_path))
    assert result.returncode == 0, result.stderr
    again = run("singleuser_image/build", TMPDIR=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == f"==> image: {IMAGE} is up to date"
