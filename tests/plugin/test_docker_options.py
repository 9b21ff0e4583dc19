"""DockerSpawner's documented options give the same container with ours as with DockerSpawner itself.

Both are asked to create a container with an option; then the engine tells what it understood.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from dockerspawner import DockerSpawner
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from tornado.web import HTTPError
from traitlets.config import Config

from p2m_spawner.docker_pull import PullFailed
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.errors import SpawnFailure
from tests.support.image import IMAGE

Attributes = dict[str, Any]

NAME = "ada löve-1"  # all that names of containers must not have
ESCAPED = "ada-20l-c3-b6ve-2d1"
HOMES = {f"p2m-{ESCAPED}", f"p2m-{NAME.encode().hex()}"}
VOLUMES = "p2m-test-options"
"""How the names of these tests' volumes begin."""


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """A user without a hub that runs."""
    session = orm.new_session_factory("sqlite:///:memory:")()
    account = orm.User(name=NAME)
    session.add(account)
    session.commit()
    yield User(account, {"base_url": "/"})
    session.close()
    for volume in docker.from_env().volumes.list():  # the engine makes them with the containers
        if volume.name.startswith(VOLUMES) or volume.name in HOMES:
            volume.remove()


def make(kind: type[DockerSpawner], user: User, **options: Any) -> DockerSpawner:
    """A spawner of a hub whose configuration has these options of DockerSpawner."""
    config = Config({"DockerSpawner": {"image": IMAGE, **options}})
    made = user._new_spawner("", spawner_class=kind, hub=Hub(), config=config)
    made.api_token = "token"
    return made


async def created(kind: type[DockerSpawner], user: User, **options: Any) -> Attributes:
    """What the engine says of a container that a spawner has created; the container is gone again."""
    spawner = make(kind, user, **options)
    container = docker.from_env().containers.get((await spawner.create_object())[spawner.object_id_key])
    try:
        return dict(container.attrs)
    finally:
        container.remove(v=True)
        spawner.clear_state()


def host(key: str) -> Callable[[Attributes], Any]:
    return lambda of: of["HostConfig"].get(key)


def config(key: str) -> Callable[[Attributes], Any]:
    return lambda of: of["Config"][key]


def variable(name: str) -> Callable[[Attributes], Any]:
    return lambda of: [line for line in of["Config"]["Env"] if line.startswith(f"{name}=")]


def binds(place: str) -> Callable[[Attributes], Any]:
    """The volumes at a place: ours has the home beside them."""
    return lambda of: [bind for bind in of["HostConfig"]["Binds"] or [] if bind.split(":")[1] == place]


def name(of: Attributes) -> Any:
    return of["Name"]


async def extra_of(spawner: DockerSpawner) -> dict[str, Any]:
    return {"shm_size": "256m", "dns": ["192.0.2.1"], "extra_hosts": {spawner.user.name: "192.0.2.2"}}


CASES: list[tuple[dict[str, Any], Callable[[Attributes], Any]]] = [
    ({"name_template": "studio-{username}"}, name),
    ({"name_template": "{username}--{imagename}"}, name),
    ({"prefix": "studio"}, name),
    ({"escape": lambda text: text.encode().hex(), "prefix": "x"}, name),
    ({"image": "debian:trixie-slim"}, config("Image")),
    ({"volumes": {f"{VOLUMES}-data-{{username}}": "/data"}}, binds("/data")),
    (
        {"volumes": {f"{VOLUMES}-data-{{username}}": {"bind": "/data/{username}", "mode": "ro"}}},
        binds(f"/data/{ESCAPED}"),
    ),
    ({"read_only_volumes": {f"{VOLUMES}-assets": "/assets"}}, binds("/assets")),
    ({"volumes": {f"{VOLUMES}-v": "/v"}, "format_volume_name": lambda template, spawner: f"{template}x"}, binds("/vx")),
    ({"mounts": [{"type": "volume", "source": f"{VOLUMES}-m-{{username}}", "target": "/m"}]}, host("Mounts")),
    ({"mounts": [{"type": "tmpfs", "source": "", "target": "/fast", "tmpfs_size": 1 << 20}]}, host("Mounts")),
    ({"notebook_dir": "/work/{username}"}, variable("JUPYTERHUB_ROOT_DIR")),
    ({"default_url": "/tree"}, variable("JUPYTERHUB_DEFAULT_URL")),
    ({"mem_limit": "1G"}, host("Memory")),
    ({"mem_limit": lambda spawner: "1G" if spawner.user.name == NAME else "2G"}, host("Memory")),
    ({"mem_limit": "1G"}, variable("MEM_LIMIT")),
    ({"cpu_limit": 1.5}, host("CpuQuota")),
    ({"cpu_limit": lambda spawner: 0.5}, host("CpuQuota")),
    ({"cpu_limit": 1.5, "extra_host_config": {"cpu_period": 50_000}}, host("CpuQuota")),
    ({"extra_host_config": {"mem_limit": "8g"}}, host("Memory")),
    ({"extra_host_config": {"memswap_limit": "9g", "mem_limit": "8g"}}, host("MemorySwap")),
    ({"extra_host_config": {"shm_size": "256m"}}, host("ShmSize")),
    ({"extra_host_config": {"cap_add": ["SYS_NICE"]}}, host("CapAdd")),
    ({"extra_host_config": {"network_mode": "none"}}, host("NetworkMode")),
    ({"extra_host_config": {"restart_policy": {"Name": "on-failure"}}}, host("RestartPolicy")),
    ({"extra_host_config": {"init": True}}, host("Init")),
    ({"extra_host_config": {"group_add": ["video-{username}"]}}, host("GroupAdd")),
    ({"extra_host_config": {"log_config": {"Type": "local", "Config": {"compress": "false"}}}}, host("LogConfig")),
    ({"extra_host_config": extra_of}, host("ShmSize")),
    ({"extra_host_config": extra_of}, host("ExtraHosts")),
    ({"extra_create_kwargs": {"user": "1234"}}, config("User")),
    ({"extra_create_kwargs": {"hostname": "studio"}}, config("Hostname")),
    ({"extra_create_kwargs": {"labels": {"room": "{username}"}}}, lambda of: of["Config"]["Labels"].get("room")),
    ({"extra_create_kwargs": lambda spawner: {"domainname": "example.org"}}, config("Domainname")),
    ({"environment": {"STUDIO": "north", "WHO": lambda spawner: spawner.user.name}}, variable("STUDIO")),
    ({"environment": {"STUDIO": "north", "WHO": lambda spawner: spawner.user.name}}, variable("WHO")),
    ({"env_keep": ["P2M_TEST_KEPT"]}, variable("P2M_TEST_KEPT")),
    ({"cmd": ["jupyterhub-singleuser", "--debug"]}, config("Cmd")),
    ({"args": ["--debug"]}, config("Cmd")),
    ({"debug": True}, variable("JUPYTERHUB_DEBUG")),
    ({"host_ip": "127.0.0.2"}, lambda of: of["HostConfig"]["PortBindings"]["8888/tcp"][0]["HostIp"]),
    ({"container_ip": "127.0.0.2"}, lambda of: of["HostConfig"]["PortBindings"]["8888/tcp"][0]["HostIp"]),
    ({"port": 9999}, lambda of: list(of["HostConfig"]["PortBindings"])),
    ({"port": 9999}, lambda of: "9999/tcp" in of["Config"]["ExposedPorts"]),
    ({"port": 9999}, variable("JUPYTERHUB_SERVICE_URL")),
    ({"use_internal_ip": True}, host("PortBindings")),
    ({"network_name": "none", "use_internal_ip": True}, host("NetworkMode")),
    ({"hub_connect_url": "http://hub.example:8081"}, variable("JUPYTERHUB_API_URL")),
]


