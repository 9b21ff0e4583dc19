"""The fenced blocks of a page, and what its text says about running them.

Every block of a language that runs (`RUNS`) is run, in the order of the page. A comment on the line above a block says
more, invisible to readers, in MyST and on GitHub alike:

- ``<!-- not run: REASON -->``: it cannot be run here, and why.
- ``<!-- in: PLACE -->``: it runs there instead of in a terminal on the hub's machine.
- ``<!-- file: NAME -->``: it is saved under this name, as the text around it tells the reader to.
- ``<!-- before: EVENT -->``: something that no command does happens first.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

RUNS = {"sh", "console", "python"}
"""Languages whose blocks run."""

DATA = {"json", "yaml", "text", "nginx"}
"""Languages whose blocks are read, or saved to a file."""

MARKS = {"not run", "in", "file", "before"}

BLOCK = re.compile(
    r"(?P<marks>(?:^<!-- [a-z ]+: .+ -->\n)*)"
    r"^(?P<fence>`{3,}|:{3,})(?P<language>\S*).*\n(?P<text>(?s:.*?))^(?P=fence)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: File that it is in.
        line: Number of its first line.
        language: What it is written in.
        text: What is in it.
        marks: What comments above it say of it, by their words.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, without the directives of MyST.

    Raises:
        ValueError: A block, or a comment above one, that nobody knows what to do with.
    """
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        if match["language"].startswith("{"):
            continue
        line = text.count("\n", 0, match.start("fence")) + 1
        marks = dict(re.findall(r"<!-- ([a-z ]+): (.+) -->", match["marks"]))
        block = Block(page, line, match["language"], match["text"], marks)
        if unknown := set(marks) - MARKS:
            raise ValueError(f"{block.name}: nobody knows the mark {unknown}.")
        if block.language not in RUNS | DATA:
            raise ValueError(f"{block.name}: the language {block.language!r} neither runs nor is known as data.")
        found.append(block)
    return found
