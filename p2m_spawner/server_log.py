"""Log lines that say whose server they are about, for people who read and for programs that collect.

A line begins ``[user=ada server=- container=0123456789ab]``; the same three are attributes of the log record
(``user``, ``server``, ``container``), which a JSON formatter puts into fields.
"""

import logging
import re
from collections.abc import Callable, MutableMapping
from typing import Any

NOTHING = "-"
"""What stands for no value: the default server has no name, a server that is being created no container."""

_UNUSUAL = re.compile(r"[^\w.@:+-]")


def plain(value: str) -> str:
    """A value as it stands in a line: without anything that ends it, the line, or is a ``%`` to the logger."""
    return _UNUSUAL.sub("?", value) or NOTHING


class ServerLog(logging.LoggerAdapter):  # type: ignore[type-arg]
    """Puts the facts of a server before each line about it.

    Args:
        logger: Where lines go.
        facts: Asked at each line, because a server gets its container while it starts: names and values in the
            order in which the line has them.
    """

    def __init__(self, logger: Any, facts: Callable[[], dict[str, str]]) -> None:
        super().__init__(logger)
        self._facts = facts

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """Add the facts to a line and to its record."""
        facts = self._facts()
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **facts}
        prefix = " ".join(f"{name}={plain(value)}" for name, value in facts.items())
        return f"[{prefix}] {msg}", kwargs
