"""Files, exchange formats, checks, Blender's own API, resources and prompts, by the real MCP client."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from mcp import Client, MCPError

from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import open_png
from tests.support.standalone import Standalone, standalone

FORMATS = ["glb", "obj", "stl", "ply", "fbx"]
SIZE_OF = """
item = bpy.data.objects[NAME]
corners = [item.matrix_world @ vertex.co for vertex in item.data.vertices]
print([round(max(c[i] for c in corners) - min(c[i] for c in corners), 4) for i in range(3)])
"""


class Agent:
    """The client, with the scene in short words."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; return its structured output."""
        result = await self.client.call_tool(tool, arguments)
        text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail; return what it says."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return result.content[0].text

    async def run(self, code: str) -> str:
        return (await self.call("execute_blender_code", code=f"import bmesh\n{code}"))["result"]

    async def clear(self) -> None:
        """Leave a scene without objects and without a file."""
        await self.run("bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)")

    async def cube(self, name: str = "Box") -> None:
        """Make a cube of 2 x 3 x 4 metres, the only object of the scene."""
        await self.clear()
        await self.run(f"bpy.ops.mesh.primitive_cube_add(size=1, scale=(2, 3, 4))\nbpy.context.object.name = {name!r}")

    async def mesh(self, code: str, name: str = "Mesh") -> None:
        """Make the only object of the scene by code that changes the BMesh ``b``."""
        await self.clear()
        await self.run(
            f"b = bmesh.new()\n{code}\nmesh = bpy.data.meshes.new({name!r})\nb.to_mesh(mesh)\n"
            f"bpy.context.collection.objects.link(bpy.data.objects.new({name!r}, mesh))"
        )


@pytest.fixture(scope="module")
def container() -> Iterator[Standalone]:
    with standalone() as running:
        prepare = "echo hidden >~/.hidden.png; echo other >/tmp/other.blend; ln -s /tmp/other.blend ~/link.blend"
        running.container.exec_run(["sh", "-c", prepare])
        yield running


