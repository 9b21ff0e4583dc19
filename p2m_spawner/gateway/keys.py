"""The keys that tokens are signed with: a file of mode 0600 that outlives restarts, and their rotation.

A new key signs from the moment it is there. The one before verifies until the last token that it can have signed has
expired, so nobody has to sign in again. A second process may rotate (``python -m p2m_spawner.gateway rotate-keys``):
the file is read again whenever it has changed.
"""

import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

KEY_BYTES = 32
"""Length of an HS256 key (RFC 7518, section 3.2: at least that of the hash)."""

ROTATE_AFTER = 30 * 24 * 3600.0
"""Seconds after which a key is replaced by itself."""

KEEP_FOR = 2 * 3600.0
"""Seconds for which a replaced key still verifies: twice as long as a token lives."""


class KeyFileError(Exception):
    """The key file cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Key:
    """A signing key.

    Attributes:
        kid: Its name in token headers.
        secret: Hexadecimal.
        created: Unix seconds.
    """

    kid: str
    secret: str
    created: float

    @property
    def octets(self) -> bytes:
        """The secret as bytes."""
        return bytes.fromhex(self.secret)


class KeyRing:
    """The keys in a file, newest first; the file is made at the first use.

    Args:
        path: The file.
        clock: Unix seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._keys: list[Key] = []
        self._seen: tuple[int, int] | None = None

    def signing_key(self) -> Key:
        """The key for new tokens; replaces one that has served its time."""
        self._refresh()
        if not self._keys or self._clock() - self._keys[0].created > ROTATE_AFTER:
            self.rotate()
        return self._keys[0]

    def find(self, kid: str) -> Key | None:
        """The key of a name, None when there is none (any more)."""
        self._refresh()
        return next((key for key in self._valid() if key.kid == kid), None)

    def rotate(self) -> Key:
        """Make a new key that signs from now on."""
        self._refresh()
        key = Key(secrets.token_hex(8), secrets.token_hex(KEY_BYTES), self._clock())
        self._keys = [key, *self._valid()]
        self._write()
        return key

    def _valid(self) -> list[Key]:
        """Keys that still verify: the newest, and those whose successor is not older than `KEEP_FOR`."""
        replaced_after = self._clock() - KEEP_FOR
        older = [key for newer, key in zip(self._keys, self._keys[1:], strict=False) if newer.created > replaced_after]
        return self._keys[:1] + older

    def _refresh(self) -> None:
        """Read the file again if it has changed.

        Raises:
            KeyFileError: It cannot be read.
        """
        try:
            found = self._path.stat()
            if (seen := (found.st_mtime_ns, found.st_ino)) == self._seen:
                return
            self._keys = [Key(**entry) for entry in json.loads(self._path.read_text())["keys"]]
            self._seen = seen
        except FileNotFoundError:
            self._keys, self._seen = [], None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"The keys in {self._path} cannot be read ({error}); remove the file.") from error

    def _write(self) -> None:
        """Replace the file as a whole, so that a reader finds the old one or the new one."""
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"keys": [asdict(key) for key in self._keys]}, file, indent=1)
        new.replace(self._path)
        found = self._path.stat()
        self._seen = (found.st_mtime_ns, found.st_ino)
