"""Example notebooks in the user's home: brought at the first start, renewed while the user leaves them as they are.

What was brought is noted in ``~/.p2m/examples.json``, file by file with a hash. A file that differs from its note is
the user's, one that is gone was removed by the user, one without a note that exists never was ours: all stay as they
are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path("/opt/p2m/share/p2m/examples")
"""Where the image has them."""

FOLDER = "examples"
"""Where they go, in the home."""

_NOTES = Path(".p2m", "examples.json")


def bring_examples(home: Path, source: Path = SOURCE) -> list[str]:
    """Bring what is new among the examples.

    Args:
        home: The user's home.
        source: Folder of the image's examples; without it nothing happens.

    Returns:
        The paths of the files that were written, relative to the folder of the examples.

    Raises:
        OSError: The home cannot be written. What was brought before that is noted.
    """
    target, notes_file = home / FOLDER, home / _NOTES
    former = _read_notes(notes_file)
    if former and not target.exists():
        return []  # the user wants none
    notes, written = dict(former), []
    try:
        for name, content in _files(source):
            digest, known = hashlib.sha256(content).hexdigest(), notes.get(name)
            present = _digest_of(target / name)
            if present == digest:
                notes[name] = digest
            elif present == known:  # also when there is neither a file nor a note
                _write(target / name, content)
                notes[name] = digest
                written.append(name)
    finally:
        if notes != former:
            _write(notes_file, json.dumps(notes, indent=1).encode())
    return written


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            yield path.relative_to(source).as_posix(), path.read_bytes()


def _digest_of(path: Path) -> str | None:
    """Return the hash of a file, None where there is none; something else in its place has a hash of its own."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "a link that leads nowhere" if path.is_symlink() else None
    except OSError:
        return "no file, or not readable"


def _read_notes(path: Path) -> dict[str, str]:
    try:
        notes = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in notes.items()} if isinstance(notes, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
