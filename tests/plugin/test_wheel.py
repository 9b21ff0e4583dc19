"""The wheel in a hub of somebody else: installed by pip, three lines of README, their authenticator."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.hub import ROOT, Hub, Person
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.ports import free_port
from tests.support.wheel import build_wheel

from .engine import docker0

README = (ROOT / "README.md").read_text(encoding="utf-8")
THEIR_HUB = """
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_api_port}"
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.BlenderSpawnerMixin.mcp_timeout = 90
"""
"""What the operator had before: an authenticator; and ports that nobody else uses, and time for a busy machine."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment of its own that has the wheel; what it requires is taken from this one's."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, symlinks=True)
    python = place / "bin/python"
    paths = {"base": str(place), "platbase": str(place)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    # What it names comes after its own packages; the project, installed there in place, is not found that way.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--force-reinstall", str(wheel)], check=True, timeout=120)
    return place / "bin"


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: Path):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    roots = {ROOT / "p2m_spawner": ROOT, ROOT / "singleuser_image/p2m_singleuser/notebook": ROOT / "singleuser_image"}
    assert inside == {
        str(path.relative_to(root))
        for package, root in roots.items()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_what_it_requires_is_what_it_imports(bin_folder: Path):
    """`pip check`: the requirements of the wheel are met, in versions that fit."""
    code = "import p2m_spawner.docker_spawner, p2m_spawner.accounts.authenticator; print(p2m_spawner.__file__)"
    done = subprocess.run(
        [bin_folder / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd="/"
    )
    assert done.stdout.startswith(str(bin_folder.parent)), "the wheel's, not the project's"
    command = [sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "check"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    assert "p2m-spawner" not in told


def three_lines() -> str:
    """The configuration that README promises to be enough, for the image of these tests and this machine's docker0."""
    (block,) = re.findall(r"## In a hub that exists\n+(?:<!--.*-->\n)?```python\n(.*?)```", README, re.DOTALL)
    assert len(block.splitlines()) == 3
    return str(block).replace("p2m/blender-singleuser:latest", IMAGE).replace("172.17.0.1", docker0())


class TheirHub(Hub):
    """A JupyterHub with a configuration file of the operator's own and not a line of ours."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        super().__init__(folder / "state", (str(bin_folder / "python"), "-m", "jupyterhub"))
        self.folder = folder  # where it keeps its database
        more = THEIR_HUB.format(
            port=self.port,
            hub_port=free_port(),
            proxy_api_port=free_port(),
            node=Path(sys.executable).with_name("node"),
            proxy=ROOT / "node_modules/configurable-http-proxy/bin/configurable-http-proxy",
        )
        (folder / "jupyterhub_config.py").write_text("c = get_config()\n" + three_lines() + more)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def down(self) -> None:
        """Ctrl-C: their hub stops the servers, for that is JupyterHub's default; then the volumes go."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        engine = docker.from_env()
        for person in self.people:
            for container in engine.containers.list(all=True, filters={"label": f"p2m.user={person.name}"}):
                container.remove(force=True)
            with contextlib.suppress(docker.errors.NotFound):
                engine.volumes.get(person.volume).remove()


@pytest.fixture
def their_hub(tmp_path: Path, bin_folder: Path, failed) -> Iterator[TheirHub]:
    """Their hub, running."""
    running = TheirHub(tmp_path, bin_folder).start()
    yield running
    if failed():
        print(running.output()[-8000:])
    running.down()


async def test_three_lines_give_a_blender_to_whom_their_authenticator_knows(their_hub: TheirHub):
    person = Person(their_hub, f"user{secrets.token_hex(3)}", "whatever")
    their_hub.people.append(person)
    told = person.log_in().start_and_follow()
    assert any("is ready, MCP with" in message for message in told), told
    assert person.is_ready()
    async with mcp_client(person.mcp_url, person.token) as client:
        assert "42" in text_of(await client.call_tool("execute_blender_code", {"code": "print(6 * 7)"}))
    container = person.container()
    assert container.labels["p2m.user"] == person.name
    assert list(container.attrs["NetworkSettings"]["Networks"]) == ["p2m"]
    assert [mount["Name"] for mount in container.attrs["Mounts"]] == [person.volume]
    for page in ("hub/home", f"hub/spawn-pending/{person.name}"):  # the hub's own pages, no templates of ours
        assert person.session.get(f"{their_hub.url}/{page}", timeout=30).ok
    person.stop_server()
