"""Metrics of starts and of running servers; what a server says of itself may be anything."""

import json
import math
import re
from pathlib import Path
from typing import Any

import jupyterhub.metrics  # noqa: F401 - its metrics are in the registry then
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from p2m_spawner import metrics
from p2m_spawner.metrics import ServerGauges, SpawnClock

STATUS = {
    "ready": True,
    "blender": {"state": "ready", "version": "4.3.2", "pid": 7, "file": None, "restarts": 2, "reason": None},
    "mcp": {"state": "ready", "num_tools": 40},
    "jobs": [{"state": "queued"}, {"state": "queued"}, {"state": "running"}],
    "memory": {"used_bytes": 800, "limit_bytes": 4000},
}


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def of_server(name: str, user: str, server: str = "", **labels: str) -> float | None:
    return value(name, user=user, server=server, **labels)


class Clock:
    """Time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_stage_of_a_start_is_measured_and_the_whole():
    names = ("container", "mcp")
    before = [value("p2m_spawn_stage_duration_seconds_sum", stage=name) or 0 for name in names]
    whole, starts = value("p2m_spawn_duration_seconds_sum"), value("p2m_spawns_total", outcome="success", reason="")
    clock = Clock()
    start = SpawnClock(clock)
    clock.now += 1  # before the first stage
    for seconds, stage in ((0, "container"), (2, "container"), (3, "mcp")):
        clock.now += seconds
        start.enter(stage)
    clock.now += 4
    start.succeeded()
    after = [value("p2m_spawn_stage_duration_seconds_sum", stage=name) for name in names]
    assert [late - early for late, early in zip(after, before, strict=True)] == [5, 4]
    assert value("p2m_spawn_duration_seconds_sum") - whole == 10
    assert value("p2m_spawns_total", outcome="success", reason="") - starts == 1


@pytest.mark.parametrize(
    ("reason", "outcome", "label"), [("ports_exhausted", "failure", "ports_exhausted"), (None, "error", "unforeseen")]
)
def test_a_failed_start_is_counted_by_its_reason_and_not_timed(reason, outcome, label):
    before = value("p2m_spawns_total", outcome=outcome, reason=label) or 0
    timed = value("p2m_spawn_duration_seconds_count")
    SpawnClock().failed(reason)
    assert value("p2m_spawns_total", outcome=outcome, reason=label) == before + 1
    assert value("p2m_spawn_duration_seconds_count") == timed


def test_a_running_server_is_shown_until_it_is_gone():
    ada, second = ServerGauges("ada", ""), ServerGauges("ada", "second")
    ada.show(STATUS)
    second.show(STATUS)
    assert of_server("p2m_blender_restarts", "ada") == 2
    assert of_server("p2m_mcp_up", "ada") == 1
    assert of_server("p2m_server_memory_bytes", "ada") == 800
    assert of_server("p2m_server_memory_limit_bytes", "ada") == 4000
    assert of_server("p2m_jobs", "ada", state="queued") == 2
    assert of_server("p2m_jobs", "ada", state="running") == 1
    ada.remove()
    ada.remove()  # a server that ended twice, as one that died and was then swept away
    series = {tuple(s.labels.items()) for family in REGISTRY.collect() for s in family.samples if "user" in s.labels}
    assert not [labels for labels in series if ("user", "ada") in labels and ("server", "") in labels]
    assert of_server("p2m_mcp_up", "ada", "second") == 1
    second.remove()


def test_a_server_that_does_not_answer_has_no_mcp():
    ServerGauges("bob", "").show(STATUS)
    ServerGauges("bob", "").show(None)
    assert of_server("p2m_mcp_up", "bob") == 0
    ServerGauges("bob", "").remove()


def test_no_limit_is_no_number():
    ServerGauges("cleo", "").show({**STATUS, "memory": {"used_bytes": 1, "limit_bytes": None}})
    assert of_server("p2m_server_memory_limit_bytes", "cleo") is None
    ServerGauges("cleo", "").remove()


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([10**400, "queued"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*STATUS, "state"]), inner, max_size=3),
    max_leaves=9,
)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(STATUS, ANYTHING)))
def test_a_hostile_status_shows_sound_numbers_or_none(status: dict[str, Any]):
    gauges = ServerGauges("eve", "")
    gauges.show(status)
    shown = [s.value for family in REGISTRY.collect() for s in family.samples if s.labels.get("user") == "eve"]
    assert shown
    assert all(math.isfinite(number) and number >= 0 for number in shown)
    gauges.remove()


def test_the_dashboard_asks_for_metrics_that_there_are_and_shows_all_of_ours():
    dashboard = json.loads((Path(__file__).parents[2] / "docs/grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"\b(?:p2m|jupyterhub)_[a-z_]+", query)}
    of_the_hub = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    assert asked <= metrics.NAMES | of_the_hub
    assert metrics.NAMES - asked <= {"p2m_spawn_duration_seconds_sum", "p2m_spawn_duration_seconds_count"}