@pytest.fixture
async def agent(container: Standalone, failed: Callable[[], bool]) -> AsyncIterator[Agent]:
    connected: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def connect() -> None:  # a client ends in the task in which it began
        async with mcp_client(container.mcp_url, container.token) as client:
            connected.set_result(client)
            await done.wait()

    connecting = asyncio.create_task(connect())
    await asyncio.wait([connecting, connected], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    if not connected.done():
        await connecting
    yield Agent(connected.result())
    done.set()
    await connecting
    if failed():
        print(container.log())


@pytest.mark.parametrize("ending", FORMATS)
async def test_a_format_brings_back_what_was_exported(agent: Agent, ending: str):
    await agent.cube()
    exported = await agent.call("export_file", path=f"trip/box.{ending}", objects=["Box"])
    assert exported["objects"] == ["Box"]
    assert exported["files"][0]["file"] == f"trip/box.{ending}"
    assert exported["files"][0]["size"] > 100
    imported = await agent.call("import_file", path=f"trip/box.{ending}")
    (new,) = imported["objects"]
    assert new["name"] != "Box"
    assert json.loads(await agent.run(SIZE_OF.replace("NAME", repr(new["name"])))) == [2.0, 3.0, 4.0]
    listed = await agent.call("list_files", pattern="trip/*")
    assert f"trip/box.{ending}" in [file["path"] for file in listed["files"]]
    assert not any("p2m-export" in file["path"] for file in listed["files"])


async def test_a_format_that_this_blender_lacks_is_refused_with_others(agent: Agent):
    await agent.cube()
    assert "built without USD; use one of: fbx, glb, obj, ply, stl" in await agent.refusal("export_file", path="a.usd")


async def test_a_file_in_millimetres_is_one_factor_away(agent: Agent):
    await agent.cube()
    await agent.call("export_file", path="mm.stl", scale=1000)
    (plain,) = (await agent.call("import_file", path="mm.stl"))["objects"]
    assert plain["dimensions"] == [2000.0, 3000.0, 4000.0]
    (scaled,) = (await agent.call("import_file", path="mm.stl", scale=0.001))["objects"]
    assert scaled["dimensions"] == [2.0, 3.0, 4.0]
    assert "metres by its standard" in await agent.refusal("export_file", path="mm.glb", scale=1000)


async def test_an_export_leaves_the_selection_and_other_files_alone(agent: Agent):
    await agent.cube()
    await agent.run("bpy.ops.mesh.primitive_uv_sphere_add(); bpy.context.object.name = 'Ball'")
    await agent.call("export_file", path="kept.obj", objects=["Box"])
    assert await agent.run("print([o.name for o in bpy.context.selected_objects])") == "['Ball']\n"
    assert "exists already" in await agent.refusal("export_file", path="kept.obj")
    await agent.run("import os; os.remove(os.path.expanduser('~/kept.obj'))")
    assert "kept.mtl' exists already" in await agent.refusal("export_file", path="kept.obj")
    await agent.call("export_file", path="kept.obj", selected_only=True, overwrite=True)
    assert "no object called 'Nobody'" in await agent.refusal("export_file", path="x.stl", objects=["Nobody"])
    await agent.run("bpy.data.objects['Box'].hide_set(True)")
    assert "show them first: 'Box'" in await agent.refusal("export_file", path="x.stl", objects=["Box"])


async def test_a_file_is_saved_opened_and_never_overwritten_unasked(agent: Agent):
    await agent.cube("First")
    assert "never saved" in await agent.refusal("save_file")
    saved = await agent.call("save_file", path="deep/er/first.blend")
    assert saved["open_file"] == saved["file"] == "deep/er/first.blend"
    assert saved["size"] > 1000
    assert (await agent.call("save_file"))["replaced"] is False
    assert (await agent.call("get_file_summary"))["unsaved_changes"] is False
    await agent.cube("Second")
    assert "exists already" in await agent.refusal("save_file", path="deep/er/first.blend")
    copy = await agent.call("save_file", path="second.blend", copy=True)
    assert copy["open_file"] is None
    opened = await agent.call("open_file", path="deep/er/first.blend")
    assert opened["file"] == "deep/er/first.blend"
    assert opened["had_unsaved_changes"]
    assert "restore_checkpoint" in opened["note"]
    assert (opened["object_count"], opened["missing_files"]) == (1, [])
    assert await agent.run("print(bpy.data.objects.keys())") == "['First']\n"
    assert (await agent.call("save_file", path="second.blend", overwrite=True))["replaced"] is True
    assert (await agent.call("get_scene_info"))["object_count"] == 1


async def test_a_damaged_file_leaves_the_scene_as_it_is(agent: Agent):
    await agent.cube("Kept")
    await agent.run(
        "import os\nfor e in ('blend', 'glb', 'stl', 'fbx'): open(os.path.expanduser(f'~/bad.{e}'), 'w').write('x')"
    )
    assert "scene is as it was" in await agent.refusal("open_file", path="bad.blend")
    for ending in ("glb", "stl", "fbx"):
        assert f"bad.{ending}' cannot be imported" in await agent.refusal("import_file", path=f"bad.{ending}")
    assert await agent.run("print(bpy.data.objects.keys())") == "['Kept']\n"


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "~/../../tmp/other.blend",
        "/tmp/other.blend",
        "link.blend",
        "nothing.blend",
        "",
    ],
)
@pytest.mark.parametrize("tool", ["open_file", "import_file", "get_file"])
async def test_nothing_outside_the_home_is_read(agent: Agent, tool: str, path: str):
    says = await agent.refusal(tool, path=path)
    assert "home" in says
    assert "root:" not in says


@pytest.mark.parametrize("path", ["../x.{}", "/tmp/x.{}", "~/../../tmp/x.{}", "link/x.{}", "x.txt"])
async def test_nothing_is_written_outside_the_home_or_as_something_else(container: Standalone, agent: Agent, path: str):
    container.container.exec_run(["ln", "-sfn", "/tmp", "/home/blender/link"])
    await agent.cube()
    await agent.refusal("save_file", path=path.format("blend"), overwrite=True)
    await agent.refusal("export_file", path=path.format("stl"), overwrite=True)
    assert container.container.exec_run(["sh", "-c", "ls /tmp/x.* ~/../x.* ~/x.txt"])[1].count(b"No such file") == 3


async def test_files_are_listed_in_pages_without_hidden_ones(agent: Agent):
    await agent.run(
        "import os; os.makedirs(os.path.expanduser('~/many'), exist_ok=True)\n"
        "for i in range(5): open(os.path.expanduser(f'~/many/{i}.txt'), 'w').write('x' * i)"
    )
    page = await agent.call("list_files", folder="many", limit=3)
    assert [(file["path"], file["size"]) for file in page["files"]] == [(f"many/{i}.txt", i) for i in range(3)]
    assert (page["total"], page["next_offset"]) == (5, 3)
    rest = await agent.call("list_files", folder="many", limit=3, offset=3)
    assert (len(rest["files"]), rest["next_offset"]) == (2, None)
    paths = [file["path"] for file in (await agent.call("list_files", limit=1000))["files"]]
    assert not [path for path in paths if path.startswith(".") or path == "link.blend"]


