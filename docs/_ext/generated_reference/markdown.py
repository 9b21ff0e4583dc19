"""Small pieces of Markdown, and the texts of our docstrings as Markdown."""

import inspect
import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar or a line's end in a cell does no harm.

    Args:
        head: Titles of the columns.
        rows: Cells, as many a row as there are titles.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Text as code inside a line; empty text stays empty."""
    return f"`{text}`" if text != "" else ""


def from_docstring(text: str) -> str:
    """A docstring or a trait's ``help`` as Markdown: double backticks are code in both; ``::`` blocks get a fence."""
    return re.sub(
        r"::\n\n((?: {4}.*\n?|\n)+)",
        lambda block: f":\n\n```python\n{inspect.cleandoc(block[1])}\n```\n",
        inspect.cleandoc(text),
    )


def attributes(of: type) -> dict[str, str]:
    """What the docstring of a class says of each of its attributes.

    Args:
        of: The class; its docstring has a section ``Attributes:`` as Google's guide describes it.
    """
    section = inspect.cleandoc(of.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
