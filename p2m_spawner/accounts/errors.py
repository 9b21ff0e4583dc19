"""What can go wrong with an account: each problem has a sentence for the person and a status for the client. Pure."""

from math import ceil


class AccountProblem(Exception):
    """A request about an account that was refused.

    `str(problem)` is the sentence shown to the person; it never contains a password.

    Attributes:
        status: HTTP status code (4xx or 503).
        code: one word for logs, metrics and JSON replies.
        retry_after: seconds to wait before another try, or None.
    """

    status = 400
    code = "refused"
    retry_after: int | None = None


class BadName(AccountProblem):
    """The name cannot be used for an account."""

    status = 422
    code = "bad_name"


class WeakPassword(AccountProblem):
    """The password does not meet the policy, or its repetition differs."""

    status = 422
    code = "weak_password"


class NameTaken(AccountProblem):
    """Somebody already has this name."""

    status = 409
    code = "taken"

    def __init__(self) -> None:
        super().__init__("That user name is taken. Choose another one.")


class SignupClosed(AccountProblem):
    """Nobody can sign up at this hub."""

    status = 403
    code = "closed"

    def __init__(self) -> None:
        super().__init__("Sign-up is closed. Ask an administrator of this hub for an account.")


class WrongCredentials(AccountProblem):
    """Name and password do not belong together; says nothing about which one is wrong."""

    status = 403
    code = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__("Invalid username or password.")


class AwaitingApproval(AccountProblem):
    """The password was right, but an administrator has not approved the account yet."""

    status = 403
    code = "awaiting_approval"

    def __init__(self) -> None:
        super().__init__("Your account is awaiting approval by an administrator. Try again later.")


class UnknownAccount(AccountProblem):
    """An administrator named an account that does not exist (any more)."""

    status = 404
    code = "unknown"

    def __init__(self) -> None:
        super().__init__("There is no such account (any more).")


class Throttled(AccountProblem):
    """Too many tries in a short time.

    Args:
        wait: seconds until the next try is accepted.
    """

    status = 429
    code = "throttled"

    def __init__(self, wait: float) -> None:
        self.retry_after = max(1, ceil(wait))
        super().__init__(f"Too many attempts. Try again in {_duration(self.retry_after)}.")


class Unavailable(AccountProblem):
    """The accounts cannot be read or written at the moment; the log says why."""

    status = 503
    code = "unavailable"
    retry_after = 30

    def __init__(self) -> None:
        super().__init__("Accounts cannot be reached right now. Try again in a minute.")


def _duration(seconds: int) -> str:
    """Seconds as people say them, rounded up: '40 seconds', '2 minutes'."""
    number, unit = (seconds, "second") if seconds < 60 else (ceil(seconds / 60), "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
