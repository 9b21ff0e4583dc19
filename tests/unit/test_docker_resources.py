"""What a profile's GPUs and shared files become on a Docker engine, up to the call that creates the container."""

from types import SimpleNamespace

import docker
import pytest
from docker.errors import APIError, NotFound

from p2m_spawner import host_ports
from p2m_spawner.docker_resources import check_volumes, explain_resources
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.errors import SpawnFailure
from p2m_spawner.profiles import Profiles


class Recorder(BlenderDockerSpawner):
    """A spawner that keeps what it would have asked of the engine."""

    created: dict

    async def docker(self, method, *args, **kwargs):
        if method == "create_container":
            self.created = kwargs
            return {"Id": "made"}
        return {"Config": {"Cmd": ["start-p2m"]}}

    @property
    def engine(self):
        async def run(function, *args):
            return None

        async def processors():
            return 2

        return SimpleNamespace(run=run, processors=processors, client=docker.APIClient(version="1.41"))

    def get_env(self):
        return {}


async def created(monkeypatch, traits=None, **profile):
    monkeypatch.setattr(host_ports, "port_is_free", lambda ip, port: True)
    made = Recorder(user=SimpleNamespace(name="ada", id=1, url="/user/ada/"), **(traits or {}))
    made._use(Profiles.from_list([{"name": "x", **profile}]).profiles[0])
    await made.create_object()
    made.clear_state()
    return made.created["image"], made.created["host_config"]


@pytest.mark.parametrize(
    ("gpus", "asked"),
    [
        (2, {"Count": 2, "DeviceIDs": []}),
        ("all", {"Count": -1, "DeviceIDs": []}),
        (["GPU-1f2e", "1"], {"Count": 0, "DeviceIDs": ["GPU-1f2e", "1"]}),
    ],
)
async def test_gpus_are_device_requests(monkeypatch, gpus, asked):
    _, config = await created(monkeypatch, gpus=gpus)
    (request,) = config["DeviceRequests"]
    assert {key: request[key] for key in asked} == asked
    assert request["Capabilities"] == [["gpu"]]


async def test_a_profile_without_gpus_asks_for_none(monkeypatch):
    _, config = await created(monkeypatch)
    assert "DeviceRequests" not in config


async def test_limits_and_image_are_the_profiles_and_isolation_stays(monkeypatch):
    image, config = await created(monkeypatch, memory="1.5G", cpus=1.5, image="p2m/other:1")
    assert image == "p2m/other:1"
    assert config["Memory"] == config["MemorySwap"] == 1536 * 1024**2
    assert config["CpuQuota"] == 150_000
    assert config["CapDrop"] == ["ALL"]
    assert config["ReadonlyRootfs"] is True


@pytest.mark.parametrize(("cpus", "quota"), [(1.9, 190_000), (2, None), (64, None)])
async def test_a_limit_that_limits_nothing_costs_nothing(monkeypatch, cpus, quota):
    _, config = await created(monkeypatch, cpus=cpus)
    assert config.get("CpuQuota") == quota


async def test_an_operators_own_quota_stays(monkeypatch):
    _, config = await created(monkeypatch, {"extra_host_config": {"cpu_quota": 70_000}})
    assert config["CpuQuota"] == 70_000


async def test_shared_files_are_mounted_read_only_beside_home_and_the_operators_own(monkeypatch):
    assets = [
        {"source": "class-assets", "path": "/home/blender/assets"},
        {"source": "/srv/hdri", "path": "/assets/hdri"},
    ]
    mine = {"mounts": [{"source": "/srv/{username}", "target": "/data", "type": "bind"}]}
    _, config = await created(monkeypatch, mine, assets=assets)
    assert config["Binds"] == ["p2m-ada:/home/blender:rw"]
    assert [(mount["Source"], mount["Target"], mount["Type"], mount["ReadOnly"]) for mount in config["Mounts"]] == [
        ("/srv/ada", "/data", "bind", False),
        ("class-assets", "/home/blender/assets", "volume", True),
        ("/srv/hdri", "/assets/hdri", "bind", True),
    ]


async def test_dockerspawners_own_choice_of_images_stays_until_there_are_profiles_to_choose_from():
    user = SimpleNamespace(name="ada", id=1, url="/user/ada/", groups=[], admin=False)
    images = {"allowed_images": ["p2m/a:1", "p2m/b:1"]}
    alone = BlenderDockerSpawner(user=user, **images)
    assert 'name="image"' in await alone.get_options_form()
    await alone.apply_options({"image": "p2m/b:1"})  # DockerSpawner's start() checks it against allowed_images
    for last in ({}, {"profile": ["x"]}, {"profile": {"x": 1}}):  # nobody has checked what was saved
        both = BlenderDockerSpawner(user=user, profiles=[{"name": "x"}, {"name": "y"}], user_options=last, **images)
        assert (await both.get_options_form()).count('name="profile"') == 2
    assert BlenderDockerSpawner(user=user).options_form == ""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('could not select device driver "" with capabilities: [[gpu]]', "gpu_unavailable"),
        ("nvidia-container-cli: device error: 7: unknown device", "gpu_unavailable"),
        ('invalid mount config for type "bind": bind source path does not exist: /srv/x', "assets_missing"),
    ],
)
def test_the_engines_refusals_are_sentences(said, reason):
    failure = explain_resources(APIError(said))
    assert failure and failure.reason == reason
    assert "Choose another profile, or tell the administrator." in str(failure)
    assert said in failure.log_message


@pytest.mark.parametrize("error", [APIError("no space left on device"), OSError("bind source path does not exist")])
def test_other_errors_are_left_to_others(error):
    assert explain_resources(error) is None


def test_a_volume_of_shared_files_that_does_not_exist_is_told():
    class Engine:
        def inspect_volume(self, name):
            if name != "here":
                raise NotFound(name)

    def assets(source):
        return (
            Profiles.from_list([{"name": "x", "assets": [{"source": source, "path": "/assets/x"}]}]).profiles[0].assets
        )

    check_volumes(Engine(), assets("here"))
    check_volumes(Engine(), assets("/srv/x"))
    with pytest.raises(SpawnFailure) as caught:
        check_volumes(Engine(), assets("gone"))
    assert caught.value.log_message == "There is no volume gone for /assets/x."
