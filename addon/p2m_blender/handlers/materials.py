# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of Blender's principled shader, and image textures on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import bpy

from ..images import PICTURES, load_image
from ..lookup import editable_object, editable_objects
from ..paths import shown
from ..registry import CommandError, command
from ..shading import named_node, node_tree, set_input, shader
from ..values import colour, positive, rounded, within

CHANNELS = {
    "base_color": "Base Color",
    "metallic": "Metallic",
    "roughness": "Roughness",
    "emission_color": "Emission Color",
    "emission_strength": "Emission Strength",
    "alpha": "Alpha",
}
"""Inputs of the principled shader, as Blender 4.0 to 5.0 call them."""

TEXTURED = {"base_color": "Base Color", "roughness": "Roughness", "metallic": "Metallic", "normal": "Normal"}
"""Inputs that `set_texture` fills."""

MOST_SLOTS = 64
"""Material slots of an object that this makes."""


@command("set_material", kind="edit")
def set_material(
    names: list[str],
    material: str | None = None,
    slot: int = 0,
    base_color: list[float] | str | None = None,
    metallic: float | None = None,
    roughness: float | None = None,
    emission_color: list[float] | str | None = None,
    emission_strength: float | None = None,
    alpha: float | None = None,
) -> dict[str, Any]:
    """Give objects a material and set its principled shader; what is not given stays.

    Args:
        names: The objects.
        material: Name of a material: the one there is, whoever else uses it, or a new one. Without a name it is the
            objects' own: the one in the slot unless others use it too, else a copy of it, else a new one.
        slot: Index of the material slot, from 0; slots up to it are made.
        base_color: Three linear numbers from 0 to 1, or "#rrggbb". A texture there is unlinked; so with the others.
        metallic: 0 to 1.
        roughness: 0 to 1.
        emission_color: As `base_color`.
        emission_strength: From 0, which is none; 1 looks as bright as the colour itself.
        alpha: 0 (transparent) to 1.

    Returns:
        ``material`` (name), ``created`` (whether it is new), ``objects`` (names), ``slot``, ``values`` (by channel,
        colours linear) and ``textured`` (channels that a texture or other node feeds).

    Raises:
        CommandError: An object is not known or takes no materials, or a value is out of range.
    """
    items = [_with_slots(item) for item in editable_objects(names)]
    within("slot", slot, 0, MOST_SLOTS - 1)
    values: dict[str, Any] = {}
    if base_color is not None:
        values["base_color"] = (*colour("base_color", base_color), 1.0)
    if emission_color is not None:
        values["emission_color"] = (*colour("emission_color", emission_color), 1.0)
    for name, value in {"metallic": metallic, "roughness": roughness, "alpha": alpha}.items():
        if value is not None:
            within(name, value, 0, 1)
            values[name] = value
    if emission_strength is not None:
        within("emission_strength", emission_strength, 0)
        values["emission_strength"] = emission_strength
    block, created = _material_for(items, material, slot)
    tree, principled = _principled(block)
    for name, value in values.items():
        set_input(tree, principled.inputs[CHANNELS[name]], value)
    _show_in_viewport(block, values)
    return {
        "material": block.name,
        "created": created,
        "objects": [item.name for item in items],
        "slot": slot,
        "values": {name: _read(principled.inputs[label]) for name, label in CHANNELS.items()},
        "textured": [name for name, label in (CHANNELS | TEXTURED).items() if principled.inputs[label].is_linked],
    }


