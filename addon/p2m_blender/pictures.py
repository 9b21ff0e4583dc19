# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as bytes: PNG encoding, and several pictures with their names on one sheet. No Blender."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

_GLYPH_COLUMNS = {
    "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901",
    "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01", "K": "7f08142241", "L": "7f40404040",
    "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e", "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946",
    "S": "4649494931", "T": "01017f0101", "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463",
    "Y": "0708700807", "Z": "6151494543",
}  # fmt: skip
"""Letters of five columns, two hexadecimal digits each; the lowest bit is the top row."""

_GLYPH_ROWS = 7
_LETTER = 2
"""Pixels of the picture for each pixel of a letter, in both directions."""

_MARGIN = 4
_INK, _PAPER, _GAP_COLOUR = b"\xf0\xf0\xf0\xff", b"\x18\x18\x18\xff", b"\x00\x00\x00\xff"
_GAP = 2
"""Pixels between two pictures of a sheet."""


@dataclass(frozen=True)
class Picture:
    """Pixels.

    Attributes:
        width: In pixels.
        height: In pixels.
        rgba: Four bytes a pixel, the topmost row first.
    """

    width: int
    height: int
    rgba: bytes

    @classmethod
    def from_lowest_row(cls, width: int, height: int, rgba: bytes) -> Picture:
        """Return a picture of pixels whose lowest row comes first, as OpenGL and Blender have them."""
        stride = 4 * width
        return cls(width, height, b"".join(rgba[stride * row : stride * (row + 1)] for row in reversed(range(height))))

    def row(self, y: int) -> bytes:
        """Return one row, counted from the top."""
        stride = 4 * self.width
        return self.rgba[stride * y : stride * (y + 1)]


def png(picture: Picture) -> bytes:
    """Encode a picture as an opaque PNG."""
    width, height = picture.width, picture.height
    stride = 3 * width + 1  # each row begins with its filter: 0, none
    rows = bytearray(stride * height)
    for y in range(height):
        source = picture.row(y)
        start, end = y * stride + 1, (y + 1) * stride
        for channel in range(3):
            rows[start + channel : end : 3] = source[channel::4]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def columns_of_sheet(count: int) -> int:
    """Return how many pictures stand side by side on a sheet of `count`."""
    return math.ceil(math.sqrt(count))


def contact_sheet(labelled: Sequence[tuple[str, Picture]]) -> Picture:
    """Put pictures on one sheet, row by row, each with its name in its top left corner.

    Args:
        labelled: Name (letters only; others show as blanks) and picture; at least one. Cells are as large as the
            largest picture; a smaller one stands in the middle of its cell.

    Returns:
        The sheet.
    """
    cell_width = max(picture.width for _, picture in labelled)
    cell_height = max(picture.height for _, picture in labelled)
    columns = columns_of_sheet(len(labelled))
    rows = math.ceil(len(labelled) / columns)
    width, height = columns * (cell_width + _GAP) - _GAP, rows * (cell_height + _GAP) - _GAP
    sheet = bytearray(_GAP_COLOUR * (width * height))
    for index, (label, picture) in enumerate(labelled):
        row, column = divmod(index, columns)
        left, top = column * (cell_width + _GAP), row * (cell_height + _GAP)
        _paste(
            sheet, width, picture, left + (cell_width - picture.width) // 2, top + (cell_height - picture.height) // 2
        )
        _paste(sheet, width, _cropped(_label(label), cell_width, cell_height), left, top)
    return Picture(width, height, bytes(sheet))


def _paste(sheet: bytearray, sheet_width: int, picture: Picture, left: int, top: int) -> None:
    for y in range(picture.height):
        start = 4 * ((top + y) * sheet_width + left)
        sheet[start : start + 4 * picture.width] = picture.row(y)


def _cropped(picture: Picture, width: int, height: int) -> Picture:
    width, height = min(width, picture.width), min(height, picture.height)
    return Picture(width, height, b"".join(picture.row(y)[: 4 * width] for y in range(height)))


def _label(text: str) -> Picture:
    """Draw a word on a dark ground."""
    blank = "00" * 5
    columns = [column for letter in text.upper() for column in bytes.fromhex(_GLYPH_COLUMNS.get(letter, blank) + "00")]
    side = _PAPER * _MARGIN
    width = 2 * _MARGIN + _LETTER * len(columns)
    lines = [
        side + b"".join((_INK if column >> bit & 1 else _PAPER) * _LETTER for column in columns) + side
        for bit in range(_GLYPH_ROWS)
        for _ in range(_LETTER)
    ]
    empty = [_PAPER * width] * _MARGIN
    rows = [*empty, *lines, *empty]
    return Picture(width, len(rows), b"".join(rows))