async def test_a_picture_is_fetched_as_a_picture_and_a_model_as_bytes(agent: Agent):
    await agent.cube()
    await agent.run(
        "import os; i = bpy.data.images.new('dot', 32, 16); i.file_format = 'PNG'\n"
        "i.filepath_raw = os.path.expanduser('~/dot.png'); i.save()"
    )
    (picture,) = (await agent.client.call_tool("get_file", {"path": "dot.png"})).content
    assert (picture.type, picture.mime_type) == ("image", "image/png")
    assert open_png(base64.b64decode(picture.data)).size == (32, 16)
    await agent.call("export_file", path="box.glb", overwrite=True)
    (model,) = (await agent.client.call_tool("get_file", {"path": "box.glb"})).content
    assert (model.type, model.resource.mime_type) == ("resource", "model/gltf-binary")
    assert base64.b64decode(model.resource.blob).startswith(b"glTF")
    (read,) = (await agent.client.read_resource(model.resource.uri)).contents
    assert read.blob == model.resource.blob
    await agent.run("import os; open(os.path.expanduser('~/large.bin'), 'wb').truncate(9 << 20)")
    assert "at most 8 MB" in await agent.refusal("get_file", path="large.bin")
    assert "hidden" in await agent.refusal("get_file", path=".hidden.png")


async def test_a_cube_is_ready_to_print(agent: Agent):
    await agent.clear()
    await agent.run("bpy.ops.mesh.primitive_cube_add(size=2, location=(5, 0, 0))")
    check = await agent.call("check_mesh", name="Cube")
    assert check["ready_to_print"]
    assert check["problems"] == []
    assert (check["manifold"], check["normals_consistent"], check["parts"]) == (True, True, 1)
    assert (check["volume"], check["area"]) == (8.0, 24.0)
    assert check["dimensions_mm"] == [2000.0, 2000.0, 2000.0]
    await agent.run("bpy.context.object.scale = (-0.01, 0.01, 0.02)")
    mirrored = await agent.call("check_mesh", name="Cube")
    assert mirrored["ready_to_print"]
    assert mirrored["dimensions_mm"] == pytest.approx([20.0, 20.0, 40.0])
    assert mirrored["volume"] == pytest.approx(1.6e-5)


CUBE = "bmesh.ops.create_cube(b, size=2)\nb.faces.ensure_lookup_table()\n"
SECOND = "n = bmesh.ops.create_cube(b, size={size})['verts']\nbmesh.ops.translate(b, verts=n, vec=({x}, 0, 0))\n"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param(
            "bmesh.ops.create_grid(b, x_segments=3, y_segments=3, size=1)\nb.faces.ensure_lookup_table()\n"
            "bmesh.ops.delete(b, geom=[b.faces[4]], context='FACES_ONLY')",
            {"manifold": False, "boundary_edges": 16, "volume": None, "flipped_faces": 0},
            id="sheet-with-a-hole",
        ),
        pytest.param(
            CUBE + "bmesh.ops.reverse_faces(b, faces=b.faces[:])",
            {"manifold": True, "normals_consistent": False, "flipped_faces": 6, "inconsistent_edges": 0, "volume": 8.0},
            id="inside-out",
        ),
        pytest.param(
            CUBE + "bmesh.ops.reverse_faces(b, faces=[b.faces[0]])",
            {"normals_consistent": False, "flipped_faces": 1, "inconsistent_edges": 4, "volume": None},
            id="one-face-flipped",
        ),
        pytest.param(
            CUBE
            + SECOND.format(size=1, x=0)
            + "bmesh.ops.reverse_faces(b, faces=list({f for v in n for f in v.link_faces}))",
            {"ready_to_print": True, "flipped_faces": 0, "parts": 2, "volume": 7.0},
            id="hollow",
        ),
        pytest.param(
            CUBE + SECOND.format(size=1, x=1),
            {"ready_to_print": False, "self_intersecting_faces": 5, "parts": 2},
            id="two-cubes-through-each-other",
        ),
        pytest.param(
            CUBE + "b.verts.new((9, 9, 9))\nb.edges.new((b.verts.new((7, 7, 7)), b.verts.new((8, 8, 8))))",
            {"manifold": False, "loose_vertices": 1, "loose_edges": 1},
            id="loose",
        ),
        pytest.param(
            CUBE + "bmesh.ops.split_edges(b, edges=b.edges[:])",
            {"manifold": False, "boundary_edges": 24, "duplicate_vertices": 16},
            id="not-merged",
        ),
        pytest.param(
            CUBE + "bmesh.ops.triangulate(b, faces=b.faces[:])\nb.verts.ensure_lookup_table()\n"
            "b.verts[0].co = b.verts[0].link_edges[0].other_vert(b.verts[0]).co",
            {"manifold": True, "degenerate_faces": 2, "duplicate_vertices": 1},
            id="without-area",
        ),
        pytest.param(
            CUBE + "e = b.faces[0].edges[0]\nb.faces.new((*e.verts, b.verts.new((9, 9, 9))))",
            {"manifold": False, "crowded_edges": 1, "boundary_edges": 2},
            id="fin",
        ),
        pytest.param(
            CUBE + SECOND.format(size=2, x=2) + "bmesh.ops.translate(b, verts=n, vec=(0, 2, 2))\n"
            "bmesh.ops.remove_doubles(b, verts=b.verts[:], dist=0.01)",
            {"manifold": False, "pinched_vertices": 1, "parts": 2},
            id="corner-to-corner",
        ),
    ],
)
async def test_what_is_wrong_with_a_mesh_is_found(agent: Agent, code: str, found: dict[str, Any]):
    await agent.mesh(code)
    check = await agent.call("check_mesh", name="Mesh")
    assert {name: check[name] for name in found} == found, check
    assert bool(check["problems"]) != check["ready_to_print"]


