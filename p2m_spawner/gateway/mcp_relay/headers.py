"""Which headers pass the gateway, and in which mode a request runs. Pure.

The client's Authorization, its cookies and whatever a proxy has added stay outside; the answer's challenges and cookies
stay inside, so that nothing of the gateway's own token gets out.
"""

from collections.abc import Iterable

from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.tokens import MODE_HEADER, Mode

SESSION = "mcp-session-id"
"""The session of a client of a protocol before 2026-07-28."""

EVENT_STREAM = "text/event-stream"

_PASSED_IN = {"accept", "content-type", "last-event-id", "traceparent", "tracestate", "user-agent"}
_PASSED_OUT = {"allow", "cache-control", "retry-after", "x-accel-buffering"}
_KINDS = ("application/json", EVENT_STREAM)
_MCP = "mcp-"


def inward(headers: Iterable[tuple[str, str]], mode: Mode, session: str | None) -> list[tuple[str, str]]:
    """Headers for the user's own endpoint.

    Args:
        headers: The client's, names in lower case.
        mode: What the request may do.
        session: Session at that endpoint, None: none.
    """
    passed = [(name, value) for name, value in headers if name in _PASSED_IN or name.startswith(_MCP)]
    passed = [(name, value) for name, value in passed if name != SESSION]
    if session is not None:
        passed.append((SESSION, session))
    return [*passed, (MODE_HEADER, mode.value), ("accept-encoding", "identity")]


def outward(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers for the client, from those of the user's own endpoint.

    What a container sends must not become a page of the hub's origin, so only MCP's own content types pass.
    """
    lower = [(name.lower(), value) for name, value in headers]
    passed = [(name, value) for name, value in lower if name in _PASSED_OUT or name.startswith(_MCP)]
    kinds = [(name, value) for name, value in lower if name == "content-type" and value.startswith(_KINDS)]
    return [*passed, *kinds, ("x-content-type-options", "nosniff")]


def takes_events(accept: str) -> bool:
    """Whether a client reads streams of events, by its Accept header."""
    kinds = {kind.split(";")[0].strip().lower() for kind in accept.split(",")}
    return not kinds.isdisjoint({EVENT_STREAM, "text/*", "*/*"})


def narrowed(own: Mode, asked: Iterable[str]) -> Mode:
    """The mode of a request: its token's, or a narrower one that its client asks for.

    Args:
        own: What the token allows.
        asked: Values of the client's header, each one mode or several with commas between them.

    Raises:
        Refusal: 400; what is asked for is no mode.
    """
    widest_first = list(Mode)
    modes = [own]
    for word in (word.strip() for value in asked for word in value.split(",")):
        if word not in {mode.value for mode in Mode}:
            names = ", ".join(mode.value for mode in Mode)
            raise Refusal(400, "unknown_mode", f"X-P2M-Mode must be one of: {names}.")
        modes.append(Mode(word))
    return max(modes, key=widest_first.index)
