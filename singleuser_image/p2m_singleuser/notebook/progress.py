"""A progress bar for calls that take a while, fed by the server's progress notifications."""

from __future__ import annotations

import time
import warnings
from types import TracebackType
from typing import Any, Self

from p2m_singleuser.notebook.connection import Progress

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
        self._shown: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._shown is not None:  # or an opened notebook would look for a widget that is gone
            self._shown.update({"text/plain": ""}, raw=True)

    def within(self, done: int, total: int) -> Progress:
        """Return what takes the notifications of one step of several.

        Args:
            done: How many steps were done before.
            total: How many there are.
        """
        if total > 1:
            self._show(done, total, None)
            return lambda _done, _total, message: self._show(done, total, message)
        return self._show

    def _show(self, done: float, total: float | None, message: str | None) -> None:
        if self._bar is None:
            if time.monotonic() - self._began < PATIENCE_S:
                return
            self._bar, self._shown = _new_bar(self._what)
        bar = self._bar
        if total != bar.total:
            bar.reset(total)
        bar.bar_format = None if total else "{desc}: {elapsed}{postfix}"
        bar.n = min(done, total) if total else done
        bar.set_postfix_str(message or "", refresh=False)
        bar.refresh()


def _new_bar(what: str) -> tuple[Any, Any]:
    """Return a bar, and in a notebook the display that it is in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets there is a bar of text, which needs no warning
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook
    if not issubclass(tqdm, tqdm_notebook):
        return tqdm(desc=what, total=None, leave=False), None
    from IPython import display

    bar: Any = tqdm(desc=what, total=None, leave=False, display=False)
    handle = display.DisplayHandle()
    handle.display(bar.container)
    return bar, handle
