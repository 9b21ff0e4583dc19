# SPDX-License-Identifier: GPL-3.0-or-later
"""Shader nodes: find or make the few that this add-on sets, and leave the person's others in place."""

from __future__ import annotations

from typing import Any


def node_tree(block: Any) -> Any:
    """Return the nodes of a material or world, switched on (from Blender 5.0 they always are)."""
    if block.node_tree is None or not block.use_nodes:
        block.use_nodes = True
    return block.node_tree


def shader(tree: Any, output_type: str, shader_type: str) -> Any:
    """Return the node of a type that makes the surface, through others too; a new one takes the place of what does.

    Args:
        tree: The nodes.
        output_type: For instance "ShaderNodeOutputMaterial".
        shader_type: For instance "ShaderNodeBsdfPrincipled".
    """
    outputs = [node for node in tree.nodes if node.bl_idname == output_type]
    output = next((node for node in outputs if node.is_active_output), None) or tree.nodes.new(output_type)
    surface = output.inputs["Surface"]
    found = _upstream(surface, shader_type)
    if found is None:
        found = tree.nodes.new(shader_type)
        found.location = (output.location.x - 300, output.location.y)
        tree.links.new(found.outputs[0], surface)
    return found


def named_node(tree: Any, name: str, node_type: str, place: tuple[float, float]) -> Any:
    """Return the add-on's own node of a name and type, made at a place of the editor if it is missing."""
    node = tree.nodes.get(name)
    if node is None or node.bl_idname != node_type:
        node = tree.nodes.new(node_type)
        node.name = name
        node.location = place
    return node


def set_input(tree: Any, socket: Any, value: Any) -> None:
    """Give an input a value of its own; what fed it is unlinked."""
    for link in list(socket.links):
        tree.links.remove(link)
    socket.default_value = value


def _upstream(socket: Any, shader_type: str) -> Any | None:
    """Return the nearest node of a type that feeds a socket through others, such as a mix of shaders."""
    seen: set[Any] = set()
    front = [link.from_node for link in socket.links]
    while front:
        node = front.pop(0)
        if node.bl_idname == shader_type:
            return node
        if node.name not in seen:
            seen.add(node.name)
            front += [link.from_node for entry in node.inputs for link in entry.links]
    return None
