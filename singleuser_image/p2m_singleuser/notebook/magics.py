"""``%%blender`` and ``%blender_screenshot``."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from p2m_singleuser.notebook import cells
from p2m_singleuser.notebook.clients import BlockingBlender, current
from p2m_singleuser.notebook.errors import BlenderFailed, CodeFailed, NotAllowed
from p2m_singleuser.notebook.pictures import Picture

NO_CODE = (
    "%%blender needs a connection that may run code. Use the tools instead, such as blender.create_object(), or ask "
    "for a token or a profile with full access."
)


@magics_class
class BlenderMagics(Magics):
    """The magics; they use the Blender that was connected last, or this server's own."""

    shell: InteractiveShell

    @magic_arguments()
    @argument(
        "-i", "--input", action="append", default=[], metavar="NAMES", help="variables to pass in: -i width,height"
    )
    @argument("-o", "--output", action="append", default=[], metavar="NAMES", help="variables to get back: -o names")
    @argument("-t", "--timeout", type=float, default=None, metavar="SECONDS", help="how long the cell may take")
    @cell_magic
    def blender(self, line: str, cell: str) -> None:
        """Run the cell inside Blender; ``bpy`` is there. What it prints comes here, and the value of its last line."""
        given = parse_argstring(self.blender, line)
        inputs = {name: self._variable(name) for name in names(given.input)}
        self.shell.push(run(current(), cell, inputs, names(given.output), given.timeout))

    @magic_arguments()
    @argument("view", nargs="?", default="user", help="user, front, back, left, right, top, bottom, iso or camera")
    @argument("-s", "--size", type=int, default=800, metavar="PIXELS", help="longest side of the picture")
    @line_magic
    def blender_screenshot(self, line: str) -> Picture:
        """Show a picture of the scene, as the person at Blender sees it or from another side."""
        given = parse_argstring(self.blender_screenshot, line)
        picture: Picture = current().get_viewport_screenshot(view=given.view, max_size=given.size)
        return picture

    def _variable(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise UsageError(
                f"-i {name}: there is no variable {name!r} in this notebook; run the cell that sets it first"
            )
        return self.shell.user_ns[name]


def names(given: list[str]) -> list[str]:
    """Return the names in options: ``-i a,b -i c`` has three."""
    return [name.strip() for option in given for name in option.split(",") if name.strip()]


def run(
    blender: BlockingBlender, source: str, inputs: dict[str, Any], outputs: list[str], timeout_s: float | None = None
) -> dict[str, Any]:
    """Run a cell in Blender, print what it prints, and return the variables asked for.

    Raises:
        CodeFailed: The cell raised.
        NotAllowed: This connection may not run code.
        BlenderProblem: See `cells.prepare` and the client.
    """
    execute = getattr(blender, "execute_blender_code", None)
    if execute is None:
        raise NotAllowed(NO_CODE)
    prepared = cells.prepare(source, inputs, outputs)
    try:
        done = execute(prepared.code, **({} if timeout_s is None else {"timeout_s": timeout_s}))
    except NotAllowed as error:
        raise NotAllowed(f"{error} {NO_CODE}") from None
    except BlenderFailed as error:
        failure = prepared.failure(str(error))
        if isinstance(failure, CodeFailed):
            sys.stdout.write(failure.output)
        raise failure from None
    output, found = prepared.read(done.result)
    sys.stdout.write(output)
    sys.stderr.write(done.stderr)
    return found
