"""The model of what to buy: its page says what it gives, and it follows what it is told."""

import re
from pathlib import Path

import pytest

from bench.capacity import BEGIN, DOCUMENT, END, PEOPLE, Habits, table, update


def numbers(habits: Habits) -> list[list[float]]:
    """People, gigabytes, cores, machines and seconds of each row."""
    rows = table(habits).splitlines()[2:]
    return [[float(each.replace(",", "")) for each in re.findall(r"[\d,]+", row)] for row in rows]


def test_the_page_has_todays_table():
    assert f"{BEGIN}\n{table(Habits())}\n{END}" in DOCUMENT.read_text(encoding="utf-8")


def test_a_row_for_each_number_of_people_and_kind():
    assert [row[0] for row in numbers(Habits())] == [people for people in PEOPLE for _ in ("desktop", "headless")]


def test_more_is_needed_for_more():
    modest, heavy = numbers(Habits()), numbers(Habits(scene_gb=4, moving=0.9))
    for less, more in zip(modest, heavy, strict=True):
        assert less[1] < more[1]
        assert less[2] < more[2]
        assert less[3] <= more[3]
    assert heavy[-2][3] > modest[-2][3]


def test_only_the_table_is_written_anew(tmp_path: Path):
    page = tmp_path / "sizing.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update(page)
    update(page)
    assert page.read_text() == f"before\n{BEGIN}\n{table(Habits())}\n{END}\nafter\n"
    page.write_text("no place\n")
    with pytest.raises(ValueError, match="no place"):
        update(page)
