"""Blender from notebooks and scripts: ``blender = await connect()``, ``%%blender``, pictures and tables in place.

Inside a user's server nothing needs to be configured. Elsewhere ``pip install p2m-spawner[client]`` brings this package
under the same name; `connect` then takes the address of the user's MCP endpoint and a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2m_singleuser.notebook.clients import Blender, BlockingBlender, connect, connect_blocking
from p2m_singleuser.notebook.errors import BlenderAway, BlenderFailed, BlenderProblem, CodeFailed, NotAllowed, WrongCall
from p2m_singleuser.notebook.pictures import File, Picture
from p2m_singleuser.notebook.records import Record

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "Blender",
    "BlenderAway",
    "BlenderFailed",
    "BlenderProblem",
    "BlockingBlender",
    "CodeFailed",
    "File",
    "NotAllowed",
    "Picture",
    "Record",
    "WrongCall",
    "connect",
    "connect_blocking",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%%blender`` and ``%blender_screenshot``: what ``%load_ext p2m_singleuser.notebook`` calls."""
    from p2m_singleuser.notebook.magics import BlenderMagics

    shell.register_magics(BlenderMagics)
