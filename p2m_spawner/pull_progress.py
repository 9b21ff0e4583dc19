"""How far the pull of an image is, from what the engine says of its layers. Pure: no engine, no clock.

The messages are those of the Engine API's ``POST /images/create``: each has a layer's ``id``, a ``status`` and, while
bytes move, ``progressDetail`` with ``current`` and ``total``. The size of a layer is known only when it is being
fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DOWNLOAD_SHARE = 0.75
"""Share of a pull that is the download; the rest is unpacking."""

MB = 1_000_000


@dataclass
class _Layer:
    """One layer that is being pulled, in bytes as they come over the network; ``size`` is None until it is known."""

    size: int | None = None
    fetched: int = 0
    unpacked: int = 0


class PullProgress:
    """Adds up what the engine says."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._fetched_share = 0.0
        self._unpacked_share = 0.0

    def add(self, message: Mapping[str, Any]) -> None:
        """Count one message; those that say nothing of a layer change nothing."""
        status, name = message.get("status"), message.get("id")
        detail = message.get("progressDetail") or {}
        current, total = detail.get("current") or 0, detail.get("total") or 0
        if status in ("Pulling fs layer", "Waiting"):
            self._layers.setdefault(str(name), _Layer())
        elif status == "Downloading":
            layer = self._layers.setdefault(str(name), _Layer())
            layer.fetched = current
            if total > 0:
                layer.size = max(total, current)
        elif status in ("Verifying Checksum", "Download complete", "Extracting", "Pull complete"):
            layer = self._layers.setdefault(str(name), _Layer())
            layer.size = layer.fetched = max(layer.size or 0, layer.fetched)
            if status == "Pull complete":
                layer.unpacked = layer.size
            elif status == "Extracting" and total > 0:  # newer engines count seconds and know no total
                layer.unpacked = round(layer.size * min(current / total, 1.0))
        layers = self._layers.values()
        self._fetched_share = max(self._fetched_share, self._share(sum(layer.fetched for layer in layers)))
        self._unpacked_share = max(self._unpacked_share, self._share(sum(layer.unpacked for layer in layers)))

    @property
    def fraction(self) -> float:
        """How much of the pull is done, 0 to 1; never shrinks."""
        return DOWNLOAD_SHARE * self._fetched_share + (1 - DOWNLOAD_SHARE) * self._unpacked_share

    @property
    def sentence(self) -> str:
        """What is being done, for the user."""
        known = sum(layer.size or 0 for layer in self._layers.values())
        if not known:
            return "Pulling the Blender image …"
        fetched = sum(layer.fetched for layer in self._layers.values())
        if self._all_sizes_known and fetched >= known:
            return f"Unpacking the Blender image ({_percent(self._unpacked_share)}) …"
        of = "of" if self._all_sizes_known else "of at least"
        return f"Pulling the Blender image: {_mb(fetched)} {of} {_mb(known)} MB ({_percent(self._fetched_share)}) …"

    @property
    def _all_sizes_known(self) -> bool:
        return all(layer.size is not None for layer in self._layers.values())

    def _share(self, done: int) -> float:
        """Share of all bytes; layers of unknown size count as much as the mean of the others."""
        sizes = [layer.size for layer in self._layers.values() if layer.size is not None]
        if not sum(sizes):
            return 0.0
        return min(done * len(sizes) / (sum(sizes) * len(self._layers)), 1.0)


def _mb(size: int) -> str:
    return f"{size / MB:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
