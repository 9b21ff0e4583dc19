"""The add-on's command table: parameters are checked against signatures, and no command can end Blender's loop."""

from typing import Any, Literal

import pytest

from p2m_blender.registry import CommandError, CommandTable
from p2m_blender.wire import Failure, Success

table = CommandTable()


@table.command("draw")
def draw(
    name: str, size: float = 1.0, count: int = 1, mode: Literal["a", "b"] = "a", tags: list[str] | None = None
) -> Any:
    return {"name": name, "size": size, "count": count, "mode": mode, "tags": tags}


@table.command("status", off_main=True)
def status() -> str:
    return "ok"


@table.command("quit")
def leave(code: int) -> None:
    raise SystemExit(code)


def test_good_parameters_run():
    command = table.find("draw")
    params = {"name": "x", "size": 2, "tags": ["t"]}
    command.check(params)
    assert command.run(params) == Success({"name": "x", "size": 2, "count": 1, "mode": "a", "tags": ["t"]})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "draw: missing parameter 'name'"),
        ({"name": "x", "colour": 1, "alpha": 2}, "draw: unknown parameter 'alpha', 'colour'; it takes: name, size"),
        ({"name": 5}, "parameter 'name' must be str, got int"),
        ({"name": None}, "parameter 'name' must be str, got NoneType"),
        ({"name": "x", "size": "big"}, "parameter 'size' must be float, got str"),
        ({"name": "x", "count": 1.5}, "parameter 'count' must be int, got float"),
        ({"name": "x", "count": True}, "parameter 'count' must be int, got bool"),
        ({"name": "x", "mode": "c"}, "parameter 'mode' must be 'a' or 'b', got str"),
        ({"name": "x", "tags": [1]}, "parameter 'tags' must be list[str] or null, got list"),
    ],
)
def test_wrong_parameters_are_named(params, words):
    with pytest.raises(CommandError) as caught:
        table.find("draw").check(params)
    assert words in str(caught.value)
    assert caught.value.failure.type == "ParameterError"


def test_an_unknown_command_is_said_as_upstream_says_it():
    with pytest.raises(CommandError, match=r"^Unknown command type: dance$"):
        table.find("dance")


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), RecursionError("deep")])
def test_whatever_a_command_raises_is_an_answer(error):
    other = CommandTable()

    @other.command("fail")
    def fail() -> None:
        raise error

    outcome = other.find("fail").run({})
    assert isinstance(outcome, Failure)
    assert outcome.type == type(error).__name__


def test_a_name_is_taken_once_only():
    with pytest.raises(ValueError, match="exists"):
        table.command("draw")(status)


def test_the_table_lists_its_names_in_order():
    assert list(table) == ["draw", "quit", "status"]
    assert table.find("status").off_main
    assert not table.find("draw").off_main
