"""What a user's container is asked for beneath an operator's own options. Pure."""

from typing import Any

Options = dict[str, Any]
"""Keyword arguments of docker-py's ``create_host_config`` or ``create_container``, or a part of them."""

HOME = "/home/blender"
"""The home in the image (docs/architecture.md)."""

BLENDER_PORT = 9876
"""Blender's TCP socket in the container."""

CONFINEMENT: Options = {
    # With AutoRemove a killed container would report exit code 0 and take its log along.
    "auto_remove": False,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    "tmpfs": {
        "/tmp": "rw,exec,nosuid,nodev,mode=1777,size=1g",  # noqa: S108
        "/run": "rw,exec,nosuid,nodev,mode=755,uid=1000,gid=1000,size=64m",
    },
    "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
}
"""How every container is locked in, for ``create_host_config``."""


def merged(base: Options, extra: Options) -> Options:
    """``extra`` laid over ``base``, dictionaries inside them too; neither is changed."""
    result = dict(base)
    for key, value in extra.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
