# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs' files: import and export of glTF, Wavefront OBJ, STL, PLY, FBX and USD, in the user's home."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import addon_utils
import bpy
from mathutils import Matrix

from ..paths import file_to_read, file_to_write, shown
from ..registry import CommandError, command

SCALES = (1e-6, 1e6)
"""Smallest and largest `scale`."""


LARGEST_MODEL_BYTES = 32 * 1024 * 1024
"""Largest model that `get_model` returns: with base64 it still fits a message."""


@dataclass(frozen=True)
class Format:
    """How Blender reads and writes one format.

    Attributes:
        name: For people.
        exporter: Operator that writes it.
        importers: Operators that read it, the preferred one first; which there are depends on Blender's version.
        options: Of the exporter, beside the path.
        selection: The exporter's option for "only what is selected".
        modifiers: Its option for "with modifiers applied"; None when it has none and always applies them.
        scale: Its option for a factor; None when the format is in metres by its standard.
        addon: Bundled add-on that brings the operators; None when they are part of Blender.
    """

    name: str
    exporter: str
    importers: tuple[str, ...]
    selection: str
    modifiers: str | None
    scale: str | None
    addon: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


_GLB = Format(
    "glTF",
    "export_scene.gltf",
    ("import_scene.gltf",),
    selection="use_selection",
    modifiers="export_apply",
    scale=None,
    addon="io_scene_gltf2",
    options={"export_format": "GLB"},
)
_OBJ = Format(
    "Wavefront OBJ",
    "wm.obj_export",
    ("wm.obj_import",),
    selection="export_selected_objects",
    modifiers="apply_modifiers",
    scale="global_scale",
    options={"path_mode": "COPY"},
)
_STL = Format(
    "STL",
    "wm.stl_export",
    ("wm.stl_import",),
    selection="export_selected_objects",
    modifiers="apply_modifiers",
    scale="global_scale",
)
_PLY = Format(
    "PLY",
    "wm.ply_export",
    ("wm.ply_import",),
    selection="export_selected_objects",
    modifiers="apply_modifiers",
    scale="global_scale",
)
_FBX = Format(
    "FBX",
    "export_scene.fbx",
    ("import_scene.fbx", "wm.fbx_import"),  # the latter is Blender's own reader, from 4.5 on
    selection="use_selection",
    modifiers="use_mesh_modifiers",
    scale="global_scale",
    addon="io_scene_fbx",
    options={"path_mode": "COPY", "embed_textures": True},
)
_USD = Format(
    "USD",
    "wm.usd_export",
    ("wm.usd_import",),
    selection="selected_objects_only",
    modifiers=None,
    scale=None,
)

EXPORTS = {
    ".glb": _GLB,
    ".obj": _OBJ,
    ".stl": _STL,
    ".ply": _PLY,
    ".fbx": _FBX,
    ".usd": _USD,
    ".usdc": _USD,
    ".usdz": _USD,
}
"""Formats by the file's ending, as they can be written."""

IMPORTS = {**EXPORTS, ".gltf": _GLB, ".usda": _USD}
"""Formats by the file's ending, as they can be read."""


@command("import_file", kind="edit")
def import_file(path: str, scale: float = 1.0) -> dict[str, Any]:
    """Add what is in another program's file to the scene. What was imported is selected afterwards.

    Args:
        path: The file, in the user's home, with an ending of `IMPORTS`.
        scale: Factor for everything imported, about the world's origin; 0.001 for a file in millimetres.

    Returns:
        ``file``, ``format``, ``objects`` (each new one's ``name``, ``type``, ``dimensions`` in Blender units).

    Raises:
        CommandError: The path is not allowed, the scale is out of range, this Blender cannot read the format, or the
            file is not what its ending says.
    """
    source = file_to_read(path, IMPORTS)
    _check_scale(scale)
    form = IMPORTS[source.suffix.lower()]
    operator = _operator(form, form.importers)
    before = set(bpy.data.objects)
    try:
        done = operator(filepath=str(source))
    except RuntimeError as error:
        raise CommandError(f"{path!r} cannot be imported as {form.name}: {_reason(error)}.") from error
    new = [item for item in bpy.data.objects if item not in before]
    if "FINISHED" not in done or not new:
        raise CommandError(f"{path!r} brought no objects; it may be empty, damaged, or no {form.name} file.")
    if scale != 1.0:
        for item in new:
            if item.parent is None:
                item.matrix_world = Matrix.Scale(scale, 4) @ item.matrix_world
    bpy.context.view_layer.update()
    return {
        "file": shown(source),
        "format": form.name,
        "objects": [{"name": item.name, "type": item.type, "dimensions": _numbers(item.dimensions)} for item in new],
    }


