"""Every command of README and tutorials is run, in order, on a reader's machine with a real hub.

The tests follow each other as a reader's day does: the teacher starts the hub, Ada uses it, an agent works for her; the
README, which has both of its commands in one block, comes last.
"""

import re
from pathlib import Path

import pytest

from tests.support.hub import ROOT, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png

from .blocks import RUNS, Block, blocks
from .sandbox import Sandbox

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/tutorials").glob("*.md"))]


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

    async def follow(self, page: str, **events) -> None:
        """Run all blocks of a page.

        Args:
            page: Its path in the project.
            events: What is done for each ``before`` mark, by its words joined by ``_``.
        """
        seen = set()
        for block in blocks(ROOT / page):
            if event := block.marks.get("before"):
                name = event.lower().replace("-", "_").replace(" ", "_")
                seen.add(name)
                events[name]()
            await self._do(block)
        assert seen == set(events), "the page no longer has such a mark"

    async def _do(self, block: Block) -> None:
        if name := block.marks.get("file"):
            self.sandbox.save(name, block.text)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_run_has_a_reason(page: Path) -> None:
    """Every block is read, so each either runs or is named with a reason; nothing is skipped in silence."""
    text = page.read_text()
    found = blocks(page)
    assert found
    assert len(found) == len(re.findall(r"^```\w", text, re.MULTILINE)), "a fenced block that is not understood"
    assert re.findall(r"^(?: {4,}|\t)\S", re.sub(r"(?ms)^```.*?^```$", "", text), re.MULTILINE) == [], "indented code"
    for block in found:
        assert len(block.marks.get("not run", "a good reason")) > 10, block.name
    assert text.count("<!-- ") == sum(len(block.marks) for block in found), "a mark that stands above no block"


def test_a_mark_that_nobody_knows_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- skipped: why not -->\n```sh\nfalse\n```\n")
    with pytest.raises(ValueError, match="skipped"):
        blocks(page)


async def test_the_tutorial_for_a_teacher(sandbox: Sandbox, ada: Person) -> None:
    admin = Person(sandbox.hub, "admin", "")
    reader = Reader(sandbox, ada)

    def ada_joins() -> None:
        ada.sign_up().log_in().start_server()

    def ctrl_c() -> None:
        sandbox.control_c()

    def a_new_start() -> None:
        ada.stop_server()
        ada.start_server(profile="class")

    def a_token() -> None:
        admin.password = sandbox.hub.admin_password
        sandbox.replaced["paste-it-here"] = admin.log_in().token

    await reader.follow(
        "docs/tutorials/operator.md", ada_joins=ada_joins, ctrl_c=ctrl_c, a_new_start=a_new_start, a_token=a_token
    )
    assert sandbox.hub.containers() == []


async def test_the_tutorial_for_a_student(sandbox: Sandbox, ada: Person) -> None:
    sandbox.make_up()
    ada.log_in().start_server()
    await Reader(sandbox, ada).follow("docs/tutorials/student.md")
    async with mcp_client(ada.mcp_url, ada.token) as client:
        scene = await client.call_tool("get_scene_info", {})
    assert {"Nose", "Sphere"} <= {item["name"] for item in scene.structured_content["objects"]}
    picture = ada.container().exec_run(["cat", "/home/blender/snowman.png"]).output
    assert colours(open_png(picture)) > 50


async def test_the_tutorial_for_an_agents_user(sandbox: Sandbox, ada: Person) -> None:
    sandbox.replaced["paste-it-here"] = ada.token
    await Reader(sandbox, ada).follow("docs/tutorials/agent.md")
    assert colours(open_png(sandbox.read("table.png"))) > 50


async def test_the_readme(sandbox: Sandbox, ada: Person) -> None:
    sandbox.control_c()

    def a_token() -> None:
        sandbox.make_up()
        sandbox.replaced["paste-it-here"] = ada.log_in().token

    await Reader(sandbox, ada).follow("README.md", a_token=a_token)
