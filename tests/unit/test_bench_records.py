"""Records of benchmarks, and the tables and plots that are made of them."""

import re
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench import present
from bench.__main__ import BENCHMARKS
from bench.record import FOLDER, QUANTILES, Cell, Record, Table
from tests.support.pictures import colours

MACHINE = {"processor": "one", "image": "2d76340e44e1"}


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
        lines.add(f"{number},000 agents", "a", [float(number)])
    steps.add("moment 1", "b", [1.5])
    return [bars, steps, lines]


def record(tables: list[Table]) -> Record:
    return Record("x", "2026-11-25T09:00:00+00:00", MACHINE, [table.kept() for table in tables])


def test_a_record_is_kept_and_shown(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- figures x -->\nold\n<!-- end x -->\nafter\n")
    kept = record(an_example())
    assert Record.load(kept.save(tmp_path / "performance")) == kept
    present.update(document)
    once = document.read_text()
    assert "| first | 2.00 | 4.00 | 2.00 |" in once
    assert "| second | 1,234 | over limit | – |" in once
    assert "*Samples of a median: 1 to 3; 2026-11-25; processor: one; image: 2d76340e44e1.*" in once
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
    record(an_example()).save(tmp_path / "performance")
    with pytest.raises(ValueError, match="no place for the figures"):
        present.update(document)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300))
def test_what_is_kept_of_many_samples_has_their_count_least_median_and_most(samples: list[float]):
    cell = Cell()
    cell.add(samples)
    kept = cell.kept()
    assert kept.count == len(samples)
    assert len(kept.samples) == min(len(samples), QUANTILES)
    assert kept.median == pytest.approx(statistics.median(samples), rel=1e-3)
    assert min(kept.samples) == pytest.approx(min(samples), rel=1e-3)
    assert max(kept.samples) == pytest.approx(max(samples), rel=1e-3)


def test_runs_of_one_day_are_put_together():
    first, second = record(an_example()), record(an_example())
    together = second.added_to(first)
    assert together.tables[0].rows["first"]["a"] == Cell(6, [2.0, 1.0, 9.0, 2.0, 1.0, 9.0])
    assert together.tables[0].rows["second"]["b"] == Cell()


def test_runs_of_different_images_are_not_put_together():
    other = replace(record(an_example()), machine={**MACHINE, "image": "586caa2782ea"})
    with pytest.raises(ValueError, match="another image"):
        record(an_example()).added_to(other)


def test_nothing_is_added_to_quantiles():
    many = Table("Bars", "ms", ["a"])
    many.add("first", "a", [float(number) for number in range(100)])
    with pytest.raises(ValueError, match="only quantiles"):
        record([many]).added_to(record([many]))


def test_the_document_shows_every_record_as_it_is():
    shown = present.DOCUMENT.read_text()
    for path in FOLDER.glob("*.json"):
        assert path.stem in BENCHMARKS
        assert len(path.read_text().splitlines()) < 300, path
        for table in Record.load(path).tables:
            assert present.markdown(table) in shown, path
    assert not re.search(r"\]\(performance/(?!\w+-\d\.png\))", shown)