@command("export_file", kind="edit", undo_step=False)
def export_file(
    path: str,
    objects: list[str] | None = None,
    selected_only: bool = False,
    apply_modifiers: bool = True,
    scale: float = 1.0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write objects to a file for another program. The file appears whole or not at all.

    Args:
        path: Where, in the user's home, with an ending of `EXPORTS`.
        objects: Names of the objects to write; all visible ones when left out.
        selected_only: Write what is selected in Blender; not together with `objects`.
        apply_modifiers: Write meshes as their modifiers show them.
        scale: Factor for lengths; 1000 writes millimetres, as programs for printing expect in STL.
        overwrite: Whether files that exist may be replaced.

    Returns:
        ``format``, ``files`` (each ``file`` and ``size`` in bytes; the one asked for first), ``objects`` (names).

    Raises:
        CommandError: The path is not allowed or exists, an object does not exist or is hidden, nothing is left to
            write, an option does not go with the format, or this Blender cannot write it.
    """
    target = file_to_write(path, EXPORTS, overwrite=overwrite)
    form = EXPORTS[target.suffix.lower()]
    operator = _operator(form, (form.exporter,))
    chosen = _chosen(objects, selected_only)
    options = {**form.options, **_checked_options(form, apply_modifiers, scale)}
    with tempfile.TemporaryDirectory(prefix=".p2m-export-", dir=target.parent) as directory:
        _write(form, operator, chosen, Path(directory) / target.name, options)
        written = _move(Path(directory), target, overwrite)
    return {
        "format": form.name,
        "files": [{"file": shown(file), "size": file.stat().st_size} for file in written],
        "objects": [item.name for item in chosen],
    }


@command("get_model")
def get_model(objects: list[str] | None = None, max_bytes: int = LARGEST_MODEL_BYTES) -> dict[str, Any]:
    """Return objects as a glTF binary (GLB), as their modifiers show them; no file is left behind.

    Args:
        objects: Names of the objects; all visible ones when left out.
        max_bytes: Most bytes of GLB to return, at most `LARGEST_MODEL_BYTES`.

    Returns:
        ``model_base64``, ``mime_type``, ``size`` (bytes of GLB), ``objects`` (names).

    Raises:
        CommandError: An object does not exist or is hidden, nothing is left to write, the model is larger than
            `max_bytes`, or this Blender cannot write glTF.
    """
    operator = _operator(_GLB, (_GLB.exporter,))
    chosen = _chosen(objects, selected_only=False)
    options = {**_GLB.options, **_checked_options(_GLB, True, 1.0)}
    with tempfile.TemporaryDirectory(prefix="p2m-model-") as directory:
        target = Path(directory) / "model.glb"
        _write(_GLB, operator, chosen, target, options)
        size, most = target.stat().st_size, min(max_bytes, LARGEST_MODEL_BYTES)
        if size > most:
            raise CommandError(
                f"The model is {size / 1e6:.1f} MB and at most {most / 1e6:.1f} MB are returned; name fewer objects, "
                "or make meshes and textures smaller."
            )
        data = target.read_bytes()
    return {
        "model_base64": base64.b64encode(data).decode("ascii"),
        "mime_type": "model/gltf-binary",
        "size": size,
        "objects": [item.name for item in chosen],
    }


def _write(form: Format, operator: Any, chosen: list[Any], target: Path, options: dict[str, Any]) -> None:
    """Write objects to a file.

    Raises:
        CommandError: Blender cannot.
    """
    try:
        with _selected(chosen):
            done = operator(filepath=str(target), check_existing=False, **options)
    except RuntimeError as error:
        raise CommandError(f"{target.name!r} cannot be written as {form.name}: {_reason(error)}.") from error
    if "FINISHED" not in done or not target.is_file():
        raise CommandError(f"Blender wrote no {form.name} file; look into its log for the reason.")


def _check_scale(scale: float) -> None:
    low, high = SCALES
    if not low <= scale <= high:
        raise CommandError(f"scale must be {low:g} to {high:g}, got {scale:g}.")


def _checked_options(form: Format, apply_modifiers: bool, scale: float) -> dict[str, Any]:
    """Return a format's spelling of the options.

    Raises:
        CommandError: The format has no such option.
    """
    _check_scale(scale)
    options: dict[str, Any] = {form.selection: True}
    if form.modifiers is not None:
        options[form.modifiers] = apply_modifiers
    elif not apply_modifiers:
        raise CommandError(f"{form.name} is always written with modifiers applied; leave apply_modifiers at true.")
    if form.scale is not None:
        options[form.scale] = scale
    elif scale != 1.0:
        raise CommandError(
            f"{form.name} is in metres by its standard; leave scale at 1, or choose stl, obj, ply or fbx."
        )
    return options


def _operator(form: Format, names: tuple[str, ...]) -> Any:
    """Return the first of some operators that there is, enabling the bundled add-on that brings it for this session.

    Raises:
        CommandError: This Blender has none of them.
    """
    for name in names:
        module, _, function = name.partition(".")
        if form.addon is not None and function not in dir(getattr(bpy.ops, module)):
            addon_utils.enable(form.addon, default_set=False)
        if function in dir(getattr(bpy.ops, module)):
            return getattr(getattr(bpy.ops, module), function)
    others = ", ".join(sorted({suffix[1:] for suffix, other in EXPORTS.items() if other is not form}))
    raise CommandError(
        f"This Blender ({bpy.app.version_string}) was built without {form.name}; use one of: {others}. "
        "For scenes with materials, glb is the nearest."
    )


def _chosen(names: list[str] | None, selected_only: bool) -> list[Any]:
    """Return the objects to write; none of them hidden, because hidden ones cannot be selected."""
    visible = [item for item in bpy.context.view_layer.objects if item.visible_get() and not item.hide_select]
    if names is not None and selected_only:
        raise CommandError("Give objects or selected_only, not both.")
    if names is None:
        chosen = [item for item in visible if item.select_get()] if selected_only else visible
        if not chosen:
            raise CommandError("Nothing is selected." if selected_only else "The scene has no visible objects.")
        return chosen
    known = {item.name: item for item in visible}
    if missing := [name for name in names if name not in bpy.data.objects]:
        raise CommandError(f"There is no object called {', '.join(map(repr, missing))}; get_scene_info lists them.")
    if hidden := [name for name in names if name not in known]:
        raise CommandError(
            f"Hidden or unselectable objects cannot be exported; show them first: {', '.join(map(repr, hidden))}."
        )
    if not names:
        raise CommandError("objects is empty; name what is to be exported, or leave it out to export all.")
    return [known[name] for name in dict.fromkeys(names)]


@contextmanager
def _selected(chosen: list[Any]) -> Iterator[None]:
    """Select these objects and no others, and give the person back the selection they had."""
    layer = bpy.context.view_layer
    former = {item for item in layer.objects if item.select_get()}
    active = layer.objects.active
    wanted = set(chosen)
    try:
        for item in layer.objects:
            item.select_set(item in wanted)
        yield
    finally:
        for item in layer.objects:
            item.select_set(item in former)
        layer.objects.active = active


def _move(directory: Path, target: Path, overwrite: bool) -> list[Path]:
    """Move what an exporter wrote beside the target, and return it, the target first.

    Raises:
        CommandError: A file of the same name exists (an exporter may write more than the one that was asked for).
    """
    written = sorted(
        (path for path in directory.rglob("*") if path.is_file()), key=lambda path: path.name != target.name
    )
    places = [target.parent / path.relative_to(directory) for path in written]
    if taken := [place for place in places if not overwrite and place.exists()]:
        names = ", ".join(repr(shown(place)) for place in taken)
        raise CommandError(f"{names} exists already; choose another name, or say that it may be overwritten.")
    for path, place in zip(written, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    return places


def _reason(error: RuntimeError) -> str:
    """Return what an operator reported: of a traceback its last line, else all on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(line.startswith("Traceback") or "Traceback" in line for line in lines):
        lines = [line for line in lines if not line.startswith("Location:")][-1:]
    return " ".join(lines).removeprefix("Error: ").rstrip(". ")


def _numbers(values: Any) -> list[float]:
    return [float(f"{value:.6g}") + 0.0 for value in values]
