"""The prompts: ways to begin that people choose in their client."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from p2m_singleuser.link import BlenderLink

_STATE_FIRST = "Begin with get_scene_info, and look with get_viewport_screenshot. "


def register(server: MCPServer[BlenderLink]) -> None:
    """Add the prompts to a server."""
    server.prompt(title="Model from a description")(model_from_description)
    server.prompt(title="Review the scene")(review_scene)
    server.prompt(title="Prepare for printing")(prepare_for_printing)


def model_from_description(
    description: Annotated[str, Field(description="What is to be modelled, with sizes if they matter.")],
) -> str:
    """Build a model in Blender step by step from a description in words."""
    return (
        f"Model this in Blender: {description}\n\n"
        f"{_STATE_FIRST}Leave what is there alone unless it is in the way; then ask before you remove it.\n"
        "1. Break the model into parts, and say in a few lines which, with sizes in metres.\n"
        "2. Build it part by part. Give every object a name that says what it is. Look at the result after each part, "
        "from more than one side, and mend what is wrong before you go on. If you are not sure what a function of "
        "Blender is called, search_api and describe_api tell.\n"
        "3. Give it materials, a light and a camera that shows all of it.\n"
        "4. Compare a last picture with the description, and say what you made and what you left out."
    )


def review_scene() -> str:
    """Look through the open scene and say what should be mended, without changing anything."""
    return (
        "Review the scene that is open in Blender, and change nothing.\n\n"
        f"{_STATE_FIRST}Read get_file_summary, get_object_info of the objects that matter, and check_mesh of the "
        "meshes.\n"
        "Report in this order: what the scene shows; what is broken (missing files, meshes with holes or flipped "
        "faces, objects without material, a missing camera or light); what will make trouble later (names that say "
        "nothing, scale that is not 1, data nobody uses, very dense meshes); what you would improve. Give each point "
        "the name of its object and one sentence on how to mend it. Ask which of them you should mend."
    )


def prepare_for_printing(
    object_name: Annotated[str, Field(description="The object to print, as it is called in Blender.")],
    longest_side_mm: Annotated[
        str, Field(description="Length of its longest side in millimetres; empty keeps it.")
    ] = "",
) -> str:
    """Check an object, mend what keeps it from being 3D printed, and export it as STL in millimetres."""
    size = (
        f"The longest side is to be {longest_side_mm} mm." if longest_side_mm else "Keep its size; tell it to me in mm."
    )
    return (
        f"Prepare the object {object_name!r} for 3D printing. {size}\n\n"
        "1. Run check_mesh, and tell me what it found.\n"
        "2. Work on a copy and keep the original. Mend one problem after the other, smallest change first, and run "
        "check_mesh after each until ready_to_print is true. If mending would change the shape visibly, ask first.\n"
        "3. Bring it to its size, apply the scale, and put its lowest point at height 0. Say where walls or pins are "
        "thinner than 1 mm and where it overhangs so far that it needs support.\n"
        "4. Export it with export_file as STL, with the scale that makes one unit of the file one millimetre, and say "
        "where the file is and how large the print becomes."
    )
