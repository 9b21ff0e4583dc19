"""What can go wrong between a spawn request and a Blender that answers.

Each failure speaks to three readers: ``str(error)`` is the user's sentence and says what to do, ``log_message`` is
the operator's with the cause, ``reason`` is the label that metrics count by.
"""


class SpawnFailure(Exception):
    """A server that could not be started.

    Args:
        message: The user's sentence, plain text.
        reason: Metric label: lower case, words joined by ``_``.
        log_message: The operator's text, may have many lines; ``message`` when left out.
    """

    def __init__(self, message: str, *, reason: str, log_message: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.log_message = log_message or message


class NotReadyInTime(SpawnFailure):
    """The deadline passed before Blender, its MCP server and its desktop were ready."""


class ServerDied(SpawnFailure):
    """The server ended, or Blender was given up inside it, before it was ready."""


class PortsExhausted(SpawnFailure):
    """Every port pair of the ranges is taken, by our servers or by something else on the host."""


class EngineSilent(SpawnFailure):
    """The engine does not answer, so nothing is known of the server."""


def engine_silent(log_message: str) -> EngineSilent:
    """The failure of a call that no engine answered.

    Args:
        log_message: The operator's text.
    """
    return EngineSilent(
        "The container engine does not answer. Try again in a minute; if it happens again, tell the administrator.",
        reason="engine_silent",
        log_message=log_message,
    )


class OptionsRefused(SpawnFailure):
    """The options of a start are not as they must be.

    Args:
        message: The user's sentence, plain text.
    """

    status_code = 400
    """HTTP status of the answer to whoever asked for the start."""

    def __init__(self, message: str, *, reason: str = "bad_options") -> None:
        super().__init__(message, reason=reason)


class ProfileForbidden(OptionsRefused):
    """The profile exists, and is not for this user."""

    status_code = 403

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="profile_forbidden")
