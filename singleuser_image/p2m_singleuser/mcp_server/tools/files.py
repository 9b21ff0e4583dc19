"""Files of the user's home: open, save, list, import, export, fetch."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import BlobResourceContents, EmbeddedResource, ImageContent
from pydantic import BaseModel, Field

from p2m_singleuser.home_files import HomeFileError, HomeFiles, mime_type_of, uri_of
from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import KNOWS_NAMES
from p2m_singleuser.mcp_server.toolset import EDITS, READS, REPLACES, Toolset

tools = Toolset()

SHOWN_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""Kinds of pictures that clients show as such."""

LARGEST_MODEL_BYTES = 32 * 1024 * 1024
"""Largest model that is returned, in bytes; Blender's extension keeps to the same."""

MODEL_URI = "blender://model.glb"
"""What a model is called that has no file."""

LONG_WORK_S = 170.0
"""Seconds that reading or writing a large file may take."""

HomePath = Annotated[
    str, Field(description="File in the user's home, relative to it, for instance models/chair.blend.")
]
Overwrite = Annotated[bool, Field(description="Replace the file if it exists. False: an existing file is an error.")]

LIST_HINT = "list_files shows the files there are."
NAME_HINT = "Another path, or overwrite=true after asking the person, helps when the file exists."


class OpenedFile(BaseModel):
    """What is open now."""

    file: str = Field(description="The open file, relative to the home.")
    previous_file: str | None = Field(description="What was open before; null when it had no file.")
    had_unsaved_changes: bool | None = Field(
        description="Whether what was open before had changes that were not saved; null when Blender runs without a "
        "window, where it does not tell."
    )
    scene: str = Field(description="Name of the scene.")
    object_count: int = Field(description="Objects in the scene.")
    missing_files: list[str] = Field(description="Pictures, libraries and the like that the file names and lacks.")
    note: str = Field(default="", description="What to know about the changes that were not saved; else empty.")


class SavedFile(BaseModel):
    """What was written."""

    file: str = Field(description="The file written, relative to the home.")
    size: int = Field(description="Its size in bytes.")
    replaced: bool = Field(description="Whether another file was overwritten.")
    open_file: str | None = Field(description="The file that is open now; null when the scene has none.")


class FoundFile(BaseModel):
    """One file."""

    path: str = Field(description="Relative to the home; the other file tools take it.")
    size: int = Field(description="Size in bytes.")
    modified: str = Field(description="Last change, ISO 8601 in UTC.")


class FileList(BaseModel):
    """A page of files."""

    files: list[FoundFile] = Field(description="This page, in the order of their paths.")
    total: int = Field(description="Matching files on all pages.")
    offset: int = Field(description="Files skipped before this page.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")


class ImportedObject(BaseModel):
    """One object that came with a file."""

    name: str = Field(description="Unique name; get_object_info takes it.")
    type: str = Field(description="Blender's object type, for instance MESH, EMPTY, ARMATURE.")
    dimensions: tuple[float, float, float] = Field(description="Size along x, y, z in metres (Blender units).")


class ImportResult(BaseModel):
    """What an import brought."""

    file: str = Field(description="The file read, relative to the home.")
    format: str = Field(description="Its format.")
    objects: list[ImportedObject] = Field(description="The new objects; they are selected now.")


class WrittenFile(BaseModel):
    """One file that an export wrote."""

    file: str = Field(description="Relative to the home; get_file takes it.")
    size: int = Field(description="Size in bytes.")


class ExportResult(BaseModel):
    """What an export wrote."""

    format: str = Field(description="The format.")
    files: list[WrittenFile] = Field(description="The file asked for, then those beside it (materials, textures).")
    objects: list[str] = Field(description="Names of the objects in it.")


@tools.tool(title="Open file", annotations=REPLACES)
async def open_file(ctx: BlenderContext, path: HomePath) -> OpenedFile:
    """Open a .blend file of the user's home in the place of the present scene.

    Changes that were not saved are no reason to refuse: a checkpoint is made before. Scripts in the file do not run.
    import_file adds other formats to the scene.
    """
    answer = await ask(
        ctx, "open_file", deadline_s=LONG_WORK_S, announce="Blender opens the file", hint=LIST_HINT, path=path
    )
    note = ""
    if answer["had_unsaved_changes"] is not False:
        had = "had" if answer["had_unsaved_changes"] else "may have had"
        note = f"What was open before {had} unsaved changes; list_checkpoints and restore_checkpoint bring them back."
    return OpenedFile.model_validate({**answer, "note": note})


@tools.tool(title="Save file", annotations=REPLACES)
async def save_file(
    ctx: BlenderContext,
    path: Annotated[
        str | None,
        Field(description="Where in the user's home, ending in .blend; null saves the open file where it is."),
    ] = None,
    overwrite: Overwrite = False,
    copy: Annotated[bool, Field(description="Write a copy and keep working in the file that is open.")] = False,
) -> SavedFile:
    """Save the scene as a .blend file: where it is, or under another name.

    Another file is never replaced without overwrite=true.
    """
    answer = await ask(
        ctx,
        "save_file",
        deadline_s=LONG_WORK_S,
        announce="Blender saves the file",
        hint=NAME_HINT if path else "",
        path=path,
        overwrite=overwrite,
        copy=copy,
    )
    return SavedFile.model_validate(answer)


