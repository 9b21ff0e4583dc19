"""The queue of starts: how many go on, in which order, and who is told what."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.start_queue import StartQueue, Turn


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


def ask(queue: StartQueue, at_once: int, told: list[int] | None = None) -> asyncio.Task[Turn]:
    return asyncio.ensure_future(queue.turn(at_once, (told if told is not None else []).append))


async def test_more_than_go_at_once_wait_in_order_and_hear_their_place():
    queue = StartQueue()
    places: list[list[int]] = [[] for _ in range(4)]
    starts = [ask(queue, 2, told) for told in places]
    await settled()
    assert [start.done() for start in starts] == [True, True, False, False]
    assert places == [[], [], [1], [2]]

    starts[1].result().end()
    starts[1].result().end()  # again does nothing
    await settled()
    assert [start.done() for start in starts] == [True, True, True, False]
    assert places == [[], [], [1], [2, 1]]

    starts[0].result().end()
    await settled()
    assert starts[3].done()


async def test_who_gives_up_makes_room_for_those_behind():
    queue = StartQueue()
    places: list[list[int]] = [[] for _ in range(3)]
    starts = [ask(queue, 1, told) for told in places]
    await settled()
    starts[1].cancel()
    await settled()
    assert places[2] == [2, 1]
    starts[0].result().end()
    await settled()
    assert starts[2].done()


async def test_a_turn_that_comes_in_the_moment_of_giving_up_goes_to_the_next():
    queue = StartQueue()
    starts = [ask(queue, 1) for _ in range(3)]
    await settled()
    starts[0].result().end()
    starts[1].cancel()
    await settled()
    assert starts[1].cancelled()
    assert starts[2].done()


async def test_a_start_that_hangs_holds_nobody_back_for_long():
    queue = StartQueue(seconds=0.05)
    await queue.turn(1, [].append)
    async with asyncio.timeout(5):
        await queue.turn(1, [].append)


@given(
    at_once=st.integers(1, 4),
    acts=st.lists(st.tuples(st.sampled_from(["ask", "end", "give up"]), st.integers(0, 30)), max_size=60),
)
def test_never_more_than_allowed_never_an_idle_turn(at_once: int, acts: list[tuple[str, int]]):
    async def run() -> None:
        queue = StartQueue()
        asked: list[asyncio.Task[Turn]] = []
        ended: set[int] = set()
        for act, number in acts:
            if act == "ask":
                asked.append(ask(queue, at_once))
            elif asked:
                index = number % len(asked)
                start = asked[index]
                if act == "end" and start.done() and not start.cancelled():
                    start.result().end()
                    ended.add(index)
                elif act == "give up":
                    start.cancel()  # of one that has its turn it changes nothing
            await settled()
            going = [i for i, start in enumerate(asked) if start.done() and not start.cancelled() and i not in ended]
            waiting = [start for start in asked if not start.done()]
            assert len(going) <= at_once
            assert not waiting or len(going) == at_once
        for start in asked:
            start.cancel()
        await settled()

    asyncio.run(run())
