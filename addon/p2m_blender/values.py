# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and colours from clients, and back to them. No Blender."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from .registry import CommandError

Colour = tuple[float, float, float]
"""Red, green, blue in scene-linear light, as Blender computes with."""

_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


def rounded(values: Iterable[float]) -> list[float | None]:
    """Return numbers with the six digits a 32-bit float means; None for what is not finite."""
    return [float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None for value in values]


def finite(name: str, values: Sequence[float], count: int) -> tuple[float, ...]:
    """Return a client's list of numbers.

    Args:
        name: The parameter, for the error.
        values: What the client sent.
        count: How many there must be.

    Raises:
        CommandError: There are more or fewer, or one is infinite or no number.
    """
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise CommandError(f"{name} must be {count} finite numbers, got {list(values)}")
    return tuple(map(float, values))


def within(name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Check that a number is in a range, its ends included.

    Raises:
        CommandError: It is outside, or no number.
    """
    if not lowest <= value <= highest or math.isinf(value):
        text = f"at least {lowest:g}" if math.isinf(highest) else f"{lowest:g} to {highest:g}"
        raise CommandError(f"{name} must be {text}, got {value:g}")


def positive(name: str, *values: float) -> None:
    """Check that numbers are above zero.

    Raises:
        CommandError: One is not, or is infinite.
    """
    for value in values:
        if not (value > 0 and math.isfinite(value)):
            raise CommandError(f"{name} must be above 0, got {value:g}")


def colour(name: str, value: Sequence[float] | str) -> Colour:
    """Return a client's colour in scene-linear light.

    Args:
        name: The parameter, for the error.
        value: Three linear numbers from 0 to 1, or ``"#rrggbb"`` as screens show it (sRGB).

    Raises:
        CommandError: It is neither.
    """
    if isinstance(value, str):
        match = _HEX.fullmatch(value.strip())
        if match is None:
            raise CommandError(f"{name} must be '#rrggbb' or three numbers from 0 to 1, got {value!r}")
        red, green, blue = (_linear(byte / 255) for byte in bytes.fromhex(match[1]))
        return red, green, blue
    red, green, blue = finite(name, value, 3)
    for part in (red, green, blue):
        within(name, part, 0, 1)
    return red, green, blue


def _linear(value: float) -> float:
    """Decode one sRGB channel (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