@tools.tool(title="List files", annotations=READS)
async def list_files(
    pattern: Annotated[
        str,
        Field(description="Shell pattern for the name, such as *.blend, or with a / for the path, such as out/*.png."),
    ] = "*",
    folder: Annotated[str, Field(description="Folder to begin in, relative to the home; empty for all.")] = "",
    limit: Annotated[int, Field(description="Most files to list (count).", ge=1, le=1000)] = 100,
    offset: Annotated[int, Field(description="Files to skip before the list begins (count).", ge=0)] = 0,
) -> FileList:
    """List files of the user's home and of the folders in it; hidden ones are left out."""
    try:
        files, total = await asyncio.to_thread(HomeFiles().list, folder, pattern, limit, offset)
    except HomeFileError as error:
        raise ToolError(str(error)) from error
    end = offset + len(files)
    return FileList(
        files=[FoundFile(path=file.path, size=file.size, modified=file.modified) for file in files],
        total=total,
        offset=offset,
        next_offset=end if files and end < total else None,
    )


@tools.tool(title="Import file", annotations=EDITS)
async def import_file(
    ctx: BlenderContext,
    path: Annotated[
        str,
        Field(description="File in the user's home, ending in glb, gltf, obj, stl, ply, fbx, usd, usda, usdc or usdz."),
    ],
    scale: Annotated[
        float,
        Field(description="Factor for everything imported; 0.001 for a file in millimetres.", ge=1e-6, le=1e6),
    ] = 1.0,
) -> ImportResult:
    """Add the content of another program's file to the scene. open_file opens .blend files."""
    answer = await ask(
        ctx,
        "import_file",
        deadline_s=LONG_WORK_S,
        announce="Blender imports the file",
        hint=LIST_HINT,
        path=path,
        scale=scale,
    )
    return ImportResult.model_validate(answer)


@tools.tool(title="Export file", annotations=REPLACES)
async def export_file(
    ctx: BlenderContext,
    path: Annotated[
        str, Field(description="Where in the user's home; the ending is the format: glb, obj, stl, ply, fbx or usd.")
    ],
    objects: Annotated[
        list[str] | None, Field(description="Names of the objects to write; null writes all visible ones.")
    ] = None,
    selected_only: Annotated[
        bool, Field(description="Write what is selected in Blender; not together with objects.")
    ] = False,
    apply_modifiers: Annotated[bool, Field(description="Write meshes as their modifiers show them.")] = True,
    scale: Annotated[
        float,
        Field(
            description="Factor for lengths, for stl, obj, ply and fbx; 1000 writes millimetres, as printing expects.",
            ge=1e-6,
            le=1e6,
        ),
    ] = 1.0,
    overwrite: Overwrite = False,
) -> ExportResult:
    """Write objects to a file for another program. get_file fetches it.

    An existing file is never replaced without overwrite=true.
    """
    answer = await ask(
        ctx,
        "export_file",
        deadline_s=LONG_WORK_S,
        announce="Blender exports the file",
        path=path,
        objects=objects,
        selected_only=selected_only,
        apply_modifiers=apply_modifiers,
        scale=scale,
        overwrite=overwrite,
    )
    return ExportResult.model_validate(answer)


@tools.tool(title="Fetch file", annotations=READS)
async def get_file(path: HomePath) -> ImageContent | EmbeddedResource:
    """Return a file's content: pictures as pictures, anything else as an embedded resource. At most 8 MB."""
    files = HomeFiles()
    try:
        found, data = await asyncio.to_thread(files.read, path)
    except HomeFileError as error:
        raise ToolError(str(error)) from error
    content = base64.b64encode(data).decode("ascii")
    mime_type = mime_type_of(found.name)
    if mime_type in SHOWN_PICTURES:
        return ImageContent(type="image", data=content, mime_type=mime_type)
    resource = BlobResourceContents(uri=uri_of(files.relative(found)), blob=content, mime_type=mime_type)
    return EmbeddedResource(type="resource", resource=resource)


@tools.tool(title="Fetch the model", annotations=READS)
async def get_model(
    ctx: BlenderContext,
    objects: Annotated[
        list[str] | None, Field(description="Names of the objects; null takes all visible ones.", min_length=1)
    ] = None,
    max_bytes: Annotated[
        int, Field(description="Most bytes to return; a larger model is an error.", ge=1, le=LARGEST_MODEL_BYTES)
    ] = LARGEST_MODEL_BYTES,
) -> EmbeddedResource:
    """Return objects as one glTF binary (GLB) to show in 3D, with materials and modifiers. No file is left behind.

    export_file writes other formats, and files that stay.
    """
    answer = await ask(
        ctx,
        "get_model",
        deadline_s=LONG_WORK_S,
        announce="Blender writes the model",
        hint=KNOWS_NAMES,
        objects=objects,
        max_bytes=max_bytes,
    )
    blob = BlobResourceContents(uri=MODEL_URI, blob=answer["model_base64"], mime_type=answer["mime_type"])
    return EmbeddedResource(type="resource", resource=blob)
