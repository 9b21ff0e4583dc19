"""Interrupts strike the code they are meant for, and nothing before or after it."""

import threading
import time

import pytest

from p2m_blender import interrupt
from p2m_blender.interrupt import Interrupt, Interrupted, Window


def interrupt_soon(window: Window, seconds: float = 0.05) -> threading.Thread:
    thread = threading.Thread(target=lambda: (time.sleep(seconds), window.interrupt("too late")))
    thread.start()
    return thread


def test_an_endless_loop_ends_with_the_reason_and_the_place():
    window = Window()
    thread = interrupt_soon(window)

    def endless():
        while True:
            pass

    with pytest.raises(Interrupted, match="too late") as caught:
        window.run(endless)
    thread.join()
    assert isinstance(caught.value.__cause__, Interrupt)
    assert caught.traceback
    assert caught.value.failure.type == "DeadlineExceeded"


def test_what_should_end_before_it_begins_does_not_begin():
    window = Window()
    window.interrupt("too late")
    with pytest.raises(Interrupted):
        window.run(lambda: pytest.fail("ran"))


def test_code_that_swallows_an_interrupt_is_ended_by_a_later_one():
    window = Window()
    swallowed = []

    def stubborn():
        while True:
            try:
                while True:
                    pass
            except BaseException:
                if len(swallowed) == 2:
                    raise
                swallowed.append(1)

    over = threading.Event()

    def insist():
        while not over.wait(0.02):
            window.interrupt("too late")

    thread = threading.Thread(target=insist)
    thread.start()
    with pytest.raises(Interrupted):
        window.run(stubborn)
    over.set()
    thread.join()
    assert swallowed


@pytest.mark.parametrize("error", [KeyError, SystemExit, None])
def test_the_codes_own_end_passes_through(error):
    def work():
        if error:
            raise error
        return "done"

    if error:
        with pytest.raises(error):
            Window().run(work)
    else:
        assert Window().run(work) == "done"


def test_no_interrupt_arrives_after_the_window_is_closed():
    """Thousands of windows close while another thread interrupts each of them as fast as it can."""
    interrupt.prepare()  # with signals as well: each brings a function call of its own into the main thread
    current = [Window()]
    over = threading.Event()

    def attack():
        while not over.is_set():
            current[0].interrupt("now")

    thread = threading.Thread(target=attack)
    thread.start()
    outcomes = {"done": 0, "interrupted": 0}
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            window = current[0] = Window()
            try:
                window.run(lambda: sum(range(200)))
                outcomes["done"] += 1
            except Interrupted:
                outcomes["interrupted"] += 1
            sum(range(50))  # code of somebody else: an Interrupt here fails the test
    finally:
        over.set()
        thread.join()
    assert all(outcomes.values()), outcomes
