"""The double of the API server answers as the real one; asked by the client that KubeSpawner uses."""

import asyncio
from typing import Any

import kubernetes_asyncio.client as kubernetes
import pytest
from kubernetes_asyncio import watch
from kubernetes_asyncio.client.rest import ApiException

from .api_double import TOKEN, ApiDouble

POD = {"metadata": {"name": "a", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


@pytest.fixture
async def core(api: ApiDouble):
    api.namespaces["studio"] = ""
    configuration = kubernetes.Configuration(host=api.url)
    configuration.api_key = {"BearerToken": f"Bearer {TOKEN}"}
    async with kubernetes.ApiClient(configuration) as client:
        yield kubernetes.CoreV1Api(client)


async def refusal(call: Any) -> ApiException:
    with pytest.raises(ApiException) as caught:
        await call
    return caught.value


async def test_what_is_created_has_uid_version_and_state(core: kubernetes.CoreV1Api):
    made = await core.create_namespaced_pod("studio", POD)
    assert made.metadata.uid and made.metadata.creation_timestamp and made.status.phase == "Pending"
    assert (await core.read_namespaced_pod("a", "studio")).metadata.resource_version == made.metadata.resource_version


async def test_refusals_are_status_objects(api: ApiDouble, core: kubernetes.CoreV1Api):
    await core.create_namespaced_pod("studio", POD)
    api.namespaces["strict"] = "restricted"
    cases = [
        (core.create_namespaced_pod("studio", POD), 409, "AlreadyExists"),
        (core.read_namespaced_pod("b", "studio"), 404, "NotFound"),
        (core.create_namespaced_pod("nowhere", POD), 404, "NotFound"),
        (core.create_namespaced_pod("studio", {**POD, "spec": {"containers": "none"}}), 400, "BadRequest"),
        (core.create_namespaced_pod("strict", POD), 403, "Forbidden"),
        (core.delete_namespaced_pod("a", "studio", body={"preconditions": {"uid": "other"}}), 409, "Conflict"),
    ]
    for call, code, reason in cases:
        error = await refusal(call)
        assert error.status == code
        assert '"kind": "Status"' in error.body and f'"reason": "{reason}"' in error.body


async def test_lists_choose_by_labels(core: kubernetes.CoreV1Api):
    await core.create_namespaced_pod("studio", POD)
    assert len((await core.list_namespaced_pod("studio", label_selector="app=x")).items) == 1
    assert (await core.list_namespaced_pod("studio", label_selector="app=y")).items == []
    assert (await core.list_namespaced_pod("other")).items == []
    assert len((await core.list_pod_for_all_namespaces()).items) == 1


async def changes(core: kubernetes.CoreV1Api, **options: Any) -> list[tuple[str, str]]:
    async with watch.Watch().stream(core.list_namespaced_pod, "studio", timeout_seconds=1, **options) as stream:
        return [(each["type"], each["raw_object"]["metadata"].get("name", "")) async for each in stream]


async def test_a_watch_tells_what_changes_after_a_version_and_ends_in_time(api: ApiDouble, core: kubernetes.CoreV1Api):
    await core.create_namespaced_pod("studio", POD)
    version = (await core.list_namespaced_pod("studio")).metadata.resource_version
    watching = asyncio.create_task(changes(core, resource_version=version))
    await api.put("pods", api.get("pods", "a"))
    await core.delete_namespaced_pod("a", "studio")
    assert await watching == [("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_from_nowhere_begins_with_what_is_there_and_bookmarks_come_on_demand(core: kubernetes.CoreV1Api):
    await core.create_namespaced_pod("studio", POD)
    plain, with_bookmarks = await asyncio.gather(changes(core), changes(core, allow_watch_bookmarks=True))
    assert plain == [("ADDED", "a")]
    assert with_bookmarks == [("ADDED", "a"), ("BOOKMARK", "")]


async def test_a_watch_from_too_long_ago_is_refused(api: ApiDouble, core: kubernetes.CoreV1Api):
    made = await core.create_namespaced_pod("studio", POD)
    await api.put("pods", api.get("pods", "a"))
    api.forget_changes()
    assert (await refusal(changes(core, resource_version=made.metadata.resource_version))).status == 410


async def test_a_pod_on_a_machine_is_deleted_with_grace(api: ApiDouble, core: kubernetes.CoreV1Api):
    await core.create_namespaced_pod("studio", POD)
    pod = api.get("pods", "a")
    pod["spec"]["nodeName"] = "n"
    await api.put("pods", pod)
    await core.delete_namespaced_pod("a", "studio", grace_period_seconds=5)
    terminating = await core.read_namespaced_pod("a", "studio")
    assert terminating.metadata.deletion_timestamp and terminating.metadata.deletion_grace_period_seconds == 5
    await core.delete_namespaced_pod("a", "studio", grace_period_seconds=0)
    assert (await refusal(core.read_namespaced_pod("a", "studio"))).status == 404


async def test_who_has_no_token_is_told(api: ApiDouble):
    async with kubernetes.ApiClient(kubernetes.Configuration(host=api.url)) as client:
        assert (await refusal(kubernetes.CoreV1Api(client).list_namespaced_pod("studio"))).status == 401
