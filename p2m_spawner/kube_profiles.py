"""Profiles as KubeSpawner's ``profile_list`` has them. Pure: our profiles in, its dictionaries out."""

from collections.abc import Iterable
from typing import Any

from .profiles import Profile, default_of


def in_kubespawner_terms(profiles: Iterable[Profile]) -> list[dict[str, Any]]:
    """A list for KubeSpawner's ``profile_list``: what a profile leaves out is not overridden.

    Args:
        profiles: Those that somebody may use, in the order in which they are shown.
    """
    offered = tuple(profiles)
    default = default_of(offered)
    return [
        {
            "slug": profile.name,
            "display_name": profile.label,
            "description": profile.description,
            "default": profile is default,
            "kubespawner_override": _overrides(profile),
        }
        for profile in offered
    ]


def _overrides(profile: Profile) -> dict[str, Any]:
    """By names of the spawner's traits; it makes limits of ``gpus``, and volumes of ``assets``."""
    return {**profile.traits, "gpus": profile.gpus, "assets": profile.assets}
