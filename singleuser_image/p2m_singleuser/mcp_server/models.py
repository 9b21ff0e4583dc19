"""Kinds of values that several topics of tools take and return."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

Vector = tuple[float | None, float | None, float | None]
"""Three numbers in a result; null stands for what is not finite, which JSON cannot say."""

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]
"""Three numbers of a caller."""

Colour = Annotated[list[float], Field(min_length=3, max_length=3)] | str
"""A colour of a caller; its description is `COLOUR`."""

COLOUR = 'three linear numbers (red, green, blue) from 0 to 1, or "#rrggbb" as screens show it (sRGB)'
"""How tools describe a `Colour`."""

ObjectName = Annotated[str, Field(description="The object's name, as list_objects gives it.")]

KNOWS_NAMES = "list_objects gives the names of all objects."
"""Hint of tools that take an object's name."""


class PlacedObject(BaseModel):
    """An object and where it is."""

    name: str = Field(description="Unique name; Blender appends a number when a name is taken.")
    type: str = Field(description="Blender's object type, for instance MESH, CURVE, FONT, CAMERA, LIGHT, EMPTY.")
    location: Vector = Field(
        description="Position x, y, z in metres (Blender units), from where its parent was when it became the parent."
    )
    rotation: Vector = Field(description="Euler rotation about x, then y, then z, in radians.")
    scale: Vector = Field(description="Scale along x, y, z, as factors (1 = unscaled).")
    world_location: Vector = Field(description="Position x, y, z in the world, in metres (Blender units).")
    dimensions: Vector = Field(description="Size of its bounding box along its own x, y, z, in metres (Blender units).")
    parent: str | None = Field(description="Name of its parent; null without one.")
    collections: list[str] = Field(description="Names of the collections it is in.")


class PlacedObjects(BaseModel):
    """Several objects and where they are."""

    objects: list[PlacedObject] = Field(description="The objects, one entry each.")