@command("set_texture", kind="edit")
def set_texture(
    name: str,
    file: str,
    channel: Literal["base_color", "roughness", "metallic", "normal"] = "base_color",
    slot: int = 0,
    repeat: float = 1.0,
    strength: float = 1.0,
) -> dict[str, Any]:
    """Put an image on an object's material, which is made if it has none, or copied if other objects use it.

    Args:
        name: The object.
        file: An image in the home; relative to it, or absolute.
        channel: What the image steers. All but "base_color" are read as numbers, not colours; "normal" is a
            tangent-space normal map.
        slot: Index of the material slot, from 0.
        repeat: How many times the image goes along each side.
        strength: Of a normal map, 0 to 10; else without effect.

    Returns:
        ``object``, ``material`` and ``image`` (names), ``file`` (relative to the home), ``size`` (width and height in
        pixels), ``channel``, ``mapping``: "uv" along the mesh's UV map, or "box" projected from six sides when it has
        none.

    Raises:
        CommandError: The object is not known or takes no materials, the file is not in the home or no image.
    """
    item = _with_slots(editable_object(name))
    within("slot", slot, 0, MOST_SLOTS - 1)
    positive("repeat", repeat)
    within("strength", strength, 0, 10)
    image = load_image(file, PICTURES, is_data=channel != "base_color")
    block, _ = _material_for([item], None, slot)
    tree, principled = _principled(block)
    left, row = principled.location.x, principled.location.y - 300 * list(TEXTURED).index(channel)
    texture = named_node(tree, f"p2m {channel} image", "ShaderNodeTexImage", (left - 600, row))
    mapping = named_node(tree, f"p2m {channel} mapping", "ShaderNodeMapping", (left - 800, row))
    source = named_node(tree, f"p2m {channel} coordinates", "ShaderNodeTexCoord", (left - 1000, row))
    has_uv = item.type == "MESH" and len(item.data.uv_layers) > 0
    texture.image = image
    texture.projection = "FLAT" if has_uv else "BOX"
    mapping.inputs["Scale"].default_value = (repeat, repeat, repeat)
    tree.links.new(source.outputs["UV" if has_uv else "Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    if channel == "normal":
        normal = named_node(tree, "p2m normal map", "ShaderNodeNormalMap", (left - 300, row))
        normal.inputs["Strength"].default_value = strength
        tree.links.new(texture.outputs["Color"], normal.inputs["Color"])
        tree.links.new(normal.outputs["Normal"], principled.inputs["Normal"])
    else:
        tree.links.new(texture.outputs["Color"], principled.inputs[TEXTURED[channel]])
    return {
        "object": item.name,
        "material": block.name,
        "image": image.name,
        "file": shown(Path(image.filepath_from_user())),
        "size": list(image.size),
        "channel": channel,
        "mapping": "uv" if has_uv else "box",
    }


def _with_slots(item: Any) -> Any:
    """Return an object that takes materials.

    Raises:
        CommandError: It takes none, or its data belongs to a linked file.
    """
    if item.data is None or not hasattr(item.data, "materials"):
        raise CommandError(f"{item.name!r} is of type {item.type}, which takes no materials")
    if item.data.library is not None:
        raise CommandError(f"The data of {item.name!r} belongs to a linked file; make it local first")
    return item


def _material_for(items: list[Any], name: str | None, slot: int) -> tuple[Any, bool]:
    """Return the material that objects are to have, put into their slot, and whether it is new."""
    created = False
    if name is not None:
        block = bpy.data.materials.get(name)
        if block is not None and block.library is not None:
            raise CommandError(f"The material {name!r} belongs to a linked file; choose another name")
        if block is None:
            block, created = bpy.data.materials.new(name), True
    else:
        present = {item.material_slots[slot].material if slot < len(item.material_slots) else None for item in items}
        block = next(iter(present)) if len(present) == 1 else None
        if block is None:
            block, created = bpy.data.materials.new(f"{items[0].name} material"), True
        elif block.library is not None or _used_by_others(block, items):
            block, created = block.copy(), True
    for item in items:
        while len(item.material_slots) <= slot:
            item.data.materials.append(None)
        item.material_slots[slot].material = block
    return block, created


def _used_by_others(block: Any, items: list[Any]) -> bool:
    return any(
        slot.material == block for other in bpy.data.objects if other not in items for slot in other.material_slots
    )


def _principled(block: Any) -> tuple[Any, Any]:
    """Return a material's nodes and the principled shader among them."""
    tree = node_tree(block)
    return tree, shader(tree, "ShaderNodeOutputMaterial", "ShaderNodeBsdfPrincipled")


def _show_in_viewport(block: Any, values: dict[str, Any]) -> None:
    """Let the solid viewport, which draws no shaders, show the same colour."""
    if "base_color" in values:
        block.diffuse_color = (*values["base_color"][:3], block.diffuse_color[3])
    if "alpha" in values:
        block.diffuse_color[3] = values["alpha"]
    if "metallic" in values:
        block.metallic = values["metallic"]
    if "roughness" in values:
        block.roughness = values["roughness"]


def _read(socket: Any) -> Any:
    value = socket.default_value
    return rounded([value])[0] if isinstance(value, float) else rounded(value)[:3]
