"""The one place where hub, image and add-on meet: names in URLs and in the environment, the same on all sides."""

import inspect
import re
import threading
from pathlib import Path

import pytest

from p2m_blender.access import _NEEDS as NEEDS
from p2m_blender.mainthread import MainThread
from p2m_blender.registry import CommandTable
from p2m_blender.server import BlenderServer
from p2m_blender.server import Settings as ServerSettings
from p2m_singleuser.link import BlenderError, BlenderLink
from p2m_singleuser.mcp_server.app import TOPICS
from p2m_spawner import urls
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()


def source(*folders: str) -> str:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*")) if file.is_file()]
    return "\n".join(file.read_text(errors="ignore") for file in files if "__pycache__" not in file.parts)


IN_THE_CONTAINER = ("addon/p2m_blender", "singleuser_image/rootfs", "singleuser_image/p2m_singleuser")


def test_every_variable_that_the_container_reads_is_documented():
    used = set(re.findall(r"\bP2M_[A-Z_]+\b", source(*IN_THE_CONTAINER)))
    assert used
    assert used == set(re.findall(r"^\| `(P2M_[A-Z_]+)`", ARCHITECTURE, re.M))


def test_every_variable_that_the_spawner_sets_is_read_in_the_container():
    spawners = "\n".join(file.read_text() for file in (ROOT / "p2m_spawner").glob("*.py"))  # the gateway is no spawner
    given = set(re.findall(r"\bP2M_[A-Z_]+\b", spawners))
    assert {"P2M_BLENDER_TCP_HOST", "P2M_BLENDER_MODE", "P2M_MCP_MODE"} <= given
    of_the_hub = {"P2M_DATABASE"}  # which a sentence names
    assert given - of_the_hub <= set(re.findall(r"\bP2M_[A-Z_]+\b", source(*IN_THE_CONTAINER)))


@pytest.mark.parametrize("path", [urls.DESKTOP, urls.MCP, urls.STATUS])
def test_every_url_of_the_hub_is_a_route_in_the_container(path):
    assert path.rstrip("/") in source("singleuser_image/p2m_singleuser")


def test_the_list_of_tools_leaves_out_what_blender_would_refuse():
    """Tools that ask Blender for a command need the mode that the command's kind needs."""
    handlers = source("addon/p2m_blender/handlers")
    kinds = {
        name: options[1] if (options := re.search(r'kind="(\w+)"', rest)) else "read"
        for name, rest in re.findall(r'^@command\("(\w+)"(.*)\)$', handlers, re.M)
    }
    compared = {}
    for topic in TOPICS:
        functions = re.split(r"^@tools\.tool", inspect.getsource(topic), flags=re.M)[1:]
        for function in functions:
            name = re.search(r"^async def (\w+)", function, re.M)[1]
            asked = {kinds[command] for command in re.findall(r'\bask\(\s*ctx,\s*"(\w+)"', function)}
            if asked:
                compared[name] = {NEEDS[kind] for kind in asked}
            if "need_leave_to_change" in function:
                compared[name] = {"no-code"}
    assert len(compared) > 30
    needs = {name: {mode} for topic in TOPICS for name, mode in topic.tools.needs.items()}
    assert compared == {name: needs[name] for name in compared}


@pytest.mark.parametrize("name", ["blender.sock", "mcp.sock", "vnc.sock", "blender-exits.json"])
def test_every_name_of_the_runtime_folder_is_documented_and_used(name):
    assert name in ARCHITECTURE
    assert source(*IN_THE_CONTAINER).count(name) >= 2, "one side writes it, another reads it"


async def test_the_containers_link_and_the_addons_server_understand_each_other(tmp_path):
    """Both ends of the unix socket, each the real one; only Blender's main thread is a thread of this test."""
    table = CommandTable()

    @table.command("repeat")
    def repeat(text: str) -> dict[str, str]:
        return {"text": text}

    main = MainThread()
    over = threading.Event()

    def pump() -> None:
        while not over.is_set():
            main.run_pending()

    pumping = threading.Thread(target=pump)
    pumping.start()
    environ = {"P2M_RUNTIME_DIR": str(tmp_path), "P2M_BLENDER_TCP_PORT": "0"}
    server = BlenderServer(table, main, ServerSettings.from_environment(environ))
    server.start()
    link = BlenderLink(tmp_path / "blender.sock")
    try:
        wait_for((tmp_path / "blender.sock").exists, 10, "socket of the add-on")
        assert await link.call("repeat", text="Würfel 立方") == {"text": "Würfel 立方"}
        with pytest.raises(BlenderError, match="Unknown command type: dance"):
            await link.call("dance")
    finally:
        server.stop()
        over.set()
        pumping.join(10)
