"""The benchmarks work, with few samples, on one stage; they judge no time here."""

from collections.abc import Iterator

import pytest

from bench import (
    agents,
    desktop_stream,
    footprint,
    gateway_latency,
    messages,
    roundtrip,
    scale,
    spawn,
    stage,
    ten_users,
)
from bench.record import Table
from bench.upstream import NAME as UPSTREAM


@pytest.fixture(scope="module")
def on() -> Iterator[stage.Stage]:
    with stage.Stage() as shared:
        yield shared


def sane(tables: list[Table], most: float) -> None:
    """Every cell has samples, all of them above nothing and below a bound."""
    for table in tables:
        assert table.rows
        for row, cells in table.rows.items():
            assert cells, (table.title, row)
            for column, cell in cells.items():
                assert column in table.columns
                assert cell.count, (table.title, row, column)
                assert all(0 < sample < most for sample in cell.samples), (table.title, row, column, cell)


def test_starts(on: stage.Stage):
    whole, parts = spawn.measure(on, runs=1, warm_ups=0, sides=(stage.OURS, spawn.FLOOR))
    sane([whole, parts], most=stage.DEADLINE)
    assert list(whole.rows[spawn.BLENDER_ANSWERS]) == [stage.OURS, spawn.FLOOR]
    assert list(parts.rows)[:2] == ["container created", "container started"]
    for moment in ("X accepts clients", "Blender listens", "Jupyter has imported", spawn.FIRST_ANSWER):
        assert stage.OURS in parts.rows[moment]


def test_a_rush_at_stock_dockerspawner(on: stage.Stage):
    (table,) = ten_users.measure(on, runs=1, users=1, sides=(stage.STOCK,))
    sane([table], most=stage.DEADLINE)
    assert len(table.rows) == 3


def test_round_trips_beside_upstream(on: stage.Stage):
    (trips,) = roundtrip.measure(on, runs=1, calls=3)
    sane([trips], most=10_000)
    assert list(trips.rows) == [*roundtrip.INSIDE, roundtrip.THROUGH_HUB, roundtrip.THROUGH_GATEWAY]
    assert set(trips.rows["raw socket"]) == {stage.OURS, UPSTREAM}


def test_the_one_mcp_address(on: stage.Stage):
    latency, memory = gateway_latency.measure(on, runs=1, streams=3)
    sane([latency, memory], most=10_000)
    assert list(latency.rows) == list(gateway_latency.METHODS)


def test_large_messages_beside_upstream(on: stage.Stage):
    (large,) = messages.measure(on, runs=1, megabytes=(1,))
    sane([large], most=messages.LIMIT_S)
    assert list(large.rows["1 MB"]) == large.columns


def test_agents_on_one_blender(on: stage.Stage):
    rate, latency = agents.measure(on, runs=1, seconds=0.3, counts=(1, 2))
    sane([rate, latency], most=10_000)
    assert list(rate.rows) == ["1 agent", "2 agents"]


def test_what_an_idle_user_costs(on: stage.Stage):
    memory, cpu = footprint.measure(on, runs=1, seconds=0.5, settle=0)
    sane([memory, cpu], most=4096)
    assert list(memory.rows) == list(cpu.rows) == [
        "p2m desktop", "p2m headless", footprint.THEIRS, footprint.VIEWER
    ]  # fmt: skip


def test_a_hub_with_many_servers_on_a_fake_engine(on: stage.Stage):
    tables = scale.measure(on, runs=1, sizes=(5,), looks_s=0.5, batch=3, swept=0)
    sane([table for table in tables if table.unit != "% of a core"], most=10_000)  # which may be none in half a second
    assert all(list(table.rows) == ["5 active servers"] for table in tables)
    latency = next(table for table in tables if table.columns == list(scale.CALLED))
    assert list(latency.rows["5 active servers"]) == latency.columns


def test_the_desktop_in_a_browser(on: stage.Stage):
    tables = desktop_stream.measure(on, runs=1, seconds=0.5, ways=(desktop_stream.OURS,))
    sane(tables, most=10_000)
    assert [list(table.rows) for table in tables] == 3 * [[desktop_stream.OURS]]
