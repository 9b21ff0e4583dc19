"""A clock that stands still until a test sets it."""


class Clock:
    """Seconds.

    Args:
        now: What it says first.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
