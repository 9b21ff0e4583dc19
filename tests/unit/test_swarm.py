"""What the spawner makes of a cluster's answers, and what it asks for."""

from types import SimpleNamespace

import pytest
from docker.errors import APIError
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from p2m_spawner.errors import SpawnFailure
from p2m_spawner.ports import PortPair
from p2m_spawner.swarm.away import home_is_away, how_it_went_away
from p2m_spawner.swarm.nodes import Node, Room, choose, meets, node_of, servers_on, used_rooms
from p2m_spawner.swarm.service import Extra, Wish, published_ports, service_arguments
from p2m_spawner.swarm.spawner import BlenderSwarmSpawner
from p2m_spawner.swarm.tasks import failure_of, latest, port_was_taken, sentence, task_of

GB = 2**30
WANTED = Room(500_000_000, GB)


def node(name, **fields):
    return Node(**{"id": f"id-{name}", "hostname": name, "room": Room(4 * 10**9, 8 * GB), **fields})


def task(on="", state="running", wanted="running", memory=GB, created="2026-11-25T12:00:00Z", **status):
    return {
        "ID": f"{on}-{created}",
        "CreatedAt": created,
        "NodeID": f"id-{on}" if on else "",
        "DesiredState": wanted,
        "Status": {"State": state, **status},
        "Spec": {"Resources": {"Reservations": {"NanoCPUs": 500_000_000, "MemoryBytes": memory}}},
    }


# Nodes


def test_a_node_as_docker_lists_it():
    found = node_of(
        {
            "ID": "x",
            "UpdatedAt": "2026-11-25T14:03:09.5Z",
            "Spec": {"Role": "manager", "Availability": "drain", "Labels": {"p2m.back": "16:30"}},
            "Description": {
                "Hostname": "studio-1",
                "Platform": {"OS": "linux", "Architecture": "x86_64"},
                "Engine": {"Labels": {"disk": "ssd"}},
                "Resources": {
                    "NanoCPUs": 2 * 10**9,
                    "MemoryBytes": GB,
                    "GenericResources": [
                        {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-1"}},
                        {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-2"}},
                        {"DiscreteResourceSpec": {"Kind": "licence", "Value": 3}},
                    ],
                },
            },
            "Status": {"State": "down", "Addr": "0.0.0.0"},  # noqa: S104
            "ManagerStatus": {"Addr": "10.0.0.1:2377"},
        }
    )
    assert (found.address, found.ready, found.active, found.role) == ("10.0.0.1", False, False, "manager")
    assert found.room == Room(2 * 10**9, GB, {"NVIDIA-GPU": 2, "licence": 3})
    assert (found.since, found.expected_back) == ("14:03 UTC", "16:30")


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("node.hostname == a", True),
        ("node.hostname==A", True),
        ("node.hostname != a", False),
        ("node.id == id-a", True),
        ("node.role == manager", False),
        ("node.labels.room == b12", True),
        ("node.labels.other != x", True),
        ("engine.labels.disk == ssd", True),
        ("node.platform.os == linux", True),
        ("node.ip == 10.0.0.0/24", True),
        ("node.ip != 10.0.0.7", False),
    ],
)
def test_constraints_mean_what_they_mean_to_swarm(constraint, holds):
    this = node("a", labels={"room": "b12"}, engine_labels={"disk": "ssd"}, os="linux", address="10.0.0.7")
    assert meets(this, constraint) is holds


@pytest.mark.parametrize("constraint", ["", "gpu", "node.labels.gpu = yes", "node.colour == red", "node.ip == nowhere"])
def test_what_is_no_constraint_is_refused(constraint):
    with pytest.raises(SpawnFailure, match="settings of this hub") as refused:
        meets(node("a", address="10.0.0.7"), constraint)
    assert repr(constraint) in refused.value.log_message


def test_servers_are_spread_and_ended_ones_do_not_count():
    tasks = [task("a"), task("b", "failed"), task("b", "complete"), task("c"), task("c")]
    assert choose([node("a"), node("b"), node("c")], tasks, WANTED, [], "spread").hostname == "b"
    assert servers_on(tasks) == {"id-a": 1, "id-c": 2}


def test_machines_are_filled_one_after_the_other():
    three = [node("a"), node("b"), node("c")]
    assert choose(three, [task("b")], WANTED, [], "binpack").hostname == "b"
    assert choose(three, [task("b", memory=8 * GB), task("c")], WANTED, [], "binpack").hostname == "c"


def test_the_rack_with_the_fewest_servers_comes_first():
    racks = [node("a", labels={"rack": "1"}), node("b", labels={"rack": "1"}), node("c", labels={"rack": "2"})]
    tasks = [task("a"), task("a"), task("c")]
    assert choose(racks, tasks, WANTED, [], "spread").hostname == "b"
    assert choose(racks, tasks, WANTED, [], "spread", ["node.labels.rack"]).hostname == "c"


