"""The command line of MCP's official inspector, as people use it to try a server."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import ROOT
from tests.support.standalone import Standalone

INSPECTOR = ROOT / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
NO_TOKEN, TOOL_ERROR = 3, 5
"""Its exit codes."""

generations = pytest.mark.parametrize("generation", ["legacy", "modern"])


class Inspector:
    """The inspector, for one endpoint and one generation of the protocol."""

    def __init__(self, endpoint: Standalone, generation: str, home: Path) -> None:
        self._endpoint = endpoint
        self._options = ("--transport", "http", "--protocol-era", generation)
        self._home = home

    def run(self, *options: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        header = ("--header", f"Authorization: Bearer {self._endpoint.token if token is None else token}")
        return subprocess.run(
            ["node", INSPECTOR, "--cli", self._endpoint.mcp_url, *self._options, *header, *options],
            env={"HOME": str(self._home), "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin"},
            check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def answer(self, *options: str) -> dict[str, Any]:
        done = self.run(*options)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture
def inspector(endpoint: Standalone, generation: str, tmp_path: Path) -> Inspector:
    return Inspector(endpoint, generation, tmp_path)


@generations
def test_it_lists_the_tools_and_finds_no_fault_with_their_schemas(inspector: Inspector):
    listed = inspector.answer("--method", "tools/list", "--strict")["tools"]
    assert {"get_scene_info", "execute_blender_code"} <= {tool["name"] for tool in listed}
    assert all(tool["description"] and tool["inputSchema"] for tool in listed)


@generations
def test_it_calls_tools(inspector: Inspector):
    code = "code=bpy.ops.mesh.primitive_cube_add(); bpy.context.object.name = 'Inspected'"
    inspector.answer("--method", "tools/call", "--tool-name", "execute_blender_code", "--tool-arg", code)
    found = inspector.answer("--method", "tools/call", "--tool-name", "get_object_info", "--tool-arg", "name=Inspected")
    assert found["structuredContent"]["mesh"]["polygons"] == 6


@generations
def test_a_tools_error_is_its_sentence(inspector: Inspector):
    done = inspector.run("--method", "tools/call", "--tool-name", "get_object_info", "--tool-arg", "name=Nothing")
    assert done.returncode == TOOL_ERROR
    assert "Object not found: Nothing" in done.stdout


@generations
def test_a_wrong_token_is_told_as_such(inspector: Inspector):
    assert inspector.run("--method", "tools/list", token="wrong").returncode == NO_TOKEN