async def test_modifiers_count_and_what_has_no_surface_is_refused(agent: Agent):
    await agent.mesh("bmesh.ops.create_grid(b, x_segments=1, y_segments=1, size=1)")
    assert not (await agent.call("check_mesh", name="Mesh"))["manifold"]
    await agent.run("bpy.data.objects['Mesh'].modifiers.new('Solid', 'SOLIDIFY').thickness = 0.5")
    check = await agent.call("check_mesh", name="Mesh")
    assert (check["ready_to_print"], check["volume"]) == (True, 2.0)
    await agent.run("bpy.ops.object.camera_add()")
    assert "no surface" in await agent.refusal("check_mesh", name="Camera")
    assert "get_scene_info lists" in await agent.refusal("check_mesh", name="Nothing")


async def test_the_summary_names_what_is_missing(agent: Agent):
    await agent.cube()
    await agent.call("save_file", path="lib.blend", overwrite=True)
    await agent.cube("Other")
    await agent.run(
        "import os; home = os.path.expanduser('~')\n"
        "with bpy.data.libraries.load(home + '/lib.blend', link=True) as (there, here): here.objects = ['Box']\n"
        "i = bpy.data.images.new('dot', 8, 8); i.file_format = 'PNG'; i.filepath_raw = home + '/p.png'; i.save()\n"
        "i = bpy.data.images.load(home + '/p.png'); i.name = 'packed'; i.pack(); os.remove(home + '/p.png')\n"
        "i = bpy.data.images.new('gone', 8, 8); i.source = 'FILE'; i.filepath = home + '/gone.png'"
    )
    summary = await agent.call("get_file_summary")
    assert summary["file"] is None
    assert summary["unsaved_changes"]
    assert summary["blender_version"].startswith("4.")
    assert summary["data_blocks"]["libraries"] == 1
    assert summary["libraries"] == [{"name": "lib.blend", "path": "lib.blend", "missing": False}]
    images = {image["name"]: (image["packed"], image["missing"]) for image in summary["images"]}
    assert images["packed"] == (True, False)
    assert images["gone"] == (False, True)
    assert {"kind": "images", "name": "gone", "path": "gone.png"} in summary["missing_files"]
    assert "packed" not in [missing["name"] for missing in summary["missing_files"]]


