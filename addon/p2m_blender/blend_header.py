# SPDX-License-Identifier: GPL-3.0-or-later
"""The original path inside a .blend file. No Blender.

A file that Blender recovers (``wm.recover_auto_save``) opens under the path its ``GLOB`` block names. Blender fills
that in for its own automatic saves only; `set_original_path` does it for a copy that Python saved.

The layout is Blender's own, as its ``doc/blender_file_format`` tells: a header, then blocks, and before the last block
the "SDNA", which describes every struct by name, so that nothing here depends on Blender's version.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_TAIL_BYTES = 1024 * 1024
"""Where the SDNA is looked for; it has 110 to 170 kB."""

_PATH_FIELDS = (b"filename[1024]", b"filepath[1024]")
"""What the field is called: up to Blender 4.5, and in case the name on disk follows the one in memory."""

_PATH_BYTES = 1024


class BlendFileError(Exception):
    """A file is not what Blender writes uncompressed; the text says what is wrong."""


@dataclass(frozen=True)
class _Block:
    """Heads of blocks: how long they are, and where the code and the length of the data stand."""

    layout: struct.Struct
    length_at: int

    def read(self, file: BinaryIO) -> tuple[bytes, int]:
        """Read a head and return the block's code and the length of its data in bytes."""
        head = file.read(self.layout.size)
        if len(head) < self.layout.size:
            raise BlendFileError("the file ends too early")
        fields = self.layout.unpack(head)
        return fields[0], fields[self.length_at]


_BLOCK = _Block(struct.Struct("<4siQii"), 1)
_LARGE_BLOCK = _Block(struct.Struct("<4siQqq"), 3)  # Blender 5.0 and later


def set_original_path(path: Path, original: str) -> None:
    """Write into an uncompressed .blend file which file it is a copy of.

    Args:
        path: The file to change, in place.
        original: Path of the file it is a copy of; empty for a scene that was never saved.

    Raises:
        BlendFileError: It is not an uncompressed .blend file of a 64-bit little-endian Blender, or `original` is too
            long for one.
        OSError: It cannot be read or written.
    """
    text = os.fsencode(original)
    if len(text) >= _PATH_BYTES:
        raise BlendFileError(f"a path of {len(text)} bytes does not fit; the most is {_PATH_BYTES - 1}")
    with path.open("r+b") as file:
        file.seek(_find_path(file))
        file.write(text.ljust(_PATH_BYTES, b"\0"))


def original_path(path: Path) -> str:
    """Return which file an uncompressed .blend file is a copy of; empty for a scene that was never saved.

    Raises:
        BlendFileError: It is not an uncompressed .blend file of a 64-bit little-endian Blender, or not all of one.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        file.seek(_find_path(file))
        return os.fsdecode(file.read(_PATH_BYTES).split(b"\0")[0])


def _find_path(file: BinaryIO) -> int:
    """Return where in a file the original path stands."""
    block = _read_header(file)
    size = os.fstat(file.fileno()).st_size
    while True:
        code, length = block.read(file)
        if not 0 <= length <= size:
            raise BlendFileError("a block is longer than the file")
        if code == b"GLOB":
            break
        if code in (b"ENDB", b"DNA1"):
            raise BlendFileError("there is no GLOB block")
        file.seek(length, os.SEEK_CUR)
    start = file.tell()
    offset = _path_offset(_read_tail(file))
    if offset + _PATH_BYTES > length:
        raise BlendFileError("its GLOB block is shorter than its description")
    return start + offset


def _read_header(file: BinaryIO) -> _Block:
    header = file.read(12)
    if header[:9] == b"BLENDER-v":
        return _BLOCK
    if header[:7] == b"BLENDER" and header[7:9].isdigit():  # "BLENDER17-01v0500"
        file.seek(int(header[7:9]))
        return _LARGE_BLOCK
    raise BlendFileError("it is no uncompressed .blend file of a 64-bit little-endian Blender")


def _read_tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    start = tail.rfind(b"SDNANAME")
    if start < 0:
        raise BlendFileError("there is no SDNA in it")
    return tail[start:]


_offsets: dict[int, int] = {}
"""Offsets found before, by hash of the SDNA: reading it takes milliseconds."""


def _path_offset(sdna: bytes) -> int:
    """Return where in a ``FileGlobal`` the path stands, in bytes."""
    key = hash(sdna)
    if key not in _offsets:
        try:
            _offsets[key] = _read_path_offset(sdna)
        except (struct.error, IndexError, ValueError) as error:
            raise BlendFileError(f"its SDNA cannot be read: {error}") from error
    return _offsets[key]


def _read_path_offset(sdna: bytes) -> int:
    names, at = _strings(sdna, 4, b"NAME")
    types, at = _strings(sdna, at, b"TYPE")
    if sdna[at : at + 4] != b"TLEN":
        raise ValueError("no TLEN")
    lengths = struct.unpack_from(f"<{len(types)}h", sdna, at + 4)
    at = _aligned(at + 4 + 2 * len(types))
    if sdna[at : at + 4] != b"STRC":
        raise ValueError("no STRC")
    (count,) = struct.unpack_from("<i", sdna, at + 4)
    at += 8
    for _ in range(count):
        struct_type, fields = struct.unpack_from("<hh", sdna, at)
        at += 4
        if types[struct_type] == b"FileGlobal":
            break
        at += 4 * fields
    else:
        raise ValueError("no FileGlobal")
    offset = 0
    for field_type, name in struct.iter_unpack("<hh", sdna[at : at + 4 * fields]):
        if names[name] in _PATH_FIELDS:
            return offset
        offset += _size(names[name], lengths[field_type])
    raise ValueError("FileGlobal has no path")


def _strings(sdna: bytes, at: int, code: bytes) -> tuple[list[bytes], int]:
    """Read a list of strings; return it and where the next part begins."""
    if sdna[at : at + 4] != code:
        raise ValueError(f"no {code.decode()}")
    (count,) = struct.unpack_from("<i", sdna, at + 4)
    end = at + 8
    found = []
    for _ in range(count):
        stop = sdna.index(b"\0", end)
        found.append(sdna[end:stop])
        end = stop + 1
    return found, _aligned(end)


def _aligned(position: int) -> int:
    return -(-position // 4) * 4


def _size(name: bytes, length: int) -> int:
    """Return the size of a field, in bytes: pointers have eight, ``name[2][3]`` six times its type's."""
    if name.startswith((b"*", b"(")):
        length = 8
    for part in name.split(b"[")[1:]:
        length *= int(part.rstrip(b"]"))
    return length
