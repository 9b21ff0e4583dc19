"""The client outside of the container: by URL and token, and what it says when something is wrong with them."""

import os
import subprocess
from pathlib import Path

import pytest

from p2m_singleuser.notebook import BlenderAway, NotAllowed, Picture, connect, connect_blocking
from tests.support.pictures import colours, open_png
from tests.support.ports import free_port
from tests.support.standalone import Standalone
from tests.support.wheel import build_wheel, install


async def test_blender_is_driven_by_url_and_token(server: Standalone) -> None:
    async with await connect(server.mcp_url, server.token) as blender:
        assert "Cube" in [item.name for item in (await blender.list_objects()).objects]
        picture = await blender.get_viewport_screenshot(max_size=200, view="iso")
        assert isinstance(picture, Picture)
        assert colours(open_png(picture.data)) > 5, "a cube shows three faces, an empty window one colour"
    assert blender.closed


def test_a_script_needs_no_await(server: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2M_MCP_URL", server.mcp_url)
    monkeypatch.setenv("P2M_MCP_TOKEN", server.token)
    with connect_blocking() as blender:
        model = blender.view(objects=["Cube"])
        assert model.data[:4] == b"glTF"
        assert blender.create_object("cube", "Small", dimensions=[0.1, 0.2, 0.3]).dimensions == pytest.approx(
            (0.1, 0.2, 0.3)
        )
        assert blender.delete_objects(["Small"])


async def test_a_wrong_token_is_named(server: Standalone) -> None:
    with pytest.raises(NotAllowed, match=r"^The token was refused: The API token is not this server's"):
        await connect(server.mcp_url, "wrong")


async def test_a_wrong_address_is_named(server: Standalone) -> None:
    with pytest.raises(BlenderAway, match=r"is no MCP endpoint.*Connect an agent"):
        await connect(f"{server.url}p2m/nothing", server.token)


async def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(BlenderAway, match=r"^Nobody answers at http://127.0.0.1.*whether the hub is up"):
        await connect(f"http://127.0.0.1:{free_port()}/mcp", "token")


def test_the_wheel_with_its_extra_is_all_that_a_script_needs(server: Standalone, tmp_path: Path) -> None:
    python = install(build_wheel(tmp_path), "client", tmp_path / "environment")
    script = (
        "from p2m_singleuser import notebook\n"
        "with notebook.connect_blocking() as blender:\n"
        "    print(notebook.__file__, blender.get_scene_info().name, len(blender.view(['Cube'])._repr_mimebundle_()))\n"
    )
    environ = {"PATH": os.environ["PATH"], "P2M_MCP_URL": server.mcp_url, "P2M_MCP_TOKEN": server.token}
    done = subprocess.run(
        [python, "-c", script], capture_output=True, text=True, timeout=120, cwd="/", env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "environment"))
    assert done.stdout.endswith("Scene 2\n")
