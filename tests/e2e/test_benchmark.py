"""The benchmarks work, with few samples; they judge no time here."""

from pathlib import Path

import pytest
from PIL import Image

from bench import agents, footprint, gateway_latency, messages, present, roundtrip, spawn, ten_users
from bench.record import Record, Table, record
from bench.upstream import NAME as UPSTREAM
from tests.support.pictures import colours

alone = pytest.mark.alone


def sane(tables: list[Table], most: float) -> None:
    """Every cell has samples, all of them above nothing and below a bound."""
    for table in tables:
        assert table.rows
        for row, cells in table.rows.items():
            assert cells, (table.title, row)
            for column, samples in cells.items():
                assert column in table.columns
                assert samples, (table.title, row, column)
                assert all(0 < sample < most for sample in samples), (table.title, row, column, samples)


@alone
def test_starts():
    whole, parts = spawn.measure(runs=1, warm_ups=0)
    sane([whole, parts], most=spawn.DEADLINE)
    assert list(whole.rows[spawn.BLENDER_ANSWERS]) == list(spawn.SIDES)
    assert list(parts.rows)[:2] == ["container created", "container started"]
    for moment in ("X accepts clients", "Blender listens", "Jupyter has imported", spawn.FIRST_ANSWER):
        assert spawn.OURS in parts.rows[moment]


@alone
def test_a_rush():
    (table,) = ten_users.measure(users=1)
    sane([table], most=spawn.DEADLINE)
    assert len(table.rows) == 3


@alone
def test_round_trips_and_large_messages_beside_upstream():
    (trips,) = roundtrip.measure(rounds=1, calls=3)
    sane([trips], most=10_000)
    assert list(trips.rows) == [*roundtrip.INSIDE, roundtrip.THROUGH_HUB, roundtrip.THROUGH_GATEWAY]
    assert set(trips.rows["raw socket"]) == {roundtrip.OURS, UPSTREAM}
    (large,) = messages.measure(runs=1, megabytes=(1,))
    sane([large], most=messages.LIMIT_S)
    assert list(large.rows["1 MB"]) == large.columns


@alone
def test_agents_on_one_blender():
    rate, latency = agents.measure(runs=1, seconds=0.5, counts=(1, 2))
    sane([rate, latency], most=10_000)
    assert list(rate.rows) == ["1 agents", "2 agents"]


@alone
def test_what_an_idle_user_costs():
    memory, cpu = footprint.measure(runs=1, seconds=1, settle=0)
    sane([memory, cpu], most=4096)
    assert list(memory.rows) == list(cpu.rows) == [
        "p2m desktop", "p2m headless", footprint.THEIRS, footprint.VIEWER
    ]  # fmt: skip


@alone
def test_the_one_mcp_address():
    latency, memory = gateway_latency.measure(rounds=1, streams=3)
    sane([latency, memory], most=10_000)
    assert list(latency.rows) == list(gateway_latency.METHODS)


def an_example() -> list[Table]:
    bars = Table("Bars", "ms", ["a", "b"], ratio=("a", "b"))
    bars.add("first", "a", [2.0, 1.0, 9.0])
    bars.add("first", "b", [4.0])
    bars.add("second", "a", [1234.5])
    bars.add("second", "b", [])
    steps = Table("Steps", "s", ["a", "b"], plot="steps")
    lines = Table("Lines", "calls/s", ["a"], plot="lines")
    for number in (1, 2):
        steps.add(f"moment {number}", "a", [float(number)])
        lines.add(f"{number} agents", "a", [float(number)])
    steps.add("moment 1", "b", [1.5])
    return [bars, steps, lines]


def test_a_record_is_kept_and_shown(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- figures x -->\nold\n<!-- end x -->\nafter\n")
    kept = record("x", an_example())
    assert Record.load(kept.save(tmp_path / "performance")) == kept
    present.update(document)
    once = document.read_text()
    assert "| first | 2.00 | 4.00 | 2.00 |" in once
    assert "| second | 1,234 | over limit | – |" in once
    assert "old" not in once and once.startswith("before\n") and once.endswith("after\n")
    for place in (1, 2, 3):
        assert f"(performance/x-{place}.png)" in once
        with Image.open(tmp_path / "performance" / f"x-{place}.png") as picture:
            assert picture.width > 700
            assert colours(picture.convert("RGB")) > 20
    present.update(document)
    assert document.read_text() == once


def test_a_record_without_a_place_in_the_document_is_an_error(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text("nothing")
    record("x", an_example()).save(tmp_path / "performance")
    with pytest.raises(ValueError, match="no place for the figures"):
        present.update(document)
