"""Two users at the same time: nothing of one is in reach of the other."""

import pytest
import requests

from tests.support.hub import Person
from tests.support.mcp_client import mcp_client, text_of

from .conftest import CPUS, MEMORY_MB


def host_ports(person: Person) -> dict[str, list[dict[str, str]]]:
    return {name: binds for name, binds in person.container().ports.items() if binds}


async def test_an_object_of_one_is_not_in_the_others_scene(two: list[Person]):
    ada, ben = two
    async with mcp_client(ada.mcp_url, ada.token) as a, mcp_client(ben.mcp_url, ben.token) as b:
        code = "import bpy; bpy.ops.mesh.primitive_cube_add(); bpy.context.object.name = 'AdasCube'"
        text_of(await a.call_tool("execute_blender_code", {"code": code}))

        async def names(client) -> set[str]:
            scene = await client.call_tool("get_scene_info", {})
            return {item["name"] for item in scene.structured_content["objects"]}

        assert "AdasCube" in await names(a)
        assert "AdasCube" not in await names(b)


def test_each_has_ports_of_its_own_with_one_offset_on_the_loopback(two: list[Person]):
    seen = set()
    for person in two:
        ports = host_ports(person)
        assert set(ports) == {"8888/tcp", "9876/tcp"}
        ui, mcp = ports["8888/tcp"][0], ports["9876/tcp"][0]
        assert ui["HostIp"] == mcp["HostIp"] == "127.0.0.1"
        assert int(ui["HostPort"]) - 13000 == int(mcp["HostPort"]) - 10000 >= 0
        seen.add(ui["HostPort"])
    assert len(seen) == 2


def test_each_has_a_volume_of_its_own_at_the_home(two: list[Person]):
    for person in two:
        mounts = {mount["Destination"]: mount.get("Name") for mount in person.container().attrs["Mounts"]}
        assert mounts["/home/blender"] == f"p2m-{person.name}"


@pytest.mark.parametrize("path", ["lab", "blender/", "p2m/status", "p2m/mcp", "blender-mcp/mcp", "api/contents"])
def test_neither_opens_the_others_urls(two: list[Person], path: str):
    ada, ben = two
    answer = requests.get(ada.server_url(path), headers={"Authorization": f"Bearer {ben.token}"}, timeout=10)
    assert answer.status_code == 403


def test_the_limits_are_on_the_container(two: list[Person]):
    config = two[0].container().attrs["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["ReadonlyRootfs"] is True
    assert config["PidsLimit"] == 1024
    assert config["Memory"] == config["MemorySwap"] == MEMORY_MB * 1024**2
    assert config["CpuQuota"] == CPUS * config["CpuPeriod"]
    assert config["Privileged"] is False
    assert config["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "2"}
