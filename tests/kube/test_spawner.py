"""The life of a server, by KubeSpawner's own code and client, at an API server that is a double."""

import asyncio
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.spawner import SpawnException

from tests.support.waiting import wait_for_async

from .api_double import ApiDouble, RefusedError
from .cluster import READY, Cluster
from .conftest import MakeSpawner


async def start(spawner: Any, cluster: Cluster) -> str:
    """Start a server as the hub does, which then keeps its address."""
    spawner.port = cluster.server.port
    url: str = await spawner.start()
    spawner.server.ip, spawner.server.port = "127.0.0.1", cluster.server.port
    return url


def told(spawner: Any) -> list[tuple[str, str]]:
    return [(stage["stage"], stage["message"]) for stage in spawner._stages]


async def refused(spawner: Any, cluster: Cluster) -> SpawnException:
    with pytest.raises(SpawnException) as caught:
        await start(spawner, cluster)
    return caught.value


async def test_a_start_is_over_when_blender_is_ready_and_tells_each_step(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner()
    assert await start(spawner, cluster) == f"http://127.0.0.1:{cluster.server.port}"
    assert cluster.server.documents == [READY]
    assert cluster.server.asked_without_token == 0
    assert told(spawner) == [
        ("queue", "Asking the cluster for your server …"),
        ("container", "Found a machine for your server …"),
        ("image", "Pulling the Blender image …"),
        ("image", "Pulled the Blender image (2 GB) in 35 s."),
        ("container", "Creating your container …"),
        ("container", "Starting your container …"),
        ("blender", "Starting Blender …"),
        ("mcp", "Blender 4.3.2 is ready, MCP with 40 tools"),
    ]
    percents = [stage["progress"] for stage in spawner._stages]
    assert percents == sorted(percents)
    assert await spawner.poll() is None
    assert (api.names("pods"), api.names("persistentvolumeclaims")) == (["p2m-ada"], ["p2m-ada"])


async def test_progress_shows_what_was_told_before_somebody_looked(cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner()
    await start(spawner, cluster)
    seen = []
    async for stage in spawner.progress():
        seen.append(stage)
        if len(seen) == len(spawner._stages):
            break
    assert seen == spawner._stages


async def test_a_stop_gives_blender_time_deletes_the_pod_and_keeps_the_home(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner()
    await start(spawner, cluster)
    await spawner.stop()
    deletion = next(thing for _, change, thing in api.changes["pods"] if "deletionTimestamp" in thing["metadata"])
    assert deletion["metadata"]["deletionGracePeriodSeconds"] == 10
    assert (api.names("pods"), api.names("persistentvolumeclaims")) == ([], ["p2m-ada"])
    assert await spawner.poll() == 1
    assert spawner.ending is None


async def test_named_servers_have_pods_and_homes_of_their_own(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    first, second = make_spawner(), make_spawner(server="Second One")
    await asyncio.gather(start(first, cluster), start(second, cluster))
    assert len(set(api.names("pods"))) == len(set(api.names("persistentvolumeclaims"))) == 2
    await second.stop()
    await second.delete_forever()
    assert second.pvc_name in api.names("persistentvolumeclaims")
    second.delete_home = True
    await second.delete_forever()
    assert api.names("persistentvolumeclaims") == ["p2m-ada"]
    assert await first.poll() is None


async def test_a_home_that_named_servers_share_stays_when_one_of_them_goes(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner(server="second", delete_home=True, pvc_name_template="p2m-{username}")
    await start(spawner, cluster)
    await spawner.stop()
    await spawner.delete_forever()
    assert api.names("persistentvolumeclaims") == ["p2m-ada"]


async def test_a_home_on_storage_of_the_operators_stays(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner(
        delete_home=True,
        storage_pvc_ensure=False,
        volumes=[{"name": "home", "nfs": {"server": "nfs", "path": "/homes"}}],
    )
    await api.create(
        "persistentvolumeclaims",
        "studio",
        {
            "metadata": {"name": "p2m-ada"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    )
    await spawner.delete_forever()
    assert api.names("persistentvolumeclaims") == ["p2m-ada"]


async def test_a_service_goes_with_its_pod(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner(services_enabled=True, pod_connect_ip="127.0.0.1")
    await start(spawner, cluster)
    assert api.get("services", "p2m-ada")["spec"]["publishNotReadyAddresses"] is True
    await spawner.stop()
    assert api.names("services") == []


# Starts that fail


async def test_a_missing_image_is_told_at_once_and_nothing_is_left_but_the_home(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    cluster.image = "missing"
    failure = await refused(make_spawner(), cluster)
    assert failure.reason == "image_pull"
    assert "The Blender image could not be fetched" in failure.jupyterhub_message
    assert "ImagePullBackOff" in failure.log_message
    assert (api.names("pods"), api.names("persistentvolumeclaims")) == ([], ["p2m-ada"])


async def test_a_full_cluster_is_told_while_waiting_and_in_the_end(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    cluster.room = False
    spawner = make_spawner(start_timeout=3, mcp_timeout=1.5)
    failure = await refused(spawner, cluster)
    assert ("queue", "No machine of the cluster has room for your server yet; it waits for one …") in told(spawner)
    assert failure.reason == "cluster_full"
    assert "3 Insufficient memory" in failure.log_message
    assert api.names("pods") == []


async def test_a_server_that_waited_for_room_starts_once_there_is_some(cluster: Cluster, make_spawner: MakeSpawner):
    cluster.room = False
    spawner = make_spawner()
    starting = asyncio.create_task(start(spawner, cluster))
    await wait_for_async(lambda: len(spawner._stages) > 1, 5, "word of a full cluster", 0.02)
    cluster.room = True
    await starting
    assert await spawner.poll() is None


async def test_a_pull_that_takes_long_says_for_how_long(
    cluster: Cluster, make_spawner: MakeSpawner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("p2m_spawner.kube_spawner.PULL_NEWS_S", 0.1)
    cluster.image = "hang"
    spawner = make_spawner()
    starting = asyncio.create_task(start(spawner, cluster))
    await wait_for_async(lambda: any("image … (" in word for _, word in told(spawner)), 5, "news of the pull", 0.02)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_server_that_ends_while_it_starts_is_told_with_its_log(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    cluster.image = "hang"
    api.logs["p2m-ada"] = b"start-p2m: /home/blender is not writable\n"
    spawner = make_spawner()
    starting = asyncio.create_task(refused(spawner, cluster))
    await wait_for_async(
        lambda: "nodeName" in api.things.get(("pods", "studio", "p2m-ada"), {"spec": {}})["spec"], 5, "pod"
    )
    await cluster.end("p2m-ada", 78)
    failure = await starting
    assert failure.reason == "server_died"
    assert "exit_code=78" in failure.log_message and "is not writable" in failure.log_message
    assert api.names("pods") == []


async def test_a_cancelled_start_leaves_no_pod(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    cluster.image = "hang"
    spawner = make_spawner()
    starting = asyncio.create_task(start(spawner, cluster))
    await wait_for_async(lambda: api.names("pods"), 5, "a pod", 0.005)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert api.names("pods") == []


@pytest.mark.parametrize(
    ("verb", "kind", "code", "message", "reason"),
    [
        ("POST", "pods", 403, 'pods "p2m-ada" is forbidden: exceeded quota: studio', "cluster_full"),
        ("POST", "pods", 403, 'pods "p2m-ada" is forbidden: violates PodSecurity "restricted:latest"', "pod_refused"),
        ("POST", "persistentvolumeclaims", 403, 'is forbidden: User "hub" cannot create resource', "pod_refused"),
        ("POST", "pods", 422, "Pod is invalid: spec.containers[0].image: Required value", "pod_refused"),
        ("POST", "pods", 500, "etcdserver: request timed out", "engine_silent"),
    ],
)
async def test_what_the_api_server_refuses_is_told_in_words(
    api: ApiDouble,
    cluster: Cluster,
    make_spawner: MakeSpawner,
    verb: str,
    kind: str,
    code: int,
    message: str,
    reason: str,
):
    api.refusals[verb, kind] = RefusedError(code, "Forbidden", message)
    failure = await refused(make_spawner(k8s_api_request_retry_timeout=1), cluster)
    assert failure.reason == reason
    assert message in failure.log_message
    assert api.names("pods") == []


async def test_a_missing_namespace_is_told(cluster: Cluster, make_spawner: MakeSpawner):
    failure = await refused(make_spawner(namespace="nowhere"), cluster)
    assert failure.reason == "pod_refused"
    assert 'namespaces "nowhere" not found' in failure.log_message


@pytest.mark.parametrize(
    ("traits", "reason", "cause"),
    [
        ({"publish_mcp": True}, "network_not_apart", "kubectl port-forward"),
        ({"profiles": [{"name": "all", "gpus": "all"}]}, "profiles_unusable", "a number"),
        (
            {"profiles": [{"name": "host", "assets": [{"source": "/srv/assets", "path": "/assets/shared"}]}]},
            "profiles_unusable",
            "PersistentVolumeClaim",
        ),
        ({"volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}]}, "home_unavailable", "homeMountPath"),
        ({"cmd": ["jupyterhub-singleuser"]}, "wrong_command", "start-p2m"),
        ({"privileged": True}, "pod_refused", "privileged"),
    ],
)
async def test_what_cannot_be_is_refused_before_a_pod_is_made(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner, traits: dict[str, Any], reason: str, cause: str
):
    failure = await refused(make_spawner(**traits), cluster)
    assert (failure.reason, api.names("pods")) == (reason, [])
    assert cause in failure.log_message


async def test_a_pod_of_another_hub_is_left_alone(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    theirs = make_spawner(hub_id="theirs")
    await start(theirs, cluster)
    uid = api.get("pods", "p2m-ada")["metadata"]["uid"]
    failure = await refused(make_spawner(hub_id="ours"), cluster)
    assert failure.reason == "name_taken"
    assert "p2m.hub=theirs and not ours" in failure.log_message
    assert api.get("pods", "p2m-ada")["metadata"]["uid"] == uid


async def test_a_pod_that_this_hub_left_behind_makes_way(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    await start(make_spawner(), cluster)
    uid = api.get("pods", "p2m-ada")["metadata"]["uid"]
    again = make_spawner()
    await start(again, cluster)
    assert api.get("pods", "p2m-ada")["metadata"]["uid"] != uid
    assert told(again)[0] == ("queue", "Asking the cluster for your server …")


# Servers that end


@pytest.mark.parametrize(
    ("exit_code", "why", "reason"),
    [(137, "OOMKilled", "out_of_memory"), (1, "Error", "crashed"), (0, "Completed", "exited")],
)
async def test_a_server_that_ended_is_told_and_its_pod_deleted(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner, exit_code: int, why: str, reason: str
):
    spawner = make_spawner()
    await start(spawner, cluster)
    api.logs["p2m-ada"] = b"".join(b"line %d\n" % number for number in range(300))
    await cluster.end("p2m-ada", exit_code, why)
    await wait_for_async(spawner.poll, 5, "the end", 0.02)
    ending = spawner.ending
    assert (ending.reason, ending.exit_code, ending.memory_limit) == (reason, exit_code, 4 * 1024**3)
    assert len(ending.log.splitlines()) == 200
    assert ending.log.endswith("line 299\n")
    assert ending.ended_at is not None
    assert api.names("pods") == []


async def test_a_pod_that_somebody_deleted_is_told_as_removed(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner()
    await start(spawner, cluster)
    await api.remove(api.get("pods", "p2m-ada"), "pods")
    await wait_for_async(lambda: spawner.pod_seen() is None, 5, "the reflector", 0.02)
    assert await spawner.poll() == 1
    assert spawner.ending.reason == "removed"


async def test_an_evicted_pod_says_why(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner()
    await start(spawner, cluster)
    pod = api.get("pods", "p2m-ada")
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    await api.put("pods", pod)
    await wait_for_async(spawner.poll, 5, "the end", 0.02)
    assert spawner.ending.error == "Evicted: The node was low on resource: memory."


async def test_a_log_that_the_hub_may_not_read_is_said_and_hides_nothing_else(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner()
    await start(spawner, cluster)
    api.refusals["log", "pods"] = RefusedError(403, "Forbidden", 'cannot get resource "pods/log"')
    await cluster.end("p2m-ada", 3)
    await wait_for_async(spawner.poll, 5, "the end", 0.02)
    assert spawner.ending.exit_code == 3
    assert 'cannot get resource "pods/log"' in spawner.ending.log


async def test_the_hub_hears_of_an_end_before_it_polls(cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner()
    await start(spawner, cluster)
    heard = asyncio.Event()
    spawner.add_poll_callback(heard.set)
    spawner.start_polling()
    await cluster.end("p2m-ada", 1)
    async with asyncio.timeout(5):
        await heard.wait()
    spawner.stop_polling()


# An API server that is away


async def test_a_server_is_kept_while_the_api_server_is_away(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    spawner = make_spawner()
    await start(spawner, cluster)
    api.fall_silent()
    assert await spawner.poll() is None
    api.silent = False
    assert await spawner.poll() is None
    assert spawner.ending is None


async def test_a_hub_that_comes_back_while_the_api_server_is_away_keeps_its_servers_and_sees_them_again(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    before = make_spawner()
    await start(before, cluster)
    state = before.get_state()
    await type(before)._stop_all_reflectors()
    api.fall_silent()
    spawner = make_spawner()
    spawner.load_state(state)
    spawner._check_pending = True
    assert await spawner.poll() is None
    assert await spawner.poll() is None, "a reflector that could not begin says nothing of pods"
    api.silent = False
    assert await spawner.poll() is None
    assert spawner.pod_seen() is not None
    assert await spawner.token_of_server() == "token-of-ada-"


async def test_a_reflector_that_gave_up_is_made_anew(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner()
    await start(spawner, cluster)
    given_up = spawner.pod_reflector
    given_up.watch_task.cancel()
    await asyncio.wait([given_up.watch_task])
    await cluster.end("p2m-ada", 5)
    assert await spawner.poll() == 5
    assert spawner.pod_reflector is not given_up


async def test_watches_that_are_too_old_begin_again(api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner):
    spawner = make_spawner()
    await start(spawner, cluster)
    api.forget_changes()
    api.fall_silent()
    api.silent = False
    await cluster.end("p2m-ada", 5)
    await wait_for_async(spawner.poll, 5, "the end", 0.05)
    assert spawner.ending.exit_code == 5


# A hub that ended


async def test_a_start_that_another_process_began_is_finished(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    cluster.server.documents = [READY]
    interrupted = make_spawner()
    interrupted.port = cluster.server.port
    starting = asyncio.create_task(interrupted.start())
    await wait_for_async(lambda: api.names("pods"), 5, "a pod", 0.005)
    token = interrupted.api_token
    interrupted.discard = lambda: asyncio.sleep(0)  # a process that is killed cleans nothing up
    starting.cancel()
    await asyncio.wait([starting])
    assert api.names("pods") == ["p2m-ada"]
    spawner = make_spawner()
    spawner.api_token = ""
    spawner.port = cluster.server.port
    spawner._check_pending = True
    assert await spawner.poll() is None
    assert spawner.api_token == token
    assert await spawner.get_url() == f"http://127.0.0.1:{cluster.server.port}"
    assert spawner.get_state()["ready"] is True


async def test_pods_that_nobody_owns_are_swept_and_those_of_others_are_not(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner
):
    for name, hub_id in [("ada", "ours"), ("bob", "ours"), ("eve", "theirs")]:
        await start(make_spawner(name=name, hub_id=hub_id), cluster)
    spawner = make_spawner(name="ada", hub_id="ours")
    for each in spawner.db.query(orm.Spawner):
        if each.user.name == "bob":
            each.server = None
    spawner.db.commit()
    spawner.request_sweep()
    await wait_for_async(lambda: "p2m-bob" not in api.names("pods"), 5, "the sweep", 0.02)
    assert sorted(api.names("pods")) == ["p2m-ada", "p2m-eve"]
    assert await make_spawner(hub_id="p2m").servers_of_this_hub() == []


async def test_a_pod_on_a_machine_that_is_away_is_swept_later(
    api: ApiDouble, cluster: Cluster, make_spawner: MakeSpawner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("p2m_spawner.kube_calls.GONE_S", 0.0)
    monkeypatch.setattr("p2m_spawner.kube_faults.KILL_GRACE_S", 0)
    spawner = make_spawner(hub_id="ours")
    await start(spawner, cluster)
    sweeps: list[int] = []
    monkeypatch.setattr(spawner, "request_sweep", lambda: sweeps.append(1))
    cluster.node_is_away = True
    monkeypatch.setattr("p2m_spawner.kube_calls.V1DeleteOptions", _graceful)
    await cluster.end("p2m-ada", 1)
    await wait_for_async(spawner.poll, 5, "the end", 0.02)
    assert sweeps == [1]


def _graceful(grace_period_seconds: int, preconditions: Any) -> dict[str, Any]:
    return {"gracePeriodSeconds": 1, "preconditions": {"uid": preconditions.uid}}