def title(case: tuple[dict[str, Any], Callable[[Attributes], Any]]) -> str:
    return " ".join(case[0])


@pytest.fixture(scope="module")
def plain(user: User) -> Attributes:
    """A container of DockerSpawner with no option."""
    return asyncio.run(created(DockerSpawner, user))


@pytest.fixture(autouse=True)
def kept_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the hub that containers may get."""
    monkeypatch.setenv("P2M_TEST_KEPT", "kept")


@pytest.mark.parametrize(("options", "look"), CASES, ids=[title(case) for case in CASES])
async def test_an_option_means_what_dockerspawner_means_by_it(user: User, plain: Attributes, options, look):
    theirs = look(await created(DockerSpawner, user, **options))
    assert theirs != look(plain), "the option has to show"
    assert look(await created(BlenderDockerSpawner, user, **options)) == theirs


async def test_no_raw_socket_is_published_where_other_containers_would_reach_it(user: User):
    made = make(BlenderDockerSpawner, user, publish_mcp=True, network_name="bridge")
    with pytest.raises(SpawnFailure) as caught:
        await made.create_object()
    assert "enable_icc=false" in caught.value.log_message


async def test_links_name_other_containers(user: User):
    other = docker.from_env().containers.run(IMAGE, ["sleep", "60"], detach=True)
    try:
        made = await created(BlenderDockerSpawner, user, links={other.name: "database"}, network_name="bridge")
        assert made["HostConfig"]["Links"] == [f"/{other.name}:{made['Name']}/database"]
    finally:
        other.remove(force=True)


async def test_images_are_chosen_among_the_allowed_ones_by_their_names(user: User):
    made = make(BlenderDockerSpawner, user, allowed_images={"stable": IMAGE, "plain": "debian:trixie-slim"})
    assert await made.check_allowed("plain") == "debian:trixie-slim"
    assert "stable" in await made.get_options_form()
    for refused in ("debian:trixie-slim", "mallory/miner"):
        with pytest.raises(HTTPError, match="not in allowed list"):
            await made.check_allowed(refused)
    with pytest.raises(HTTPError, match="not allowed"):
        await make(BlenderDockerSpawner, user).check_allowed(IMAGE)


@pytest.mark.parametrize(
    ("policy", "error", "ours"),
    [("never", NotFound, NotFound), ("ifnotpresent", docker.errors.APIError, PullFailed)],
)
async def test_pull_policies_are_kept(user: User, policy: str, error: type[Exception], ours: type[Exception]):
    missing = "p2m.invalid/no-such-image:1"
    with pytest.raises(error):
        await make(DockerSpawner, user, pull_policy=policy).pull_image(missing)
    with pytest.raises(SpawnFailure, match="not on this machine") as caught:
        await make(BlenderDockerSpawner, user, pull_policy=policy).pull_image(missing)
    assert isinstance(caught.value.__cause__, ours)
    await make(BlenderDockerSpawner, user, pull_policy="skip").pull_image(missing)
    await make(BlenderDockerSpawner, user, pull_policy="never").pull_image(IMAGE)


@pytest.mark.parametrize("kind", [DockerSpawner, BlenderDockerSpawner])
async def test_a_kept_container_is_stopped_and_not_removed(user: User, kind: type[DockerSpawner]):
    made = make(kind, user, remove=False, name_template="p2m-test-kept-{username}")
    made.object_id = (await made.create_object())["Id"]
    await made.stop()
    container = docker.from_env().containers.get(f"p2m-test-kept-{ESCAPED}")
    try:
        # Without a port of its own: the engine chooses one at each start, so that nobody gets one that is kept.
        assert container.attrs["HostConfig"]["PortBindings"]["8888/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": ""}]
    finally:
        container.remove()
