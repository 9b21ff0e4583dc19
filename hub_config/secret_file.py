"""Secrets that are made once and then stay."""

import os
import secrets
from pathlib import Path


def read_or_generate(path: Path) -> str:
    """The secret in a file; when there is none yet, one is made up and written there, readable by its owner only.

    Raises:
        OSError: The file can be neither read nor written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_urlsafe(24)
        file.write(f"{secret}\n")
    return secret
