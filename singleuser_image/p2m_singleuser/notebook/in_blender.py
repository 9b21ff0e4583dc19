"""What `cells` sends to Blender in front of a cell: runs it with its own line numbers and says in JSON how it went.

It stands alone, without imports from this package: its text runs inside Blender.
"""

import ast
import json
import linecache
import sys
import traceback
from typing import Any

FILENAME = "<cell>"
"""What the cell is called in tracebacks."""


def run_cell(source: str, inputs: dict[str, Any], outputs: list[str], mark: str, names: dict[str, Any]) -> None:
    """Run a cell; then print, after a mark, how it went.

    The value of a last line that is an expression is printed, as a notebook does.

    Args:
        source: The cell.
        inputs: Variables that the cell begins with.
        outputs: Names of variables to hand back.
        mark: What separates the cell's own output from the report, a JSON object: ``{"outputs": {…}}``, or
            ``{"error": {"kind", "message", "trace"}}``.
        names: The globals of the cell.

    Raises:
        BaseException: What the cell raised, so that whoever watches Blender sees that it failed.
    """
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    try:
        names.update(inputs)
        tree = ast.parse(source, FILENAME)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, FILENAME, "exec", dont_inherit=True), names)  # noqa: S102 - what it is for
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), FILENAME, "eval", dont_inherit=True), names)  # noqa: S307
            if value is not None:
                print(repr(value))
        report = {"outputs": {name: as_json(name, names) for name in outputs}}
    except BaseException as error:
        print(mark + json.dumps({"error": describe(error)}))
        raise
    print(mark + json.dumps(report))


def as_json(name: str, names: dict[str, Any]) -> Any:
    """Return a variable as JSON can say it: vectors, arrays and the like as lists.

    Raises:
        NameError: The cell has no such variable.
        TypeError: It is nothing that JSON can say.
    """
    if name not in names:
        raise NameError(f"-o {name}: the cell has set no variable {name!r}")
    value = names[name]
    try:
        return json.loads(json.dumps(value, default=listed))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"-o {name}: a {type(value).__name__} cannot be handed back as JSON ({error}). Hand back numbers, text, "
            "lists or dictionaries, for instance its name."
        ) from None


def listed(value: Any) -> Any:
    """Return what is a sequence as a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} inside")


def describe(error: BaseException) -> dict[str, str]:
    """Return an exception's kind, text and traceback from the cell's first line on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != FILENAME:
        frames = frames.tb_next
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the cell's own class, which may do anything
        message = "<its __str__ failed>"
    trace = "".join(traceback.format_exception(type(error), error, frames))
    sys.stdout.flush()
    return {"kind": type(error).__name__, "message": message, "trace": trace}
