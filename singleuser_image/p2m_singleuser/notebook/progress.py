"""A progress bar for calls that take a while, fed by the server's progress notifications."""

from __future__ import annotations

import time
import warnings
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 1.0
"""Seconds a call may take before a bar appears."""


class ProgressBar:
    """A ``tqdm.auto`` bar that appears once a call takes longer than `PATIENCE_S`, and goes when it ends.

    Args:
        what: What is being done, shown in front of the bar.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: float, total: float | None, message: str | None) -> None:
        """Take up one notification: how much of how much, and what is going on."""
        if self._bar is None:
            if time.monotonic() - self._began < PATIENCE_S:
                return
            self._bar = _new_bar(self._what)
        bar = self._bar
        if total != bar.total:
            bar.reset(total)
        bar.bar_format = None if total else "{desc}: {elapsed}{postfix}"
        bar.n = min(progress, total) if total else progress
        bar.set_postfix_str(message or "", refresh=False)
        bar.refresh()


def _new_bar(what: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets there is a bar of text, which needs no warning
        from tqdm.auto import tqdm

    return tqdm(desc=what, total=None, leave=False)