def test_a_full_cluster_says_so_and_the_operator_reads_why():
    nodes = [node("a", ready=False), node("b", active=False), node("c")]
    with pytest.raises(SpawnFailure, match="All places of the cluster are taken") as full:
        choose(nodes, [task("c", memory=8 * GB)], WANTED, [], "spread")
    assert full.value.reason == "cluster_full"
    assert full.value.log_message == ("a does not answer; b takes no new servers; c has 3.5 of 0.5 cores and 0 of 1 GB")


def test_gpus_that_are_taken_are_told_as_such():
    wanted = Room(0, 0, {"NVIDIA-GPU": 1})
    with pytest.raises(SpawnFailure, match="All GPUs of the cluster are taken"):
        choose([node("a")], [], wanted, [], "spread")
    with_gpu = node("b", room=Room(10**9, GB, {"NVIDIA-GPU": 1}))
    assert choose([node("a"), with_gpu], [], wanted, [], "spread") is with_gpu


def test_a_machine_that_is_not_in_the_cluster():
    with pytest.raises(SpawnFailure, match="No machine of the cluster is meant for your server"):
        choose([node("a")], [], WANTED, ["node.hostname == z"], "spread")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=20),
    st.integers(1, 4),
    st.sampled_from(["spread", "binpack"]),
)
def test_no_machine_is_given_more_than_it_has(running, memory, strategy):
    nodes = [node(name) for name in "abc"]
    tasks = [task(name, memory=size * GB) for name, size in running]
    wanted = Room(0, memory * GB)
    used = used_rooms(tasks)
    try:
        chosen = choose(nodes, tasks, wanted, [], strategy)
    except SpawnFailure:
        assert not any(each.room.holds(used.get(each.id, Room()), wanted) for each in nodes)
    else:
        assert chosen.room.holds(used.get(chosen.id, Room()), wanted)


# Tasks


def test_the_newest_try_counts_whatever_the_machines_clocks_say():
    old = task("a", "failed", "shutdown", created="2026-11-25T12:00:00Z", Timestamp="2031-01-01T00:00:00Z")
    new = task("b", "running", created="2026-11-25T12:05:00Z", Timestamp="1999-01-01T00:00:00Z")
    assert latest([new, old]).node_id == "id-b"
    assert latest([]) is None


def test_a_task_of_a_machine_that_is_away_does_not_run():
    assert not task_of(task("a", "running", wanted="shutdown")).runs
    assert task_of(task("a", "preparing")).is_coming
    assert not task_of(task("a", "rejected", wanted="shutdown")).is_coming


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("No such image: p2m/blender-singleuser:latest", "image_missing"),
        ("mkdir /var/lib/docker/x: no space left on device", "disk_full"),
        ('create p2m-ada: error looking up volume plugin nfs: plugin "nfs" not found', "home_unavailable"),
        (
            "error while mounting volume '/v': failed to mount local volume: no such file or directory",
            "home_unavailable",
        ),
        ("invalid mount config: bind source path does not exist: /srv/x", "assets_missing"),
        ("task: non-zero exit (78)", "server_died"),
        ("starting container failed: something else", "engine"),
    ],
)
def test_a_failed_task_is_put_into_words(error, reason):
    failure = failure_of(task_of(task("a", "rejected", Err=error)), "studio-1", "sha256:1")
    assert failure.reason == reason
    assert error in failure.log_message
    assert str(failure).endswith((".", "administrator."))


def test_a_taken_port_is_known():
    failed = task("a", "failed", Err="driver failed: Bind for 0.0.0.0:13000 failed: port is already allocated")
    assert port_was_taken(task_of(failed))


def test_a_start_is_told_with_its_machine():
    assert sentence(task_of(task(state="pending")), "") == "Looking for a place in the cluster …"
    assert sentence(task_of(task("a", "accepted")), "studio-1") == "Your server goes to studio-1 …"
    assert "studio-1 prepares your server" in sentence(task_of(task("a", "preparing")), "studio-1")
    assert sentence(task_of(task("a", "starting")), "studio-1") == "Starting your server on studio-1 …"


# Away


def test_by_when_a_machine_is_back():
    gone = node("studio-1", ready=False, changed_at="2026-11-25T14:03:09Z", labels={"p2m.back": "16:30"})
    assert how_it_went_away("studio-1", gone, keeps_home=True) == (
        "The machine studio-1, on which your Blender ran, has not answered since 14:03 UTC. Your files are on it, as "
        "they were last saved. It is expected back at 16:30; then your server can start again."
    )
    assert "on another machine" in how_it_went_away("studio-1", None, keeps_home=False)
    assert home_is_away("studio-1", gone).reason == "machine_away"
    assert home_is_away("studio-1", None).reason == "machine_gone"
    assert "is being maintained" in str(home_is_away("studio-1", node("studio-1", active=False)))


