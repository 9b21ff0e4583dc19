"""Facts as tables: HTML for notebooks, columns of text for terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDEST = 60
"""Most characters of one cell in a text table."""

_LEFT = '<td style="text-align: left">'
_LEFT_HEAD = '<th style="text-align: left">'

Row = Mapping[str, Any]


def words(value: Any) -> str:
    """Return a value as a table's cell says it: short numbers, no brackets round a vector, a dash for nothing."""
    if value is None:
        return "–"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(item)}" for key, item in value.items()) or "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(words, value)) or "–"
    return str(value)


def is_table(value: Any) -> bool:
    """Return whether a value is a list of rows that all have the same columns."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(row, Mapping) for row in value)
    )


def html(facts: Row) -> str:
    """Return facts as an HTML table, with lists of facts as tables below it; everything is escaped."""
    tables = {name: value for name, value in facts.items() if is_table(value)}
    lines = "".join(
        f"<tr>{_LEFT_HEAD}{escape(name)}</th>{_LEFT}{escape(words(value))}</td></tr>"
        for name, value in facts.items()
        if name not in tables
    )
    parts = [f"<table>{lines}</table>"] if lines else []
    for name, rows in tables.items():
        columns = _columns(rows)
        head = "".join(f"{_LEFT_HEAD}{escape(column)}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"{_LEFT}{escape(words(row.get(column)))}</td>" for column in columns) + "</tr>"
            for row in rows
        )
        parts.append(
            f"<p><b>{escape(name)}</b> ({len(rows)})</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    return f"<div>{''.join(parts)}</div>"


def text(facts: Row) -> str:
    """Return facts as lines of text, with lists of facts as columns below them."""
    tables = {name: value for name, value in facts.items() if is_table(value)}
    width = max((len(name) for name in facts if name not in tables), default=0)
    lines = [f"{name:<{width}}  {_line(value)}" for name, value in facts.items() if name not in tables]
    for name, rows in tables.items():
        columns = _columns(rows)
        cells = [columns, *([_line(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
        lines += ["", f"{name} ({len(rows)})"] if lines else [f"{name} ({len(rows)})"]
        lines += ["  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _line(value: Any) -> str:
    line = " ".join(words(value).split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
