"""OAuth's scopes: one for each mode, of which a grant has exactly one. Pure.

A client may ask for several; the person chooses among those. What they chose is the grant's, and its token answers say
so (RFC 6749, section 3.3). A wider scope includes the narrower.
"""

from p2m_spawner.gateway.tokens import Mode

SCOPES = {f"p2m:{mode.value}": mode for mode in Mode}
"""Every scope, from the widest to the narrowest."""


class NoScope(ValueError):
    """A client asks only for what this hub does not have."""


def of(mode: Mode) -> str:
    """The scope of a mode."""
    return f"p2m:{mode.value}"


def offered(asked: str | None) -> tuple[Mode, ...]:
    """What a person may choose from: the widest mode that a client asks for, and all narrower ones.

    Args:
        asked: The ``scope`` parameter; without it, everything. Words of others (``offline_access``) are passed over.

    Raises:
        NoScope: None of its words is ours.
    """
    modes = list(SCOPES.values())
    if not asked or not asked.strip():
        return tuple(modes)
    known = [SCOPES[word] for word in asked.split() if word in SCOPES]
    if not known:
        raise NoScope(f"The scopes of this hub are {' '.join(SCOPES)}.")
    return tuple(modes[min(map(modes.index, known)) :])
