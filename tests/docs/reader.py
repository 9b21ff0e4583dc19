"""Somebody who follows a page: does what each of its blocks says, in the order of the page."""

import re
from collections.abc import Callable

from tests.support.hub import ROOT, Person
from tests.support.mcp_client import mcp_client, text_of

from .blocks import RUNS, Block, blocks
from .sandbox import Sandbox


async def in_blender(person: Person, code: str) -> None:
    """Run a program in a person's Blender, as its text editor does."""
    async with mcp_client(person.mcp_url, person.token) as client:
        text_of(await client.call_tool("execute_blender_code", {"code": code}))


class Reader:
    """Does what a page says, and keeps count of it.

    Args:
        sandbox: The reader's machine.
        person: Who reads.
    """

    def __init__(self, sandbox: Sandbox, person: Person) -> None:
        self.sandbox = sandbox
        self.person = person

    async def follow(self, page: str, **events: Callable[[], None]) -> None:
        """Run all blocks of a page.

        Args:
            page: Its path in the project.
            events: What is done for each ``before`` mark, by its words joined by ``_``.
        """
        seen = set()
        for block in blocks(ROOT / page):
            if event := block.marks.get("before"):
                name = re.sub(r"\W+", "_", event.lower().replace("'", ""))
                seen.add(name)
                events[name]()
            await self._do(block)
        assert seen == set(events), "the page no longer has such a mark"

    async def _do(self, block: Block) -> None:
        if name := block.marks.get("file"):
            name, _, added = name.partition(", ")
            self.sandbox.save(name, block.text, added=bool(added))
        elif block.language not in RUNS or "not run" in block.marks:
            return
        elif block.marks.get("in") == "Blender":
            await in_blender(self.person, block.text)
        elif block.marks.get("in") == "JupyterLab's terminal":
            done = self.person.container().exec_run(["bash", "-euc", block.text], workdir="/home/blender")
            assert done.exit_code == 0, f"{block.name}: {done.output.decode()}"
        else:
            assert "in" not in block.marks, f"{block.name}: there is no such place"
            self.sandbox.run(block)
