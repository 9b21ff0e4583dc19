"""Two users at the same time: nothing of one is in reach of the other."""

import socket
import threading

import pytest
import requests

from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of


@pytest.fixture(scope="module")
def two(hub: Hub):
    """Two people whose servers were started at the same time."""
    people = [hub.person(stem).sign_up().log_in() for stem in ("ada", "ben")]
    starts = [threading.Thread(target=person.start_server) for person in people]
    for start in starts:
        start.start()
    for start in starts:
        start.join(120)
    assert all(person.is_ready() for person in people)
    yield people
    for person in people:
        person.stop_server()


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


REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
    print("reached")
except OSError as error:
    print("refused", error)
"""


def reaches(person: Person, host: str, port: int) -> bool:
    """Whether a program in the person's container gets a TCP connection."""
    said = person.container().exec_run(["python3", "-c", REACH, host, str(port)]).output.decode()
    assert said.startswith(("reached", "refused")), said
    return said.startswith("reached")


def address(person: Person) -> str:
    networks = person.container().attrs["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


@pytest.mark.parametrize("port", [8888, 9876])
def test_one_container_does_not_reach_the_other(two: list[Person], port: int):
    ada, ben = two
    assert reaches(ada, "127.0.0.1", port), "the probe itself has to work"
    assert not reaches(ada, address(ben), port)
    assert not reaches(ben, address(ada), port)


@pytest.mark.parametrize("service", ["8888/tcp", "9876/tcp"])
def test_a_container_does_not_reach_what_is_published_on_the_hosts_loopback(two: list[Person], service: str):
    ada, ben = two
    port = int(host_ports(ben)[service][0]["HostPort"])
    socket.create_connection(("127.0.0.1", port), timeout=3).close()  # the host does
    gateway = next(iter(ada.container().attrs["NetworkSettings"]["Networks"].values()))["Gateway"]
    assert not reaches(ada, gateway, port)


def test_the_limits_are_on_the_container(two: list[Person]):
    config = two[0].container().attrs["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["ReadonlyRootfs"] is True
    assert config["PidsLimit"] == 1024
    assert config["Memory"] == config["MemorySwap"] == 4 * 1024**3
    assert config["CpuQuota"] == 2 * config["CpuPeriod"]


def test_the_files_are_plain_users_and_the_root_is_read_only(two: list[Person]):
    container = two[0].container()
    assert container.exec_run("id -u").output.strip() == b"1000"
    assert container.exec_run(["sh", "-c", "echo x > /usr/lib/x"]).exit_code != 0
    assert b"CapEff:\t0000000000000000" in container.exec_run("cat /proc/self/status").output
