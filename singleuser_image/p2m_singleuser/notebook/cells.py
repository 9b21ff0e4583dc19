"""Run a cell of a notebook inside Blender: its text there, its output, its traceback and its variables back."""

from __future__ import annotations

import json
import keyword
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from p2m_singleuser.notebook.errors import BlenderFailed, BlenderProblem, CodeFailed

_HEAD = "Printed before the error:\n"
"""What the MCP server puts before the output of code that failed."""


@dataclass(frozen=True)
class CellRun:
    """A cell on its way to Blender.

    Attributes:
        code: What `execute_blender_code` gets.
        mark: What separates the cell's output from the report after it.
    """

    code: str
    mark: str

    def read(self, printed: str) -> tuple[str, dict[str, Any]]:
        """Return what the cell printed, and the variables it handed back.

        Args:
            printed: What the code printed in Blender.

        Raises:
            BlenderFailed: The report is missing: something else wrote to Blender's output.
        """
        output, report = self._split(printed)
        return output, report["outputs"]

    def failure(self, text: str) -> BlenderFailed | CodeFailed:
        """Return the error that the MCP server's text stands for."""
        if self.mark not in text:
            return BlenderFailed(text)
        before, report = self._split(text)
        error = report["error"]
        return CodeFailed(error["kind"], error["message"], error["trace"], before.partition(_HEAD)[2])

    def _split(self, text: str) -> tuple[str, dict[str, Any]]:
        output, found, rest = text.rpartition(self.mark)
        if not found:
            raise BlenderFailed("The cell ran, but its end did not come back; it may have replaced sys.stdout.")
        report, _ = json.JSONDecoder().raw_decode(rest)
        return output, report


def prepare(source: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> CellRun:
    """Return what runs a cell in Blender.

    Args:
        source: The cell.
        inputs: Variables to give it.
        outputs: Names of variables to get back.

    Raises:
        BlenderProblem: A name is no variable's, or a value is nothing that JSON can say.
    """
    for name in [*inputs, *outputs]:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BlenderProblem(f"{name!r} is no name of a variable; write names with commas between: -i width,height")
    payload = json.dumps([source, {name: _json(name, value) for name, value in inputs.items()}, list(outputs)])
    mark = f"\x1e{secrets.token_hex(8)}\x1e"
    code = (
        f"{_runner()}\n\nsource, inputs, outputs = json.loads({payload!r})\n"
        f"run_cell(source, inputs, outputs, {mark!r}, PLAIN_NAMES)\n"
    )
    return CellRun(code, mark)


@cache
def _runner() -> str:
    names = "PLAIN_NAMES = dict(globals())\n"  # before the runner's own, which are not the cell's
    return names + (Path(__file__).parent / "in_blender.py").read_text(encoding="utf-8")


def _json(name: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_listed, allow_nan=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise BlenderProblem(
            f"-i {name}: a {type(value).__name__} cannot go to Blender as JSON ({error}). Pass numbers, text, true or "
            "false, lists and dictionaries."
        ) from None


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} inside")
