"""What pods and events say, put into words."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.kube_events import last_warning, of_pod, step_of
from p2m_spawner.kube_pods import amount, ending_of, exit_of, failure_of, failure_of_waiting, has_started, moment


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "notebook", "image": "p2m", "resources": {"limits": {"memory": "4Gi"}}}]
    statuses = [{"name": "notebook", "image": "p2m", "state": state}] if state else None
    return {
        "metadata": {"name": "p2m-ada", "uid": "1"},
        "spec": {"containers": containers},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": statuses, **status},
    }


RUNNING = {"running": {"startedAt": "2026-11-25T03:36:01Z"}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-11-25T03:36:01Z"}}


@pytest.mark.parametrize(
    ("quantity", "number"),
    [(4294967296, 2**32), ("4Gi", 2**32), ("500m", 0.5), ("1.5G", 1.5e9), ("2", 2), ("128Ki", 2**17), ("1k", 1000)],
)
def test_quantities(quantity: str | int, number: float):
    assert amount(quantity) == number


@given(st.text(max_size=10))
def test_anything_else_is_no_quantity(text: str):
    try:
        amount(text)
    except ValueError:
        return
    assert any(each.isdigit() for each in text)


@pytest.mark.parametrize(
    ("text", "read"), [("2026-11-25T03:36:01Z", True), ("", False), (None, False), ("soon", False)]
)
def test_moments(text: str | None, read: bool):
    assert moment(text) == (datetime(2026, 11, 25, 3, 36, 1, tzinfo=UTC) if read else None)


@pytest.mark.parametrize(
    ("given_pod", "started", "exit_code"),
    [
        (None, False, 1),
        (pod(RUNNING), True, None),
        (pod(RUNNING, podIP=None), False, None),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), False, None),
        (pod(phase="Pending"), False, None),
        (pod(ended(137, "OOMKilled"), phase="Failed"), False, 137),
        (pod(ended(0), phase="Succeeded"), False, 0),
        (pod(phase="Failed", reason="Evicted"), False, 1),
    ],
)
def test_whether_a_pod_has_started_or_ended(given_pod: dict[str, Any] | None, started: bool, exit_code: int | None):
    assert (has_started(given_pod), exit_of(given_pod)) == (started, exit_code)


def test_a_pod_that_is_being_deleted_has_not_started_and_was_removed():
    deleted = pod(RUNNING)
    deleted["metadata"]["deletionTimestamp"] = "2026-11-25T03:36:01Z"
    assert not has_started(deleted)
    assert ending_of(deleted, "").reason == "removed"


def test_an_ending_has_all_that_the_pod_knows():
    ending = ending_of(pod(ended(137, "OOMKilled"), phase="Failed"), "last words")
    assert (ending.exit_code, ending.out_of_memory, ending.memory_limit, ending.log) == (137, True, 2**32, "last words")
    assert "more memory than its limit of 4 GB" in ending.sentence


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("ContainerCreating", None),
        ("ErrImagePull", None),
        ("ImagePullBackOff", "image_pull"),
        ("InvalidImageName", "image_pull"),
        ("ErrImageNeverPull", "image_pull"),
        ("CreateContainerConfigError", "engine"),
        ("RunContainerError", "engine"),
    ],
)
def test_what_a_container_waits_for_may_never_come(waiting: str, reason: str | None):
    failure = failure_of(pod({"waiting": {"reason": waiting, "message": "the cause"}}, phase="Pending"))
    assert (failure.reason if failure else None) == reason
    assert failure is None or "the cause" in failure.log_message


@pytest.mark.parametrize(
    ("condition", "warning", "reason"),
    [
        ("0/3 nodes are available: 3 Insufficient memory.", "", "cluster_full"),
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "", "cluster_full"),
        ("pod has unbound immediate PersistentVolumeClaims.", "", "home_unavailable"),
        ('persistentvolumeclaim "class-assets" not found', "", "home_unavailable"),
        ("", "FailedAttachVolume: Multi-Attach error", "home_unavailable"),
        ("", "", "pod_timeout"),
    ],
)
def test_why_a_pod_did_not_start_in_time(condition: str, warning: str, reason: str):
    conditions = [{"type": "PodScheduled", "status": "False", "message": condition}] if condition else []
    failure = failure_of_waiting(pod(phase="Pending", conditions=conditions), warning, 570)
    assert failure.reason == reason
    assert (condition or warning or "nothing says why") in failure.log_message
    assert failure_of_waiting(None, "", 1).reason == "pod_timeout"


def event(
    reason: str, message: str = "", at: str = "2026-11-25T03:36:01Z", uid: str = "1", **more: Any
) -> dict[str, Any]:
    return {
        **{"metadata": {"uid": at}, "involvedObject": {"name": "p2m-ada", "uid": uid}, "reason": reason},
        **{"message": message, "type": "Normal", "lastTimestamp": at, **more},
    }


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ('Successfully pulled image "p2m" in 835ms (835ms including waiting)', "Pulled the Blender image in 1 s."),
        ('Successfully pulled image "p2m" in 3m5.2s (4m including waiting). Image size: 2147483648 bytes.',
         "Pulled the Blender image (2 GB) in 3 min."),
        ('Container image "p2m" already present on machine', "The Blender image is there."),
        ("words of a kubelet to come", "The Blender image is there."),
    ],
)  # fmt: skip
def test_a_pull_says_how_long_it_took_and_how_large_the_image_is(message: str, sentence: str):
    step = step_of(event("Pulled", message))
    assert step is not None and step.message == sentence


def test_events_that_say_nothing_of_a_start_are_no_step():
    assert step_of(event("Unhealthy", "Readiness probe failed")) is None


def test_events_of_a_pod_are_those_of_its_uid_in_order_whatever_clock_they_have():
    events = [
        event("Pulling", at="2026-11-25T03:36:02Z"),
        event(
            "Scheduled", at="2026-11-25T03:36:01.123456Z", lastTimestamp=None, eventTime="2026-11-25T03:36:01.123456Z"
        ),
        event("Killing", uid="of the pod before"),
    ]
    assert [each["reason"] for each in of_pod(events, "1")] == ["Scheduled", "Pulling"]


def test_the_last_warning():
    assert last_warning([event("Pulling")]) == ""
    warnings = [
        event("FailedMount", "one", type="Warning"),
        event("FailedMount", "two", type="Warning"),
        event("Pulled"),
    ]
    assert last_warning(warnings) == "FailedMount: two"
