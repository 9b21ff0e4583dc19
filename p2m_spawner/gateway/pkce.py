"""Proof Key for Code Exchange (RFC 7636): whoever begins an authorization can finish it, and nobody else. Pure."""

import base64
import hashlib


def challenge(verifier: str) -> str:
    """S256 of a verifier."""
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
