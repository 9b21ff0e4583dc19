"""The port ledger: pairs with one offset, lowest first, nobody's port twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.errors import PortsExhausted
from p2m_spawner.ports import PortLedger, PortPair


def anything(pair: PortPair) -> bool:
    return True


def test_first_owner_gets_the_first_pair_and_the_second_the_next():
    ledger = PortLedger(13000, 10000, 10)
    assert ledger.allocate("ada", anything) == PortPair(0, 13000, 10000)
    assert ledger.allocate("ben", anything) == PortPair(1, 13001, 10001)


def test_a_pair_the_host_uses_is_skipped():
    ledger = PortLedger(13000, 10000, 10)
    assert ledger.allocate("ada", lambda pair: pair.ui != 13000).offset == 1


def test_a_released_pair_is_given_again():
    ledger = PortLedger(13000, 10000, 2)
    ledger.allocate("ada", anything)
    ledger.allocate("ben", anything)
    ledger.release("ada")
    assert ledger.allocate("cleo", anything).offset == 0


def test_a_restored_pair_is_not_given_to_others():
    ledger = PortLedger(13000, 10000, 3)
    assert ledger.restore("ada", 0) == PortPair(0, 13000, 10000)
    assert ledger.allocate("ben", anything).offset == 1


def test_an_exhausted_range_says_so_to_user_operator_and_metrics():
    ledger = PortLedger(13000, 10000, 1)
    ledger.allocate("ada", anything)
    with pytest.raises(PortsExhausted, match="All places on this machine are taken") as caught:
        ledger.allocate("ben", anything)
    assert caught.value.reason == "ports_exhausted"
    assert "1 of 1" in caught.value.log_message


owners = st.sampled_from(["ada", "ben", "cleo", "dora", "emil"])


@given(st.lists(st.tuples(st.sampled_from(["allocate", "release"]), owners)))
def test_no_two_owners_ever_share_an_offset_and_the_lowest_free_is_given(steps):
    ledger = PortLedger(13000, 10000, 5)
    held: dict[str, int] = {}
    for step, owner in steps:
        if step == "release":
            ledger.release(owner)
            held.pop(owner, None)
        else:
            held.pop(owner, None)
            offset = ledger.allocate(owner, anything).offset
            assert offset == min(set(range(5)) - set(held.values()))
            held[owner] = offset
