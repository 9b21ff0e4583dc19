"""Answers kept for some seconds, in bounded memory. Pure, clock injected."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """A small cache whose entries grow old.

    Args:
        seconds: How long an entry is good.
        most: How many are kept; the oldest go first.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, more: float = 0.0) -> T | None:
        """The entry, None when there is none or it has grown too old.

        Args:
            key: Whose.
            more: Seconds for which it is good beyond its time.
        """
        since, value = self._kept.get(key, (float("-inf"), None))
        return value if self._clock() - since <= self._seconds + more else None

    def put(self, key: str, value: T) -> None:
        """Keep an entry."""
        self._kept[key] = (self._clock(), value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def drop(self, key: str) -> None:
        """Forget an entry."""
        self._kept.pop(key, None)