async def test_the_api_is_described_by_blender_itself(agent: Agent):
    operator = await agent.call("describe_api", path="bpy.ops.mesh.primitive_cube_add")
    assert operator["kind"] == "operator"
    assert operator["signature"].startswith("bpy.ops.mesh.primitive_cube_add(size=2.0, ")
    align = next(member for member in operator["members"] if member["name"] == "align")
    assert align["items"] == ["WORLD", "VIEW", "CURSOR"]
    location = await agent.call("describe_api", path="Object.location")
    assert (location["path"], location["type"]) == ("bpy.types.Object.location", "float[3]")
    assert (location["unit"], location["default"], location["read_only"]) == ("length", [0, 0, 0], False)
    new = await agent.call("describe_api", path="bpy.data.objects.new")
    assert (new["signature"], new["type"]) == ("bpy.data.objects.new(name, object_data)", "Object")
    assert [member["required"] for member in new["members"]] == [True, True]
    segments = await agent.call("describe_api", path="BevelModifier.segments")
    assert (segments["minimum"], segments["maximum"]) == (1, 1000)
    bevel = await agent.call("describe_api", path="bmesh.ops.bevel")
    assert bevel["signature"].startswith("bmesh.ops.bevel(bmesh, geom=[]")
    page = await agent.call("describe_api", path="bpy.types.Object", limit=10, offset=10)
    assert (len(page["members"]), page["next_offset"], page["bases"]) == (10, 20, ["ID"])
    assert page["member_count"] > 100
    keyframe = await agent.call("describe_api", path="Object.keyframe_insert")
    assert keyframe["signature"].startswith("bpy.types.Object.keyframe_insert(data_path")
    for unknown in ("bpy.ops.mesh.nonsense", "os.system", "bpy.data.objects.nonsense", "mathutils.__doc__", "a b", ""):
        assert "search_api" in await agent.refusal("describe_api", path=unknown)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("add cube", "bpy.ops.mesh.primitive_cube_add"),
        ("bevel width", "bpy.types.BevelModifier.width"),
        ("export stl", "bpy.ops.wm.stl_export"),
        ("shade smooth", "bpy.ops.object.shade_smooth"),
    ],
)
async def test_the_api_is_found_by_words(agent: Agent, query: str, path: str):
    found = await agent.call("search_api", query=query, limit=5)
    assert path in [entry["path"] for entry in found["results"]]
    assert found["indexed"] > 5000


async def test_every_result_of_a_search_can_be_described(agent: Agent):
    for query in ("vertex", "render", "node input", "library"):
        for entry in (await agent.call("search_api", query=query, limit=15))["results"]:
            assert (await agent.call("describe_api", path=entry["path"]))["kind"] == entry["kind"], entry


async def test_resources_are_listed_and_read(agent: Agent):
    await agent.cube("My Box/1")
    listed = {str(resource.uri) for resource in (await agent.client.list_resources()).resources}
    assert {"blender://scene", "blender://screenshot"} <= listed
    templates = {
        template.uri_template for template in (await agent.client.list_resource_templates()).resource_templates
    }
    assert {"blender://objects/{name}", "blender://files/{path}", "blender://files/{+path}"} <= templates
    (scene,) = (await agent.client.read_resource("blender://scene")).contents
    assert scene.mime_type == "application/json"
    assert json.loads(scene.text)["objects"][0]["name"] == "My Box/1"
    (item,) = (await agent.client.read_resource("blender://objects/My%20Box%2F1")).contents
    assert json.loads(item.text)["mesh"]["vertices"] == 8
    (picture,) = (await agent.client.read_resource("blender://screenshot")).contents
    assert picture.mime_type == "image/png"
    assert max(open_png(base64.b64decode(picture.blob)).size) <= 1024
    await agent.run("import os; open(os.path.expanduser('~/a b.txt'), 'w').write('text')")
    (file,) = (await agent.client.read_resource("blender://files/a%20b.txt")).contents
    assert base64.b64decode(file.blob) == b"text"


@pytest.mark.parametrize(
    "uri",
    [
        "blender://objects/Nobody",
        "blender://files/../../etc/passwd",
        "blender://files/..%2F..%2Fetc%2Fpasswd",
        "blender://files//etc/passwd",
        "blender://files/%2Fetc%2Fpasswd",
        "blender://files/link.blend",
        "blender://files/.hidden.png",
        "blender://files/nothing.png",
        "blender://nothing",
    ],
)
async def test_what_is_no_resource_is_an_error(agent: Agent, uri: str):
    with pytest.raises(MCPError):
        await agent.client.read_resource(uri)


async def test_prompts_are_listed_and_filled_in(agent: Agent):
    prompts = {prompt.name: prompt for prompt in (await agent.client.list_prompts()).prompts}
    assert set(prompts) == {"model_from_description", "review_scene", "prepare_for_printing"}
    for prompt in prompts.values():
        assert prompt.title
        assert prompt.description
        assert all(argument.description for argument in prompt.arguments or [])
    made = await agent.client.get_prompt("model_from_description", {"description": "a red stool, 45 cm high"})
    assert "a red stool, 45 cm high" in made.messages[0].content.text
    printed = await agent.client.get_prompt("prepare_for_printing", {"object_name": "Box", "longest_side_mm": "50"})
    assert "longest side is to be 50 mm" in printed.messages[0].content.text
    review = await agent.client.get_prompt("review_scene")
    tools = {tool.name for tool in (await agent.client.list_tools()).tools}
    texts = " ".join(answer.messages[0].content.text for answer in (made, printed, review))
    assert {word.strip(".,;:") for word in texts.split() if "_" in word.strip("_.,;:")} - {"ready_to_print"} <= tools
