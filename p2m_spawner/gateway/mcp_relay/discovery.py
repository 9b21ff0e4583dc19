"""What the gateway answers to ``server/discover`` itself, when a user's server takes longer to start than clients wait.

The SDK's client gives the question 10 s and then falls back to the older protocol, whose sessions do not outlive a
container. Pure; a test holds it to what the server in the container answers.
"""

from typing import Any

from p2m_spawner.gateway.mcp_relay.messages import RequestId

METHOD = "server/discover"

ANSWERED_WITHIN = 7.0
"""Seconds that a start has to let the server answer by itself."""

SUPPORTED_VERSIONS = ["2026-07-28"]

CAPABILITIES: dict[str, Any] = {
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "tools": {"listChanged": True},
}

INSTRUCTIONS = (
    "You control a real Blender that a person can see in their browser at the same time. It is starting: the next "
    "request waits for it and tells its progress. Begin with get_scene_info, work in small steps, look at the result."
)


def stand_in(request_id: RequestId) -> dict[str, Any]:
    """The answer; nobody may keep it."""
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "result": {
            "resultType": "complete",
            "supportedVersions": SUPPORTED_VERSIONS,
            "capabilities": CAPABILITIES,
            "instructions": INSTRUCTIONS,
            "cacheScope": "private",
            "ttlMs": 0,
        },
    }
