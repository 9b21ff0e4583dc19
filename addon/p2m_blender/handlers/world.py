# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds the scene: its colour, its light, or a panorama."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy

from ..images import PANORAMAS, load_image
from ..paths import shown
from ..registry import CommandError, command
from ..shading import named_node, node_tree, set_input, shader
from ..values import colour, rounded, within


@command("set_world", kind="edit")
def set_world(
    color: list[float] | str | None = None,
    strength: float | None = None,
    file: str | None = None,
    rotation: float | None = None,
) -> dict[str, Any]:
    """Set the world of the current scene, which is made if there is none; what is not given stays.

    Args:
        color: Three linear numbers from 0 to 1, or "#rrggbb"; takes the place of a panorama.
        strength: Factor of its light, from 0.
        file: A panorama in the home (HDRI, equirectangular); takes the place of the colour.
        rotation: Turns the panorama about z, in radians.

    Returns:
        ``world`` (name), ``color`` (linear), ``strength``, ``file`` (of the panorama, relative to the home; or null),
        ``size`` (of it, width and height in pixels; or null), ``rotation`` (radians).

    Raises:
        CommandError: Colour and panorama are both given, a value is out of range, the file is not in the home or no
            image, or there is no panorama to turn.
    """
    if color is not None and file is not None:
        raise CommandError("Give color or file, not both: a panorama takes the place of the colour")
    shade = None if color is None else colour("color", color)
    if strength is not None:
        within("strength", strength, 0)
    if rotation is not None and not math.isfinite(rotation):
        raise CommandError(f"rotation must be a finite number of radians, got {rotation}")
    scene = bpy.context.scene
    if rotation is not None and file is None and (color is not None or _panorama(scene.world) is None):
        raise CommandError("There is no panorama to turn; give file, or leave out rotation")
    image = None if file is None else load_image(file, PANORAMAS)
    if scene.world is None or scene.world.library is not None:
        scene.world = bpy.data.worlds.new("World")
    world = scene.world
    tree = node_tree(world)
    background = shader(tree, "ShaderNodeOutputWorld", "ShaderNodeBackground")
    if shade is not None:
        set_input(tree, background.inputs["Color"], (*shade, 1.0))
        world.color = shade
    if strength is not None:
        set_input(tree, background.inputs["Strength"], strength)
    if image is not None:
        _surround(tree, background, image)
    panorama = _panorama(world)
    if rotation is not None and panorama is not None:
        _mapping(tree, panorama).inputs["Rotation"].default_value[2] = rotation
    return {
        "world": world.name,
        "color": rounded(background.inputs["Color"].default_value)[:3],
        "strength": rounded([background.inputs["Strength"].default_value])[0],
        "file": shown(Path(panorama.image.filepath_from_user())) if panorama else None,
        "size": list(panorama.image.size) if panorama else None,
        "rotation": rounded([_mapping(tree, panorama).inputs["Rotation"].default_value[2]])[0] if panorama else 0.0,
    }


def _surround(tree: Any, background: Any, image: Any) -> None:
    """Let a panorama light the background."""
    left, row = background.location
    texture = named_node(tree, "p2m panorama", "ShaderNodeTexEnvironment", (left - 300, row))
    texture.image = image
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    _mapping(tree, texture)


def _mapping(tree: Any, texture: Any) -> Any:
    """Return the node that turns a panorama."""
    links = texture.inputs["Vector"].links
    if links and links[0].from_node.bl_idname == "ShaderNodeMapping":
        return links[0].from_node
    left, row = texture.location
    mapping = named_node(tree, "p2m panorama mapping", "ShaderNodeMapping", (left - 200, row))
    source = named_node(tree, "p2m panorama coordinates", "ShaderNodeTexCoord", (left - 400, row))
    tree.links.new(source.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    return mapping


def _panorama(world: Any) -> Any | None:
    """Return the node whose image a world shows, None when it shows a colour."""
    if world is None or world.node_tree is None:
        return None
    background = next((node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeBackground"), None)
    links = background.inputs["Color"].links if background else ()
    found = links[0].from_node if links else None
    return found if found is not None and found.bl_idname == "ShaderNodeTexEnvironment" and found.image else None
