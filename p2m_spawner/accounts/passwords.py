"""Passwords: what makes one acceptable, and argon2id hashes of them. Pure; hashing is slow on purpose.

Sources: NIST SP 800-63B (length over composition rules, a list of common passwords, NFKC) and RFC 9106 (argon2id).
"""

import re
import secrets
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from p2m_spawner.accounts.errors import WeakPassword

MAX_BYTES = 1024
"""Longest password, in bytes of UTF-8: far above any real one, and cheap to hash."""

_COMMON_TEXT = """
abc abcd admin administrator asdf asdfgh asdfghjk asdfghjkl azerty azertyuiop baseball basketball changeme charlie
computer dragon football hello iloveyou letmein liverpool login master michael monkey mustang pass passw0rd passwort
password princess p@ssw0rd qwerty qwertyuiop qwertz qwertzuiop secret shadow starwars summer sunshine superman test
trustno user welcome whatever winter zxcvbnm 1q2w3e4r 1qaz2wsx q1w2e3r4 q1w2e3r4t5
"""
_COMMON = frozenset(_COMMON_TEXT.split())
_SEQUENCES = (
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
)
_TRAILING_DECORATION = re.compile(r"[\d\W_]+$")
_TEMPORARY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without look-alikes: it is read out in class


def normalise(password: str) -> str:
    """The same characters typed on different keyboards give the same password (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", password)


def is_too_long(password: str) -> bool:
    """Whether a password has more than `MAX_BYTES` bytes; such ones are never hashed."""
    return len(password) > MAX_BYTES or len(password.encode("utf-8", "replace")) > MAX_BYTES


def check(password: str, name: str, minimum: int) -> None:
    """Accept or refuse a new password.

    Args:
        password: as typed.
        name: the normalised user name it is for.
        minimum: least number of characters.

    Raises:
        WeakPassword: the sentence says what to change.
    """
    if not password:
        raise WeakPassword("Choose a password.")
    if is_too_long(password):
        raise WeakPassword(f"That password is too long. It may have at most {MAX_BYTES} bytes.")
    plain = normalise(password).casefold()
    if len(plain) < minimum:
        raise WeakPassword(f"That password is too short. Use at least {minimum} characters.")
    if len(plain.replace(name, "")) < 4:
        raise WeakPassword("That password is too close to your user name.")
    if (
        len(set(plain)) < 4
        or plain in _COMMON
        or _TRAILING_DECORATION.sub("", plain) in _COMMON
        or any(plain in sequence for sequence in _SEQUENCES)
    ):
        raise WeakPassword("That password is too easy to guess. A few unrelated words make a good one.")


def temporary() -> str:
    """A random password that an administrator can read to somebody: about 79 bits, like `k7pq-x2mn-…`."""
    letters = "".join(secrets.choice(_TEMPORARY_ALPHABET) for _ in range(16))
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


@dataclass(frozen=True)
class Cost:
    """What one argon2id hash costs; the defaults are RFC 9106's second recommendation.

    Attributes:
        memory: KiB.
        passes: number of iterations over the memory.
        lanes: threads.
    """

    memory: int = 65536
    passes: int = 3
    lanes: int = 4


class Hasher:
    """argon2id hashes of one cost. Every method takes about 0.1 s of CPU: call them in a thread."""

    def __init__(self, cost: Cost) -> None:
        self._argon2 = PasswordHasher(memory_cost=cost.memory, time_cost=cost.passes, parallelism=cost.lanes)
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """A salted hash in the PHC string format, with its cost inside."""
        return self._argon2.hash(normalise(password).encode("utf-8", "replace"))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` belongs to the stored hash.

        Without a stored hash (unknown user, no password yet) it does the same work against a decoy, so that
        the time says nothing, and answers False.
        """
        if stored is None:
            if self._decoy is None:
                self._decoy = self._argon2.hash(secrets.token_bytes(16))
            self._matches(self._decoy, password)
            return False
        return self._matches(stored, password)

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash was made with another cost than today's."""
        return self._argon2.check_needs_rehash(stored)

    def prepare(self) -> None:
        """Make the decoy now, so that the first unknown user does not take twice as long."""
        self.verify(None, "")

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, normalise(password).encode("utf-8", "replace"))
        except (VerificationError, InvalidHashError):
            return False
