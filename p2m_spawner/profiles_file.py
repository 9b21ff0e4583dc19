"""The operator's YAML file of profiles: read again when it has changed, so that an edit counts from the next start."""

import logging
from pathlib import Path

from .profiles import ProfileError, Profiles


def read_profiles(path: Path) -> Profiles:
    """Read and check a file.

    Raises:
        ProfileError: It cannot be read, or not be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ProfileError(f"{path} cannot be read: {reason}.") from error
    return Profiles.from_yaml(text, str(path))


class ProfilesFile:
    """A file of profiles that somebody may edit while the hub runs.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._profiles: Profiles | None = None
        self._version: tuple[int, int] | None = None

    def current(self, log: logging.Logger) -> Profiles:
        """What the file says; what it said before while an edit of it cannot be used.

        Args:
            log: Gets what is wrong with such an edit, once for each edit.

        Raises:
            ProfileError: It could not be used yet.
        """
        version = self._version_on_disk()
        if self._profiles is None or version != self._version:
            try:
                self._profiles = read_profiles(self._path)
            except ProfileError as error:
                if self._profiles is None:
                    raise
                log.error("The profiles stay as they were before the last edit: %s", error)
            self._version = version
        return self._profiles

    def _version_on_disk(self) -> tuple[int, int] | None:
        """What changes when the file does: time in nanoseconds and size in bytes; None without the file."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