# Services


def wish(**fields):
    given = {
        "name": "p2m-ada",
        "image": "sha256:1",
        "environment": {"A": "b"},
        "args": [],
        "labels": {"p2m.user": "ada"},
    }
    return Wish(**{**given, "mounts": [], "port": 8888, "published": 13000, **fields})


def test_a_service_is_locked_in_and_published_on_its_machine():
    made = service_arguments(wish(limits={"Pids": 100}, reserved=WANTED), Extra())
    container = made["task_template"]["ContainerSpec"]
    assert container["ReadOnly"] is True
    assert container["CapabilityDrop"] == ["ALL"]
    assert container["Privileges"]["NoNewPrivileges"] is True
    assert made["task_template"]["Resources"] == {
        "Limits": {"Pids": 100},
        "Reservations": {"NanoCPUs": 500_000_000, "MemoryBytes": GB},
    }
    assert made["endpoint_spec"]["Mode"] == "dnsrr"
    assert published_ports([{"Spec": {"EndpointSpec": made["endpoint_spec"]}}]) == {13000}
    assert made["endpoint_spec"]["Ports"][0]["PublishMode"] == "host"
    assert made["task_template"]["RestartPolicy"]["Condition"] == "none"


def test_a_server_on_shared_storage_is_started_again_by_swarm():
    made = service_arguments(wish(moves=True), Extra())
    assert made["task_template"]["RestartPolicy"]["Condition"] == "on-failure"


def test_an_operators_options_lie_over_ours():
    extra = Extra(container={"read_only": False, "hostname": "studio"}, placement={"constraints": ["node.id == x"]})
    template = service_arguments(wish(constraints=["node.id == y"]), extra)["task_template"]
    assert template["ContainerSpec"]["ReadOnly"] is False
    assert template["ContainerSpec"]["Hostname"] == "studio"
    assert template["ContainerSpec"]["CapabilityDrop"] == ["ALL"]
    assert template["Placement"]["Constraints"] == ["node.id == x"]


# The spawner


def spawner(**traits):
    made = BlenderSwarmSpawner(config=Config({"BlenderSwarmSpawner": traits}))
    made.user = SimpleNamespace(name="ada", id=1, url="/user/ada/")
    made.ports = PortPair(13007, 10007)
    return made


def test_volumes_are_volumes_and_paths_are_binds():
    made = spawner(volumes={"p2m-{username}": "/home/blender", "/srv/{username}": {"bind": "/srv", "mode": "ro"}})
    home, served = made.mounts
    assert (home["Type"], home["Source"]) == ("volume", "p2m-ada")
    assert (served["Type"], served["Source"], served["ReadOnly"]) == ("bind", "/srv/ada", True)


def test_what_is_reserved_is_never_more_than_the_limit():
    assert spawner(mem_limit="512M", cpu_limit=0.25).reserved == Room(250_000_000, 512 * 2**20)
    assert spawner().reserved == WANTED


def test_gpus_by_number():
    made = spawner(gpu_resource="gpu")
    made.gpus = 2
    assert made.reserved.generic == {"gpu": 2}
    made.gpus = ("GPU-1",)
    with pytest.raises(SpawnFailure, match="GPUs in a way that a cluster does not know"):
        _ = made.reserved


def test_a_shared_home_needs_to_be_somewhere():
    with pytest.raises(SpawnFailure, match="storage of this hub's homes is not set up"):
        _ = spawner(home_storage="shared").home_to_pin
    assert spawner(home_storage="shared", volume_driver="nfs").home_to_pin is None
    assert spawner(home_storage="shared", volumes={"/srv/{username}": "/home/blender"}).home_to_pin is None
    assert spawner().home_to_pin == "p2m-ada"


def test_the_options_of_a_volume_driver_name_the_user():
    options = {"type": "nfs", "device": ":/homes/{username}", "o": "addr=10.0.0.9"}
    made = spawner(volume_driver="local", volume_driver_options=options)
    assert made.mount_driver_config["Options"]["device"] == ":/homes/ada"


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (503, "This node is not a swarm manager. Worker nodes can't be used", "not_a_manager"),
        (409, "rpc error: code = AlreadyExists desc = name conflicts with an existing object", "name_taken"),
    ],
)
def test_refusals_of_the_engine_are_put_into_words(status, text, reason, monkeypatch):
    made = spawner()
    monkeypatch.setattr(type(made), "client", SimpleNamespace(base_url="http://docker"))
    response = SimpleNamespace(status_code=status, reason="x", url="u")
    assert made.explain(APIError("x", response=response, explanation=text)).reason == reason
