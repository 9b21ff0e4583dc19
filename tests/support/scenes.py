"""A person's scene, as an agent sees it, and whether it is on the disk."""

import asyncio
import json

from .hub import Person
from .mcp_client import mcp_client, text_of
from .waiting import wait_for


def run_code(person: Person, code: str) -> str:
    """Run Python code in the person's Blender; returns what the tool says."""

    async def call() -> str:
        async with mcp_client(person.mcp_url, person.token) as client:
            return text_of(await client.call_tool("execute_blender_code", {"code": code}))

    return asyncio.run(call())


def add_object(person: Person, name: str) -> None:
    """Add an empty object to the scene and wait until the session on the disk has it."""
    before = saved_at(person)
    run_code(person, f"import bpy; bpy.ops.object.empty_add(); bpy.context.object.name = {name!r}")
    wait_for(lambda: saved_at(person) != before, 15, "the session on the disk")


def has_object(person: Person, name: str) -> bool:
    """Whether the scene has an object of this name."""
    return "True" in run_code(person, f"import bpy; print({name!r} in bpy.data.objects)")


def saved_at(person: Person) -> str:
    """When the session was saved last; empty while it never was."""
    code, output = person.container().exec_run(["cat", "/home/blender/.p2m/session/meta.json"])
    return str(json.loads(output)["saved_at"]) if code == 0 else ""
