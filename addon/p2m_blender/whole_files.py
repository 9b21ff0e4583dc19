# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that readers see whole or not at all, also after a crash of the machine. No Blender."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def move_into_place(source: Path, target: Path) -> None:
    """Bring a finished file's content to the disk and let it take the place of another in the same directory.

    Raises:
        OSError: It could not be; `target` is as it was.
    """
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_json(path: Path, document: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace a file by a JSON document.

    Args:
        path: The file.
        document: What to write.
        durable: Whether it must survive a crash of the machine, which takes milliseconds, and not only one of Blender.

    Raises:
        OSError: It could not be written; the file is as it was.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(json.dumps(document), encoding="utf-8")
        if durable:
            move_into_place(fresh, path)
        else:
            fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Return the document in a file; empty if there is none or it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
