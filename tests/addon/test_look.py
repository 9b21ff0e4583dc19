"""Views, contact sheets and pointing things out, in a real Blender and through MCP."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.image.conftest import TOKEN, UserContainer, ready_container
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import changed_share, colours, open_png

SCENE = """
bpy.ops.wm.read_homefile(app_template="", use_factory_startup=True)
cube = bpy.data.objects["Cube"]
cube.name, cube.scale = "Tower", (1, 2, 4)
material = bpy.data.materials.new("Red")
material.use_nodes = True
material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (1, 0, 0, 1)
cube.data.materials[0] = material
"""
WATCHED = """
space = max((a for w in bpy.context.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"),
            key=lambda a: a.width * a.height).spaces.active
view = space.region_3d
state = dict(matrix=[tuple(row) for row in view.view_matrix], perspective=view.view_perspective, lens=space.lens,
             shading=space.shading.type, overlays=space.overlay.show_overlays, engine=bpy.context.scene.render.engine,
             camera=bpy.context.scene.camera and bpy.context.scene.camera.name,
             size=(bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y),
             data=[len(getattr(bpy.data, n)) for n in ("scenes", "objects", "cameras", "worlds", "collections")])
print(state)
"""
HEADLESS = """
import addon_utils, importlib, json, sys
addon_utils.enable("bl_ext.system.p2m_blender", default_set=False)
importlib.import_module("bl_ext.system.p2m_blender.handlers")
table = importlib.import_module("bl_ext.system.p2m_blender.registry").table
answers = [vars(table.find(name).run(params)) for name, params in json.loads(sys.argv[-1])]
open("/tmp/answers.json", "w").write(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def container() -> Iterator[UserContainer]:
    with ready_container() as ready:
        yield ready


@pytest.fixture
def blender(container: UserContainer, failed: Callable[[], bool]) -> Iterator[UserContainer]:
    """With the same scene for each test."""
    container.ask_blender("execute_code", code=SCENE)
    yield container
    if failed():
        print(container.docker.logs(tail=200).decode("utf-8", "replace"))


def endpoint(container: UserContainer) -> str:
    container.docker.reload()
    return f"http://127.0.0.1:{container.docker.ports['8888/tcp'][0]['HostPort']}/p2m/mcp"


def picture(answer: dict[str, Any]) -> Any:
    return open_png(base64.b64decode(answer["image_base64"]))


def person(container: UserContainer) -> str:
    return str(container.ask_blender("execute_code", code=WATCHED)["result"])


def test_each_view_shows_another_side_and_the_persons_view_stays(blender: UserContainer):
    before = person(blender)
    shots = {
        view: picture(blender.ask_blender("get_viewport_screenshot", max_size=240, view=view))
        for view in ("front", "right", "top", "iso", "camera")
    }
    assert shots["top"].size == (240, 180)
    assert changed_share(shots["front"], shots["top"]) > 0.05
    assert changed_share(shots["front"], shots["right"]) > 0.05
    assert changed_share(shots["front"], shots["iso"]) > 0.05
    assert shots["camera"].size == (240, 135), "the camera's proportions"
    assert colours(shots["camera"]) > 1
    assert person(blender) == before


def test_a_view_contains_all_of_the_scene(blender: UserContainer):
    code = (
        "bpy.ops.mesh.primitive_cube_add(location=(300, 0, 0)); bpy.ops.mesh.primitive_cube_add(location=(-900, 0, 0))"
    )
    blender.ask_blender("execute_code", code=code)
    shot = picture(blender.ask_blender("get_viewport_screenshot", max_size=800, view="front"))
    ground = shot.getpixel((0, 0))
    middle = [shot.getpixel((x, shot.height // 2)) for x in range(shot.width)]
    seen = [x for x, colour in enumerate(middle) if colour != ground]
    assert 10 < seen[0] < 60, "the leftmost object, with room beside it"
    assert 740 < seen[-1] < 790, "the rightmost one"


def test_shading_is_what_was_asked_for_and_put_back(blender: UserContainer):
    before = person(blender)
    shots = {
        shading: picture(blender.ask_blender("get_viewport_screenshot", max_size=160, view="iso", shading=shading))
        for shading in ("solid", "wireframe", "material", "rendered")
    }
    assert changed_share(shots["solid"], shots["wireframe"]) > 0.05
    for shading in ("material", "rendered"):
        red, green, _ = shots[shading].getpixel((80, 35))
        assert red > 2 * green, f"{shading} shows the red top"
    assert person(blender) == before


def test_the_persons_own_view_is_rendered_from_where_they_look(blender: UserContainer):
    solid = picture(blender.ask_blender("get_viewport_screenshot", max_size=200, shading="solid"))
    rendered = picture(blender.ask_blender("get_viewport_screenshot", max_size=200, shading="material"))
    assert rendered.size == solid.size
    reds = [
        (x, y)
        for x in range(rendered.width)
        for y in range(rendered.height)
        if rendered.getpixel((x, y))[0] > 2 * rendered.getpixel((x, y))[1]
    ]
    middle = sum(x for x, _ in reds) / len(reds), sum(y for _, y in reds) / len(reds)
    assert len(reds) > 100
    assert abs(middle[0] - rendered.width / 2) < 15
    assert abs(middle[1] - rendered.height / 2) < 15


async def test_a_sheet_shows_as_many_views_as_were_asked_for(blender: UserContainer):
    async with mcp_client(endpoint(blender), TOKEN) as client:
        result = await client.call_tool("look", {"views": ["front", "right", "top", "iso", "camera"], "max_size": 600})
        text_of(result)
        sheet = result.structured_content
        shown = open_png(base64.b64decode(next(part.data for part in result.content if part.type == "image")))
    assert sheet["views"] == ["front", "right", "top", "iso", "camera"]
    assert (sheet["columns"], shown.size) == (3, (sheet["width"], sheet["height"]))
    width, height = (shown.width + 2) // 3, (shown.height + 2) // 2
    cells = [
        shown.crop((column * width, row * height, (column + 1) * width - 2, (row + 1) * height - 2))
        for row in range(2)
        for column in range(3)
    ]
    assert [colours(cell) > 2 for cell in cells] == [True] * 5 + [False]
    labels = [cell.crop((0, 0, 80, 22)) for cell in cells[:5]]
    assert all(changed_share(labels[0], label) > 0.02 for label in labels[1:])


async def test_without_a_camera_the_way_on_is_told(blender: UserContainer):
    blender.ask_blender("execute_code", code="bpy.data.objects.remove(bpy.data.objects['Camera'])")
    async with mcp_client(endpoint(blender), TOKEN) as client:
        result = await client.call_tool("look", {"views": ["camera"]})
    assert result.is_error
    assert "no camera; add one" in result.content[0].text


async def test_the_person_is_shown_an_object(blender: UserContainer):
    before = person(blender)
    blender.ask_blender(
        "execute_code",
        code="bpy.ops.mesh.primitive_cube_add(location=(50, 60, 70)); bpy.context.object.name = 'There'\n"
        "bpy.context.object.select_set(False)",
    )
    async with mcp_client(endpoint(blender), TOKEN) as client:
        result = await client.call_tool("focus_view", {"name": "There", "select": True})
        text_of(result)
        assert result.structured_content["location"] == [50, 60, 70]
        assert 2 < result.structured_content["distance"] < 20
        assert person(blender) != before
        chosen = "print([o.name for o in bpy.context.selected_objects], bpy.context.view_layer.objects.active.name)"
        assert blender.ask_blender("execute_code", code=chosen)["result"] == "['There'] There\n"
        blender.ask_blender("execute_code", code="bpy.data.objects['There'].hide_set(True)")
        refused = await client.call_tool("focus_view", {"name": "There"})
    assert refused.is_error
    assert "hidden" in refused.content[0].text


def test_without_a_window_views_are_rendered(blender: UserContainer):
    calls = [
        ["get_viewport_screenshot", {"max_size": 200}],
        ["get_viewport_screenshot", {"max_size": 200, "view": "top", "shading": "wireframe"}],
        ["look", {"views": ["front", "iso"], "max_size": 300}],
        ["focus_view", {"name": "Cube"}],
    ]
    blender.output("blender", "-b", "--factory-startup", "--python-expr", HEADLESS, "--", json.dumps(calls))
    answers = json.loads(blender.output("cat", "/tmp/answers.json"))
    camera, top, sheet = (answer["result"] for answer in answers[:3])
    assert (camera["view"], top["view"], sheet["views"]) == ("camera", "top", ["front", "iso"])
    assert colours(picture(camera)) > 10
    assert colours(picture(top)) > 1
    assert colours(picture(sheet)) > 10
    assert "without a window" in answers[3]["message"]
