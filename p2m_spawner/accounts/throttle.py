"""How often somebody may try: leaky buckets in bounded memory, and the rules for signing in. Pure, clock injected."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from p2m_spawner.accounts.errors import Throttled

MAX_KEYS = 20_000
"""Names and addresses remembered at once (about 4 MB); the ones not seen for longest are forgotten first."""

NAME_FACTOR = 10
"""A name may be tried this many times as often by all addresses together as by one of them."""

_ROUNDING = 1e-9

Key = TypeVar("Key", bound=Hashable)


def address_key(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, which is what one subscriber gets."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))


class LeakyBuckets(Generic[Key]):
    """One bucket a key: each event fills it by one, and it drains from full to empty in `period`.

    Args:
        limit: events a bucket holds (the longest burst).
        period: seconds in which a full bucket drains.
        clock: monotonic seconds.
        max_keys: buckets kept at most.
    """

    def __init__(self, limit: int, period: float, clock: Callable[[], float], max_keys: int = MAX_KEYS) -> None:
        self._limit = limit
        self._rate = limit / period
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: Key) -> float:
        """Seconds until one more event fits; 0.0 when it fits now."""
        overflow = self._level(key) + 1 - self._limit
        return overflow / self._rate if overflow > _ROUNDING else 0.0

    def add(self, key: Key, events: int = 1) -> None:
        """Count events (a negative number takes them back); a full bucket stays just full."""
        level = min(float(self._limit), max(0.0, self._level(key) + events))
        self._buckets[key] = (level, self._clock())
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)

    def reset(self, key: Key) -> None:
        """Forget a key."""
        self._buckets.pop(key, None)

    def forget(self, matches: Callable[[Key], bool]) -> None:
        """Forget every key that `matches`."""
        for key in [key for key in self._buckets if matches(key)]:
            del self._buckets[key]

    def _level(self, key: Key) -> float:
        level, since = self._buckets.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - since) * self._rate)


class SignInGate:
    """Limits failed sign-ins per name and per address without letting a stranger lock somebody out.

    - One address may try one name `per_name` times, and any names `per_address` times.
    - All addresses together may try one name `NAME_FACTOR * per_name` times. That limit does not hold for addresses
      from which the name has signed in before, so an attack from many addresses leaves its owner in.

    A try is counted before its password is checked, so that parallel tries cannot slip through, and taken back when
    it was right. Refused tries are not counted: waiting as told is enough.
    """

    def __init__(
        self,
        per_name: int,
        per_address: int,
        period: float,
        clock: Callable[[], float],
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._pairs: LeakyBuckets[tuple[str, str]] = LeakyBuckets(per_name, period, clock, max_keys)
        self._names: LeakyBuckets[str] = LeakyBuckets(per_name * NAME_FACTOR, period, clock, max_keys)
        self._addresses: LeakyBuckets[str] = LeakyBuckets(per_address, period, clock, max_keys)
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._max_keys = max_keys

    def enter(self, name: str, address: str) -> None:
        """Count one try.

        Raises:
            Throttled: too many tries; nothing was counted.
        """
        where = address_key(address)
        pair = (name, where)
        wait = max(self._pairs.wait(pair), self._addresses.wait(where))
        if pair not in self._familiar:
            wait = max(wait, self._names.wait(name))
        if wait:
            raise Throttled(wait)
        self._pairs.add(pair)
        self._names.add(name)
        self._addresses.add(where)

    def succeeded(self, name: str, address: str) -> None:
        """The password was right: forget what was counted for the name, and take the try back from the address."""
        where = address_key(address)
        self._pairs.reset((name, where))
        self._names.reset(name)
        self._addresses.add(where, -1)
        self._familiar[name, where] = None
        self._familiar.move_to_end((name, where))
        while len(self._familiar) > self._max_keys:
            self._familiar.popitem(last=False)

    def forget(self, name: str) -> None:
        """Forget the name's own counters, for an administrator who gave out a new password."""
        self._names.reset(name)
        self._pairs.forget(lambda pair: pair[0] == name)
