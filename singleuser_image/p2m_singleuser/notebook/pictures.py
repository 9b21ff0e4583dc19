"""Pictures and other files that a tool returns, as notebooks show them."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class File:
    """A file's content.

    Attributes:
        data: The bytes.
        mime_type: What kind it is, such as ``model/gltf-binary``.
        name: Its name, empty when it has none.
    """

    data: bytes = field(repr=False)
    mime_type: str
    name: str = ""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to a file of the machine this runs on, replacing it, and return its path.

        Raises:
            OSError: It cannot be written.
        """
        written = Path(path)
        written.write_bytes(self.data)
        return written

    def __str__(self) -> str:
        return f"{self.name or self.mime_type}, {len(self.data):,} bytes"


@dataclass(frozen=True)
class Picture(File):
    """A picture; the last value of a cell shows it."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {self.mime_type: base64.b64encode(self.data).decode("ascii"), "text/plain": str(self)}


@dataclass(frozen=True)
class Animation(Picture):
    """A picture that moves.

    It is shown inside HTML: front ends that know nothing of the type image/webp show it too.
    """

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        data = base64.b64encode(self.data).decode("ascii")
        tag = f'<img src="data:{self.mime_type};base64,{data}" alt="The scene, turning">'
        return {"text/html": tag, "text/plain": str(self)}
