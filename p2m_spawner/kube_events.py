"""What a pod's events say of its start, in words for the spawn page. Pure: dictionaries of the API in.

Events are for people: their reasons are stable, their texts are not promised. So a text is only repeated to the
operator, and two numbers are read from it where they are there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from .endings import readable_duration, readable_size

Event = Mapping[str, Any]
"""An event (v1) as the API has it, in JSON's names."""


class Step(NamedTuple):
    """A step of a start: how far it is (0 to 100), its stage (of `readiness.Stage`) and the sentence for its user."""

    percent: int
    stage: Literal["image", "queue", "container"]
    message: str


STEPS = {
    "FailedScheduling": Step(6, "queue", "No machine of the cluster has room for your server yet; it waits for one …"),
    "TriggeredScaleUp": Step(8, "queue", "The cluster is adding a machine for your server …"),
    "Scheduled": Step(10, "container", "Found a machine for your server …"),
    "SuccessfulAttachVolume": Step(14, "container", "Attaching your home …"),
    "FailedAttachVolume": Step(12, "container", "Your home is still attached elsewhere; waiting for it …"),
    "FailedMount": Step(13, "container", "Waiting for your home …"),
    "Pulling": Step(16, "image", "Pulling the Blender image …"),
    "Failed": Step(16, "image", "That did not work; the cluster tries once more …"),
    "Pulled": Step(32, "image", "The Blender image is there."),
    "Created": Step(34, "container", "Creating your container …"),
    "Started": Step(36, "container", "Starting your container …"),
}
"""By an event's reason. Others (probes, containers that are killed) say nothing of a start."""

_PULLED = re.compile(
    r"^Successfully pulled image .*? in (?:(?P<minutes>\d+)m)?(?P<number>[\d.]+)(?P<unit>ms|s)\b"
    r"(?:.*Image size: (?P<bytes>\d+) bytes)?",
    re.DOTALL,
)
"""Kubelet's text, with a duration as Go writes it."""


def of_pod(events: Iterable[Event], uid: str) -> list[Event]:
    """The events of one pod, the oldest first; pods of the same name before it had another ``uid``."""
    mine = (event for event in events if event["involvedObject"].get("uid") == uid)
    return sorted(mine, key=_time)


def _time(event: Event) -> str:
    """When it was last seen, in ISO 8601; which of the three is set depends on who reports."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def step_of(event: Event) -> Step | None:
    """What an event means for whoever waits; None when nothing."""
    step = STEPS.get(event["reason"])
    if step is None:
        return None
    pulled = _PULLED.match(event.get("message", "")) if event["reason"] == "Pulled" else None
    return step._replace(message=_duration_of(pulled)) if pulled else step


def _duration_of(pulled: re.Match[str]) -> str:
    """How long a pull took and, where kubelet tells it, how large the image is."""
    seconds = 60 * int(pulled["minutes"] or 0) + float(pulled["number"]) / (1000 if pulled["unit"] == "ms" else 1)
    size = f" ({readable_size(int(pulled['bytes']))})" if pulled["bytes"] else ""
    return f"Pulled the Blender image{size} in {readable_duration(seconds)}."


def last_warning(events: Iterable[Event]) -> str:
    """Reason and text of the latest warning; empty without one."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    return f"{warnings[-1]['reason']}: {warnings[-1].get('message', '')}" if warnings else ""
