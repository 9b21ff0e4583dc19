"""The port ledger: pairs with one offset, lowest first, nobody's port twice."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2m_spawner.errors import PortsExhausted
from p2m_spawner.ports import PortLedger, PortPair


def anything(pair: PortPair) -> bool:
    return True


def test_first_owner_gets_the_first_pair_and_the_second_the_next():
    ledger = PortLedger(13000, 10000, 10)
    assert ledger.allocate("ada", anything) == PortPair(13000, 10000)
    assert ledger.allocate("ben", anything) == PortPair(13001, 10001)


def test_a_pair_the_host_uses_is_skipped():
    ledger = PortLedger(13000, 10000, 10)
    assert ledger.allocate("ada", lambda pair: pair.ui != 13000).ui == 13001


def test_a_released_pair_is_given_again():
    ledger = PortLedger(13000, 10000, 2)
    ledger.allocate("ada", anything)
    ledger.allocate("ben", anything)
    ledger.release("ada")
    assert ledger.allocate("cleo", anything).ui == 13000


def test_a_restored_pair_is_not_given_to_others():
    ledger = PortLedger(13000, 10000, 3)
    assert ledger.restore("ada", PortPair(13000, 10000)) == PortPair(13000, 10000)
    assert ledger.allocate("ben", anything).ui == 13001


def test_an_exhausted_range_says_so_to_user_operator_and_metrics():
    ledger = PortLedger(13000, 10000, 1)
    ledger.allocate("ada", anything)
    with pytest.raises(PortsExhausted, match="All places on this machine are taken") as caught:
        ledger.allocate("ben", anything)
    assert caught.value.reason == "ports_exhausted"
    assert "1 of 1" in caught.value.log_message


def test_a_pair_from_outside_the_ranges_blocks_only_its_own_ports():
    ledger = PortLedger(13000, 10000, 3)
    assert ledger.restore("ada", PortPair(ui=10001, mcp=9000)) == PortPair(10001, 9000)
    assert ledger.allocate("ben", anything) == PortPair(13000, 10000)
    assert ledger.allocate("cleo", anything) == PortPair(13002, 10002)


def test_ranges_end_at_the_last_port_there_is():
    ledger = PortLedger(65534, 10000, 1000)
    assert [ledger.allocate(name, anything).ui for name in ("ada", "ben")] == [65534, 65535]
    with pytest.raises(PortsExhausted):
        ledger.allocate("cleo", anything)


class Ledger(RuleBasedStateMachine):
    """Servers come and go, hubs restart, and other programs on the host take and give ports, in any order."""

    SIZE = 6
    owners = st.sampled_from(["ada", "ben", "cleo", "dora"])
    offsets = st.integers(0, SIZE - 1)

    def __init__(self):
        super().__init__()
        self.ledger = PortLedger(13000, 10000, self.SIZE)
        self.held: dict[str, PortPair] = {}
        self.used_by_others: set[int] = set()

    def free(self) -> list[PortPair]:
        pairs = [PortPair(13000 + offset, 10000 + offset) for offset in range(self.SIZE)]
        return [pair for pair in pairs if pair not in self.held.values() and self.used_by_others.isdisjoint(pair)]

    @rule(owner=owners)
    def a_server_starts(self, owner):
        self.held.pop(owner, None)
        free = self.free()
        try:
            pair = self.ledger.allocate(owner, self.used_by_others.isdisjoint)
        except PortsExhausted:
            assert not free
        else:
            assert pair == free[0]
            self.held[owner] = pair

    @rule(owner=owners)
    def a_server_stops_or_fails(self, owner):
        self.ledger.release(owner)
        self.held.pop(owner, None)

    @rule(port=st.builds(int.__add__, st.sampled_from([13000, 10000]), offsets))
    def another_program_takes_or_gives_back_a_port(self, port):
        if all(port not in pair for pair in self.held.values()):
            self.used_by_others ^= {port}

    @rule()
    def the_hub_restarts(self):
        self.ledger = PortLedger(13000, 10000, self.SIZE)
        for owner, pair in self.held.items():
            assert self.ledger.restore(owner, pair) == pair

    @rule(offset=offsets)
    def the_hub_restarts_with_other_ranges(self, offset):
        self.ledger = PortLedger(13000 + offset, 10000 + offset, self.SIZE)
        for owner, pair in self.held.items():
            self.ledger.restore(owner, pair)
        try:
            new = self.ledger.allocate("emil", self.used_by_others.isdisjoint)
        except PortsExhausted:
            pass
        else:
            assert {port for pair in self.held.values() for port in pair}.isdisjoint(new)
        self.the_hub_restarts()

    @invariant()
    def nobody_shares_a_port(self):
        ports = [port for pair in self.held.values() for port in pair]
        assert len(ports) == len(set(ports))


TestLedger = Ledger.TestCase
