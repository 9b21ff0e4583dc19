"""The throttle: limits hold, waiting as told is enough, memory is bounded, and nobody is locked out by strangers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.accounts.errors import Throttled
from p2m_spawner.accounts.throttle import NAME_FACTOR, LeakyBuckets, SignInGate, address_key
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> SignInGate:
    return SignInGate(per_name=3, per_address=10, period=60, clock=clock)


def fail(gate: SignInGate, name: str, address: str) -> float:
    """One wrong try; the wait it was refused with, or 0."""
    try:
        gate.enter(name, address)
    except Throttled as throttled:
        assert throttled.retry_after is not None
        return float(throttled.retry_after)
    return 0.0


# buckets


@given(st.integers(1, 20), st.floats(1, 1000), st.lists(st.floats(0, 100), max_size=60))
def test_never_more_events_than_the_limit_and_what_has_drained(limit: int, period: float, pauses: list[float]) -> None:
    clock = Clock()
    start = clock.now
    buckets: LeakyBuckets[str] = LeakyBuckets(limit, period, clock)
    accepted = 0
    for pause in pauses:
        clock.now += pause
        if not buckets.wait("key"):
            buckets.add("key")
            accepted += 1
        assert accepted <= limit + (clock.now - start) * limit / period + 1e-6


@given(st.integers(1, 20), st.floats(1, 1000), st.integers(0, 50))
def test_waiting_as_told_is_enough(limit: int, period: float, events: int) -> None:
    clock = Clock()
    buckets: LeakyBuckets[str] = LeakyBuckets(limit, period, clock)
    for _ in range(events):
        buckets.add("key")
    wait = buckets.wait("key")
    assert 0 <= wait <= period + 1e-6
    clock.now += wait
    assert buckets.wait("key") == pytest.approx(0, abs=1e-6)


@given(st.lists(st.integers(0, 1000), max_size=300))
def test_memory_is_bounded(keys: list[int]) -> None:
    buckets: LeakyBuckets[int] = LeakyBuckets(3, 60, Clock(), max_keys=50)
    for key in keys:
        buckets.add(key)
        assert len(buckets) <= 50
    if keys:
        assert buckets._buckets[keys[-1]], "the newest is remembered"


def test_keys_do_not_touch_each_other(clock: Clock) -> None:
    buckets: LeakyBuckets[str] = LeakyBuckets(1, 60, clock)
    buckets.add("a")
    assert buckets.wait("a") == 60
    assert buckets.wait("b") == 0


# signing in


def test_a_name_is_limited_at_one_address_and_told_how_long(gate: SignInGate, clock: Clock) -> None:
    assert [fail(gate, "ada", "10.0.0.1") for _ in range(4)] == [0, 0, 0, 20]
    clock.now += 20
    assert [fail(gate, "ada", "10.0.0.1") for _ in range(2)] == [0, 20]


def test_refused_tries_do_not_make_the_wait_longer(gate: SignInGate) -> None:
    waits = [fail(gate, "ada", "10.0.0.1") for _ in range(100)]
    assert waits[-1] == 20


def test_an_address_is_limited_over_all_names(gate: SignInGate) -> None:
    waits = [fail(gate, f"name{number}", "10.0.0.1") for number in range(11)]
    assert waits == [0] * 10 + [6]
    assert fail(gate, "name99", "10.0.0.2") == 0


def test_one_stranger_does_not_lock_the_owner_out_elsewhere(gate: SignInGate) -> None:
    for _ in range(1000):
        fail(gate, "ada", "10.0.0.1")
    assert fail(gate, "ada", "10.0.0.2") == 0


def test_many_strangers_are_limited_but_familiar_addresses_are_not(gate: SignInGate) -> None:
    gate.enter("ada", "10.9.9.9")
    gate.succeeded("ada", "10.9.9.9")
    accepted = [fail(gate, "ada", f"10.0.{number // 250}.{number % 250}") == 0 for number in range(1000)]
    assert sum(accepted) == 3 * NAME_FACTOR
    assert fail(gate, "ada", "10.1.1.1") > 0
    assert fail(gate, "ada", "10.9.9.9") == 0
    assert fail(gate, "grace", "10.1.1.1") == 0


def test_success_forgets_the_name_but_not_the_address(gate: SignInGate) -> None:
    for number in range(7):
        fail(gate, f"name{number}", "10.0.0.1")
    for _ in range(5):
        fail(gate, "ada", "10.0.0.1")
        gate.succeeded("ada", "10.0.0.1")
    fail(gate, "ada", "10.0.0.1")
    gate.succeeded("ada", "10.0.0.1")
    assert [fail(gate, f"other{number}", "10.0.0.1") for number in range(4)] == [0, 0, 0, 6]


def test_a_new_password_from_an_administrator_forgets_the_name(gate: SignInGate) -> None:
    for _ in range(3):
        fail(gate, "ada", "10.0.0.1")
    gate.forget("ada")
    assert fail(gate, "ada", "10.0.0.1") == 0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.booleans()), max_size=200))
def test_the_gate_remembers_a_bounded_number_of_names_and_addresses(tries: list[tuple[int, int, bool]]) -> None:
    gate = SignInGate(3, 5, 60, Clock(), max_keys=20)
    for name, address, right in tries:
        if not fail(gate, f"n{name}", f"10.0.{address // 256}.{address % 256}") and right:
            gate.succeeded(f"n{name}", f"10.0.{address // 256}.{address % 256}")
    for kept in (gate._pairs, gate._names, gate._addresses, gate._familiar):
        assert len(kept) <= 20


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
        ("x" * 1000, "x" * 64),
    ],
)
def test_what_counts_as_one_address(address: str, key: str) -> None:
    assert address_key(address) == key


@pytest.mark.parametrize(
    ("wait", "sentence"), [(0.2, "1 second."), (40, "40 seconds."), (60, "1 minute."), (61, "2 minutes.")]
)
def test_the_sentence_says_how_long(wait: float, sentence: str) -> None:
    assert str(Throttled(wait)).endswith(sentence)
