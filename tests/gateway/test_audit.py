"""The audit's files and the search in them."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from p2m_spawner.gateway.audit import KEPT, LONGEST_ARGUMENTS, Audit, ToolCall

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def call(number: int = 0, **fields: Any) -> ToolCall:
    given = {
        "time": NOON + timedelta(seconds=number),
        "user": "ada",
        "client": "REST API",
        "program": "claude-code",
        "tool": "look",
        "outcome": "ok",
        "duration_s": 0.25,
        "mode": "full",
    }
    return ToolCall(**{**given, **fields})


def test_a_call_is_one_line_of_json_and_comes_back_as_it_was(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    audit.record(call(program='two\nlines, 100 %s, "quotes", \ud800'), {"code": "secret"})
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "time": "2026-01-05T12:00:00.000+00:00",
        "user": "ada",
        "client": "REST API",
        "program": 'two\nlines, 100 %s, "quotes", \ud800',
        "tool": "look",
        "outcome": "ok",
        "duration_s": 0.25,
        "mode": "full",
    }
    assert audit.search() == [call(program='two\nlines, 100 %s, "quotes", \ud800')]


def test_arguments_are_kept_only_when_asked_for_and_not_without_end(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", keep_arguments=True)
    audit.record(call(), {"code": "x" * 10 * LONGEST_ARGUMENTS})
    (found,) = audit.search()
    assert found.arguments is not None
    assert found.arguments.startswith('{"code": "xxx')
    assert len(found.arguments) == LONGEST_ARGUMENTS


def test_the_newest_come_first_and_only_those_that_fit(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    for number in range(6):
        user = "ada" if number % 2 else 'bob", "outcome": "error'
        audit.record(call(number, user=user, tool=f"tool{number}", outcome="error" if number > 3 else "ok"))
    assert [found.tool for found in audit.search(limit=2)] == ["tool5", "tool4"]
    assert [found.tool for found in audit.search(user="ada")] == ["tool5", "tool3", "tool1"]
    assert [found.tool for found in audit.search(outcome="error")] == ["tool5", "tool4"]
    assert [found.tool for found in audit.search(user="ada", outcome="ok", tool="tool1")] == ["tool1"]
    assert [found.tool for found in audit.search(since=NOON + timedelta(seconds=4))] == ["tool5", "tool4"]
    assert audit.search(user="nobody") == []


def test_files_are_rotated_private_and_searched_together(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(mode=0o644)
    audit = Audit(path, max_bytes=2000)
    for number in range(100):
        audit.record(call(number))
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(file.stat().st_size <= 2000 for file in files)
    times = [found.time for found in audit.search(limit=1000)]
    assert times == sorted(times, reverse=True)
    assert times[0] == NOON + timedelta(seconds=99)
    assert len(times) > 30


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    audit.record(call(1))
    with path.open("ab") as file:
        file.write(b'{"time": "2026-1\n\xff\xfe\n{"user": "ada"}\n[]\n')
    audit.record(call(2))
    assert [found.time.second for found in audit.search()] == [2, 1]


def test_a_disk_that_takes_nothing_ends_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Audit(tmp_path / "missing" / "audit.jsonl").record(call())
    assert "could not be written" in caplog.text


def test_without_a_file_nothing_is_found(tmp_path: Path) -> None:
    assert Audit(tmp_path / "audit.jsonl").search() == []
