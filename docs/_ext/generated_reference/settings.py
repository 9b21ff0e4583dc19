"""Reference of the hub's settings by environment, from `hub_config.settings.Settings`."""

import re

from hub_config.settings import Settings

from .markdown import attributes, code, table

DESCRIBED = re.compile(r"``(?P<name>P2M_\w+)``(?: \((?P<default>[^)]+)\))?: (?P<meaning>.+)")
"""How the docstring of `Settings` says what an attribute is."""


def reference() -> str:
    """A table of all settings.

    Raises:
        ValueError: The docstring says of a setting something else than name, default and meaning.
    """
    rows = []
    for attribute, text in attributes(Settings).items():
        described = DESCRIBED.fullmatch(text)
        if described is None:
            raise ValueError(f"Settings.{attribute} is described in another form: {text}")
        default = described["default"] or _default(attribute)
        rows.append([code(described["name"]), code(default) or "–", described["meaning"].replace("None:", "not set:")])
    return table(["variable", "default", "meaning"], rows)


def _default(attribute: str) -> str:
    """The default of a setting whose description does not say it; empty for none and where the meaning tells."""
    value = Settings.__dataclass_fields__[attribute].default
    return "" if value is None or attribute == "signup" else str(value)
