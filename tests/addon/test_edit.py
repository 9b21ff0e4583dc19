"""The commands and tools that edit the scene, in a real Blender without a window, which draws nothing meanwhile."""

from __future__ import annotations

import json
import math
import secrets
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client

from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for

START_S = 90.0
EMPTY = """
blocks = ("objects", "meshes", "curves", "lights", "cameras", "materials", "images", "worlds", "collections")
bpy.data.batch_remove([block for name in blocks for block in getattr(bpy.data, name)])
scene = bpy.context.scene
scene.unit_settings.scale_length = 1
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1920, 1080, 100
"""
MEASURE = """
import bmesh
bpy.context.view_layer.update()
mesh = bmesh.new()
mesh.from_object(bpy.data.objects[{name!r}], bpy.context.evaluated_depsgraph_get())
print(round(mesh.calc_volume(signed=True), 4), all(edge.is_manifold for edge in mesh.edges))
"""
PICTURE = """
import os
image = bpy.data.images.new("made", {width}, {height})
image.filepath_raw = os.path.expanduser("~/{name}")
image.file_format = "PNG"
image.save()
bpy.data.images.remove(image)
"""


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"docker {shlex.join(arguments)}: {done.stderr}"
    return done.stdout


class Blender:
    """A container: its add-on's TCP socket, and its MCP endpoint."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        ports = ("--publish", "127.0.0.1::9876", "--publish", "127.0.0.1::8888")
        environment = ("--env", "P2M_BLENDER_TCP_HOST=0.0.0.0", "--env", "P2M_BLENDER_MODE=headless")
        start = ("start-p2m", f"--IdentityProvider.token={self.token}")
        self.id = docker("run", "--detach", *environment, *ports, IMAGE, *start).strip()

    def port(self, inside: int) -> int:
        return int(docker("port", self.id, f"{inside}/tcp").splitlines()[0].rsplit(":", 1)[1])

    def wait_until_ready(self) -> Blender:
        self.socket = ("127.0.0.1", self.port(9876))
        self.url = f"http://127.0.0.1:{self.port(8888)}/p2m"

        def is_ready() -> bool:
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = requests.get(f"{self.url}/status", headers=headers, timeout=10)
            return answer.ok and bool(answer.json()["ready"])

        wait_for(is_ready, START_S, "a container that is ready", interval=0.3)
        return self

    def log(self) -> str:
        done = subprocess.run(["docker", "logs", self.id], check=False, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def call(self, command: str, /, **params: Any) -> dict[str, Any]:
        """Run a command; return the whole reply."""
        with socket.create_connection(self.socket, timeout=60) as connection:
            connection.sendall(json.dumps({"type": command, "params": params}).encode())
            connection.shutdown(socket.SHUT_WR)
            return json.loads(b"".join(iter(lambda: connection.recv(1 << 20), b"")))

    def __call__(self, command: str, /, **params: Any) -> dict[str, Any]:
        """Run a command that must succeed; return its result."""
        reply = self.call(command, **params)
        assert reply["status"] == "success", reply["message"]
        return reply["result"]

    def refuses(self, command: str, /, **params: Any) -> str:
        """Run a command that must fail and leave the objects as they are; return what it says."""
        before = self("list_objects")
        reply = self.call(command, **params)
        assert reply["status"] == "error", reply
        assert self("list_objects") == before
        return reply["message"]

    def run(self, code: str) -> str:
        return self("execute_code", code=code)["result"].strip()

    def agent(self) -> AbstractAsyncContextManager[Client]:
        """Connect an MCP client."""
        return mcp_client(f"{self.url}/mcp", self.token)

    def measure(self, name: str) -> tuple[float, bool]:
        """The volume of a mesh with its modifiers, above 0 if its faces point outwards, and whether it is closed."""
        volume, closed = self.run(MEASURE.format(name=name)).split()
        return float(volume), closed == "True"


@pytest.fixture(scope="module")
def container() -> Iterator[Blender]:
    started = Blender()
    try:
        try:
            yield started.wait_until_ready()
        except TimeoutError:
            print(started.log())
            raise
    finally:
        docker("rm", "--force", "--volumes", started.id)


@pytest.fixture
def blender(container: Blender, failed: Callable[[], bool]) -> Iterator[Blender]:
    """Blender with nothing in its scene."""
    container.run(EMPTY)
    yield container
    if failed():
        print(container.log())


# ---- new objects


@pytest.mark.parametrize(
    ("kind", "given", "dimensions", "faces"),
    [
        ("cube", {}, [2, 2, 2], 6),
        ("cube", {"size": 0.5}, [0.5, 0.5, 0.5], 6),
        ("plane", {"size": 3}, [3, 3, 0], 1),
        ("grid", {"size": 4, "x_segments": 2, "y_segments": 3}, [4, 4, 0], 6),
        ("circle", {"radius": 2, "segments": 8}, [4, 4, 0], 0),
        ("circle", {"radius": 2, "segments": 8, "filled": True}, [4, 4, 0], 1),
        ("uv_sphere", {"radius": 2, "segments": 16, "rings": 8}, [4, 4, 4], 128),
        ("ico_sphere", {"subdivisions": 3}, [2, 2, 2], 320),
        ("cylinder", {"radius": 1, "depth": 5, "segments": 12}, [2, 2, 5], 14),
        ("cone", {"radius": 1, "depth": 3, "segments": 12}, [2, 2, 3], 13),
        ("cone", {"radius": 1, "top_radius": 0.5, "segments": 12}, [2, 2, 2], 14),
        ("torus", {"radius": 2, "tube_radius": 0.5, "segments": 16, "tube_segments": 8}, [5, 5, 1], 128),
        ("monkey", {"size": 1}, [1.367, 0.852, 0.984], 500),
    ],
)
def test_a_primitive_has_the_size_it_was_asked_for(
    blender: Blender, kind: str, given: dict[str, Any], dimensions: list[float], faces: int
):
    made = blender("create_object", type=kind, location=[1, 2, 3], settings=given)
    assert made["type"] == "MESH"
    assert made["location"] == [1, 2, 3]
    assert made["scale"] == [1, 1, 1]
    assert made["dimensions"] == pytest.approx(dimensions, rel=0.03)
    code = f"mesh = bpy.data.objects[{made['name']!r}].data\nprint(len(mesh.polygons), len(mesh.uv_layers))"
    assert blender.run(code) == f"{faces} 1"


@pytest.mark.parametrize(
    ("kind", "volume"),
    [
        ("cube", 8),
        ("uv_sphere", 4 / 3 * math.pi),
        ("ico_sphere", 4 / 3 * math.pi),
        ("cylinder", 2 * math.pi),
        ("cone", 2 / 3 * math.pi),
        ("torus", 2 * math.pi**2 * 0.25**2),
    ],
)
def test_a_solid_primitive_is_closed_and_faces_outwards(blender: Blender, kind: str, volume: float):
    blender("create_object", type=kind, name="Solid")
    measured, closed = blender.measure("Solid")
    assert closed
    assert measured == pytest.approx(volume, rel=0.15)


def test_dimensions_are_built_into_the_mesh(blender: Blender):
    made = blender("create_object", type="cube", name="Top", dimensions=[2, 1, 0.1])
    assert (made["dimensions"], made["scale"]) == ([2, 1, 0.1], [1, 1, 1])
    flat = blender("create_object", type="plane", dimensions=[3, 1, 9])
    assert flat["dimensions"] == [3, 1, 0]
    assert "above 0" in blender.refuses("create_object", type="cube", dimensions=[1, 0, 1])


def test_smooth_is_for_all_faces(blender: Blender):
    blender("create_object", type="uv_sphere", name="Ball", smooth=True)
    blender("create_object", type="uv_sphere", name="Rough")
    code = "print([all(f.use_smooth for f in bpy.data.objects[n].data.polygons) for n in ('Ball', 'Rough')])"
    assert blender.run(code) == "[True, False]"


def test_names_are_as_blender_made_them(blender: Blender):
    names = [blender("create_object", type="cube", name="Box")["name"] for _ in range(3)]
    assert names == ["Box", "Box.001", "Box.002"]
    assert blender("create_object", type="ico_sphere")["name"] == "Sphere"


def test_text_curve_and_empty(blender: Blender):
    text = {"text": "Grüße\n立方", "size": 2, "extrude": 0.1, "align": "center"}
    made = blender("create_object", type="text", name="Sign", settings=text)
    assert made["type"] == "FONT"
    assert made["dimensions"][2] == pytest.approx(0.2)
    assert blender.run("print(bpy.data.objects['Sign'].data.body)") == "Grüße\n立方"
    points = [[0, 0, 0], [1, 0, 0], [1, 2, 0]]
    straight = {"points": points, "curve_type": "poly", "bevel_depth": 0.1}
    pipe = blender("create_object", type="curve", name="Pipe", settings=straight)
    assert pipe["dimensions"][2] == pytest.approx(0.2, rel=0.05)
    blender("create_object", type="curve", name="Loop", settings={"points": points, "cyclic": True})
    code = "s = bpy.data.objects['Loop'].data.splines[0]; print(s.type, len(s.bezier_points), s.use_cyclic_u)"
    assert blender.run(code) == "BEZIER 3 True"
    blender("create_object", type="empty", name="Mark", settings={"display": "sphere", "size": 0.5})
    code = "o = bpy.data.objects['Mark']; print(o.empty_display_type, o.empty_display_size)"
    assert blender.run(code) == "SPHERE 0.5"


@pytest.mark.parametrize(
    ("given", "shows", "expected"),
    [
        ({}, "light.type, light.energy", "POINT 100.0"),
        ({"light_type": "sun", "energy": 3}, "light.type, light.energy", "SUN 3.0"),
        ({"light_type": "sun"}, "light.energy", "1.0"),
        (
            {"light_type": "spot", "spot_angle": 0.5, "size": 0.25},
            "light.spot_size, light.shadow_soft_size",
            "0.5 0.25",
        ),
        (
            {"light_type": "area", "size": 2, "color": "#ff0000"},
            "light.size, tuple(light.color)",
            "2.0 (1.0, 0.0, 0.0)",
        ),
    ],
)
def test_lights(blender: Blender, given: dict[str, Any], shows: str, expected: str):
    blender("create_object", type="light", name="Lamp", settings=given)
    assert blender.run(f"light = bpy.data.objects['Lamp'].data; print({shows})") == expected


def test_the_first_camera_renders(blender: Blender):
    blender("create_object", type="camera", name="Eye", settings={"lens": 35})
    blender("create_object", type="camera", name="Plan", settings={"ortho_scale": 7})
    assert blender("get_scene_info")["camera"] == "Eye"
    code = "c = bpy.data.cameras; print(c['Eye'].lens, c['Plan'].type, c['Plan'].ortho_scale)"
    assert blender.run(code) == "35.0 ORTHO 7.0"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"type": "cubus"}, "Type not found: cubus. Similar: cube. There are: cube, plane,"),
        ({"type": "cube", "settings": {"radius": 1}}, "unknown parameter 'radius'; it takes: size"),
        ({"type": "cube", "settings": {"size": -1}}, "size must be above 0, got -1"),
        ({"type": "cube", "settings": {"size": "2"}}, "parameter 'size' must be float, got str"),
        ({"type": "cube", "location": [1, 2]}, "location must be 3 finite numbers"),
        ({"type": "cube", "collection": "Props"}, "Collection not found: Props"),
        ({"type": "uv_sphere", "settings": {"segments": 2}}, "segments must be 3 to 1000, got 2"),
        ({"type": "curve"}, "missing parameter 'points'"),
        ({"type": "curve", "settings": {"points": [[0, 0, 0]]}}, "at least 2 points, got 1"),
        ({"type": "light", "settings": {"light_type": "sun", "size": 1}}, "A sun has no size"),
        ({"type": "light", "settings": {"color": "reddish"}}, "color must be '#rrggbb'"),
        ({"type": "empty", "settings": {"display": "ball"}}, "There are: plain_axes, arrows"),
        ({"type": "text", "dimensions": [1, 1, 1]}, "dimensions and smooth are for meshes"),
    ],
)
def test_what_cannot_be_created_is_told_with_what_can(blender: Blender, params: dict[str, Any], says: str):
    assert says in blender.refuses("create_object", **params)


def test_an_object_goes_to_the_collection_that_is_named(blender: Blender):
    blender.run("bpy.context.scene.collection.children.link(bpy.data.collections.new('Props'))")
    assert blender("create_object", type="cube", collection="Props")["collections"] == ["Props"]
    assert blender("create_object", type="cube")["collections"] == ["Scene Collection"]
    assert "Props" in blender("get_scene_info")["collections"]


# ---- lists


def test_lists_are_filtered_and_paged_without_a_cap(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("duplicate_object", name="Box", count=44)
    blender("create_object", type="camera", name="Eye")
    blender("create_object", type="cube", name="Hidden")
    blender.run("bpy.data.objects['Hidden'].hide_set(True); bpy.data.objects['Box'].select_set(True)")
    assert len(blender("get_scene_info")["objects"]) == 47
    seen, offset = [], 0
    while offset is not None:
        page = blender("list_objects", name="box*", type="mesh", limit=20, offset=offset)
        assert page["match_count"] == 45
        seen += [entry["name"] for entry in page["objects"]]
        offset = page["next_offset"]
    assert sorted(seen) == ["Box", *(f"Box.{number:03}" for number in range(1, 45))]
    assert [entry["name"] for entry in blender("list_objects", visible=False)["objects"]] == ["Hidden"]
    assert [entry["name"] for entry in blender("list_objects", type="CAMERA")["objects"]] == ["Eye"]
    assert blender("list_objects", name="x.00")["match_count"] == 9
    (box,) = blender("list_objects", name="box", limit=1)["objects"]
    assert (box["selected"], box["visible"], box["materials"]) == (True, True, [])
    info = blender("get_scene_info", type="CAMERA")
    assert (info["object_count"], info["match_count"], len(info["objects"])) == (47, 1, 1)
    assert "Similar: CAMERA" in blender.refuses("list_objects", type="CAMRA")


def test_a_collection_is_listed_with_those_inside_it(blender: Blender):
    blender.run(
        "outer, inner = (bpy.data.collections.new(name) for name in ('Outer', 'Inner'))\n"
        "bpy.context.scene.collection.children.link(outer); outer.children.link(inner)"
    )
    blender("create_object", type="cube", name="Deep", collection="Inner")
    blender("create_object", type="cube", name="Free")
    assert [entry["name"] for entry in blender("list_objects", collection="Outer")["objects"]] == ["Deep"]
    assert "There are: Scene Collection" in blender.refuses("list_objects", collection="Other")


def test_the_scene_tells_its_settings(blender: Blender):
    blender.run(
        "s = bpy.context.scene; s.frame_start, s.frame_end, s.render.fps, s.render.fps_base = 3, 99, 30, 1.001\n"
        "s.unit_settings.scale_length = 0.001; s.render.resolution_x = 800; s.render.resolution_percentage = 50\n"
    )
    info = blender("get_scene_info")
    assert (info["frame"]["start"], info["frame"]["end"]) == (3, 99)
    assert info["frame"]["fps"] == pytest.approx(29.97, abs=0.001)
    assert info["units"]["metres_per_unit"] == 0.001
    assert info["resolution"][0] == 400
    assert (info["camera"], info["world"]) == (None, None)
    assert info["engine"] in {"BLENDER_EEVEE_NEXT", "BLENDER_EEVEE", "CYCLES", "BLENDER_WORKBENCH"}


# ---- placing

NUMBERS = st.floats(-1000, 1000, width=32)
TRIPLES = st.lists(NUMBERS, min_size=3, max_size=3)
ANGLES = st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3)
MODES = st.sampled_from(["XYZ", "ZYX", "QUATERNION", "AXIS_ANGLE"])
IN_ONE_SCENE = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def matrix_of(blender: Blender, name: str) -> list[float]:
    code = (
        f"bpy.context.view_layer.update()\nprint([x for row in bpy.data.objects[{name!r}].matrix_world for x in row])"
    )
    return json.loads(blender.run(code))


@IN_ONE_SCENE
@given(location=TRIPLES, rotation=ANGLES, scale=st.lists(st.floats(0.125, 8, width=32), min_size=3, max_size=3))
def test_what_is_set_is_what_is_read(
    blender: Blender, location: list[float], rotation: list[float], scale: list[float]
):
    blender.run(EMPTY)
    blender("create_object", type="cube", name="Box")
    placed = blender("transform_object", name="Box", location=location, rotation=rotation, scale=scale)
    assert placed["location"] == pytest.approx(location, rel=1e-5)
    assert placed["rotation"] == pytest.approx(rotation, rel=1e-5)
    assert placed["scale"] == pytest.approx(scale, rel=1e-5)
    assert placed["dimensions"] == pytest.approx([2 * factor for factor in scale], rel=1e-4)
    assert blender("get_object_info", name="Box")["location"] == placed["location"]


@IN_ONE_SCENE
@given(rotation=ANGLES, mode=MODES)
def test_a_rotation_is_the_same_in_every_mode(blender: Blender, rotation: list[float], mode: str):
    blender.run(EMPTY)
    blender("create_object", type="cube", name="Box")
    blender.run(f"bpy.data.objects['Box'].rotation_mode = {mode!r}")
    blender("transform_object", name="Box", rotation=rotation)
    wanted = json.loads(
        blender.run(f"print([x for row in mathutils.Euler({rotation}).to_matrix().to_4x4() for x in row])")
    )
    assert matrix_of(blender, "Box") == pytest.approx(wanted, abs=1e-5)
    quaternion = json.loads(blender.run(f"print(list(mathutils.Euler({rotation}).to_quaternion()))"))
    blender("transform_object", name="Box", rotation=[0, 0, 0])
    blender("transform_object", name="Box", quaternion=[3 * part for part in quaternion])
    assert matrix_of(blender, "Box") == pytest.approx(wanted, abs=1e-5)


@IN_ONE_SCENE
@given(shift=TRIPLES, turn=ANGLES, mode=MODES)
def test_a_relative_change_and_its_opposite_cancel(blender: Blender, shift: list[float], turn: list[float], mode: str):
    blender.run(EMPTY)
    blender("create_object", type="cube", name="Box", location=[1, 2, 3], rotation=[0.1, 0.2, 0.3])
    blender.run(f"bpy.data.objects['Box'].rotation_mode = {mode!r}")
    blender("transform_object", name="Box", rotation=[0.1, 0.2, 0.3])
    before = matrix_of(blender, "Box")
    there = json.loads(blender.run(f"print(list(mathutils.Euler({turn}).to_quaternion()))"))
    blender("transform_object", name="Box", location=shift, quaternion=there, scale=[2, 4, 8], relative=True)
    back = [there[0], *(-part for part in there[1:])]
    shift = [-part for part in shift]
    blender("transform_object", name="Box", location=shift, quaternion=back, scale=[0.5, 0.25, 0.125], relative=True)
    assert matrix_of(blender, "Box") == pytest.approx(before, abs=1e-3)


def test_a_relative_rotation_is_about_the_parents_axes(blender: Blender):
    blender("create_object", type="cube", name="Box", rotation=[math.pi / 2, 0, 0])
    placed = blender("transform_object", name="Box", rotation=[0, 0, math.pi / 2], relative=True)
    assert placed["rotation"] == pytest.approx([math.pi / 2, 0, math.pi / 2], abs=1e-5)


def test_more_than_a_full_turn_is_kept(blender: Blender):
    blender("create_object", type="cube", name="Box")
    assert blender("transform_object", name="Box", rotation=[0, 0, 7])["rotation"] == [0, 0, 7]


def test_dimensions_are_reached_by_scaling(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="plane", name="Flat")
    placed = blender("transform_object", name="Box", dimensions=[4, 1, 0.5])
    assert (placed["dimensions"], placed["scale"]) == ([4, 1, 0.5], [2, 0.5, 0.25])
    assert blender("transform_object", name="Flat", dimensions=[4, 4, 0])["dimensions"] == [4, 4, 0]
    assert "flat along z" in blender.refuses("transform_object", name="Flat", dimensions=[4, 4, 1])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"name": "Bax"}, "Object not found: Bax. Similar: Box"),
        ({"name": "Box", "rotation": [0, 0, 0], "quaternion": [1, 0, 0, 0]}, "not both"),
        ({"name": "Box", "quaternion": [0, 0, 0, 0]}, "must not be zero"),
        ({"name": "Box", "dimensions": [1, 1, 1], "relative": True}, "dimensions are absolute"),
        ({"name": "Box", "location": [1, 2, 3, 4]}, "3 finite numbers"),
    ],
)
def test_a_transform_that_cannot_be_is_refused(blender: Blender, params: dict[str, Any], says: str):
    blender("create_object", type="cube", name="Box")
    assert says in blender.refuses("transform_object", **params)


# ---- copies, parents, deletion


def test_copies_stand_in_a_row(blender: Blender):
    blender("create_object", type="cube", name="Box", location=[1, 0, 0])
    own = blender("duplicate_object", name="Box", count=3, offset=[0, 2, 0])["objects"]
    assert [(copy["name"], copy["location"]) for copy in own] == [
        ("Box.001", [1, 2, 0]),
        ("Box.002", [1, 4, 0]),
        ("Box.003", [1, 6, 0]),
    ]
    (linked,) = blender("duplicate_object", name="Box", linked=True, new_name="Twin")["objects"]
    assert linked["name"] == "Twin"
    code = "o = bpy.data.objects; print(*(o[n].data == o['Box'].data for n in ('Twin', 'Box.001')))"
    assert blender.run(code) == "True False"
    assert "count must be 1 to 1000" in blender.refuses("duplicate_object", name="Box", count=1001)


def test_a_child_stays_where_it_is_and_then_follows(blender: Blender):
    blender("create_object", type="cube", name="Arm", location=[3, 2, 1], rotation=[0.3, 0.4, 0.5], scale=[1, 2, 3])
    blender("create_object", type="cube", name="Hand", location=[5, 5, 5], rotation=[1, 0, 0])
    before = matrix_of(blender, "Hand")
    (hand,) = blender("set_parent", children=["Hand"], parent="Arm")["objects"]
    assert hand["parent"] == "Arm"
    assert matrix_of(blender, "Hand") == pytest.approx(before, abs=1e-5)
    blender("transform_object", name="Arm", location=[1, 0, 0], relative=True)
    (moved,) = blender("list_objects", name="Hand")["objects"]
    assert moved["world_location"] == pytest.approx([6, 5, 5], abs=1e-5)
    blender("create_object", type="empty", name="Root", rotation=[0, 0, 1])
    blender("set_parent", children=["Hand"], parent="Root")
    blender("set_parent", children=["Hand"])
    (free,) = blender("list_objects", name="Hand")["objects"]
    assert (free["parent"], free["location"]) == (None, pytest.approx([6, 5, 5], abs=1e-5))


def test_a_child_may_count_from_its_parent_at_once(blender: Blender):
    blender("create_object", type="empty", name="Root", location=[10, 0, 0])
    blender("create_object", type="cube", name="Box", location=[1, 0, 0])
    (box,) = blender("set_parent", children=["Box"], parent="Root", keep_transform=False)["objects"]
    assert (box["location"], box["world_location"]) == ([1, 0, 0], [11, 0, 0])


def test_a_circle_of_parents_is_refused(blender: Blender):
    for name in ("A", "B", "C"):
        blender("create_object", type="empty", name=name)
    blender("set_parent", children=["B"], parent="A")
    blender("set_parent", children=["C"], parent="B")
    assert "'C' cannot be the parent of 'A'" in blender.refuses("set_parent", children=["A"], parent="C")
    assert "'A' cannot be the parent of 'A'" in blender.refuses("set_parent", children=["A"], parent="A")


def test_deleting_leaves_children_in_place_and_no_unused_data(blender: Blender):
    blender("create_object", type="cube", name="Arm", location=[1, 2, 3], rotation=[0, 0, 1])
    blender("create_object", type="cube", name="Hand", location=[4, 4, 4])
    blender("create_object", type="cube", name="Finger", location=[5, 5, 5])
    blender("set_parent", children=["Hand"], parent="Arm")
    blender("set_parent", children=["Finger"], parent="Hand")
    blender("transform_object", name="Arm", location=[0, 0, 1], relative=True)
    assert "Object not found: Nobody" in blender.refuses("delete_objects", names=["Arm", "Nobody"])
    assert blender("delete_objects", names=["Arm"]) == {"deleted": ["Arm"], "object_count": 2}
    (hand,) = blender("list_objects", name="Hand")["objects"]
    assert (hand["parent"], hand["location"]) == (None, pytest.approx([4, 4, 5], abs=1e-5))
    assert blender("delete_objects", names=["Hand"], with_children=True)["deleted"] == ["Hand", "Finger"]
    assert blender.run("print(len(bpy.data.objects), len(bpy.data.meshes))") == "0 0"


def test_an_object_in_edit_mode_may_be_deleted_but_not_cut(blender: Blender):
    blender("create_object", type="cube", name="Open")
    blender("create_object", type="cube", name="Tool", location=[1, 1, 1])
    blender.run(
        "bpy.context.view_layer.objects.active = bpy.data.objects['Open']; bpy.ops.object.mode_set(mode='EDIT')"
    )
    assert "'Open' is in edit mode" in blender.refuses("boolean", name="Open", cutter="Tool")
    blender("delete_objects", names=["Open"])
    assert blender("list_objects")["match_count"] == 1
    assert blender("create_object", type="cube")["name"] == "Cube"


# ---- modifiers


def test_a_modifier_has_what_was_asked_for(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="empty", name="Mirror plane")
    bevel = {"width": 0.25, "segments": 3, "limit_method": "angle"}
    added = blender("add_modifier", name="Box", type="bevel", properties=bevel)
    assert added["properties"] == {"width": 0.25, "segments": 3, "limit_method": "ANGLE"}
    assert 7 < blender.measure("Box")[0] < 8
    mirror = {"mirror_object": "Mirror plane", "use_axis": [True, True, False]}
    added = blender("add_modifier", name="Box", type="MIRROR", modifier_name="Twice", properties=mirror)
    assert (added["modifier"], added["index"], added["properties"]) == ("Twice", 1, mirror)
    assert added["object_modifiers"] == ["Bevel", "Twice"]


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("BEVELL", {}, "Similar: BEVEL"),
        ("bevel", {"widht": 1}, "Property of Bevel Modifier not found: widht. Similar: width"),
        ("bevel", {"segments": 0}, "segments must be 1 to"),
        ("bevel", {"segments": 2.5}, "segments must be a whole number"),
        ("bevel", {"width": "wide"}, "width must be a number"),
        ("bevel", {"limit_method": "corner"}, "There are: NONE, ANGLE, WEIGHT, VGROUP"),
        ("mirror", {"mirror_object": "Bix"}, "Object not found: Bix. Similar: Box"),
        ("mirror", {"use_axis": [True]}, "use_axis must be a list of 3"),
        ("boolean", {"object": "Lamp"}, "object cannot be 'Lamp'"),
        ("shrinkwrap", {"target": "Box"}, "target cannot be 'Box'"),
        ("grease_pencil_noise", {}, "of type MESH, which takes no modifier"),
    ],
)
def test_a_wrong_modifier_is_told_with_what_there_is(blender: Blender, kind: str, given: dict[str, Any], says: str):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="light", name="Lamp")
    assert says in blender.refuses("add_modifier", name="Box", type=kind, properties=given)
    assert blender.run("print(len(bpy.data.objects['Box'].modifiers))") == "0"


@pytest.mark.parametrize(("operation", "volume"), [("union", 15), ("difference", 7), ("intersect", 1)])
@pytest.mark.parametrize("apply", [True, False])
def test_booleans_have_the_right_volume(blender: Blender, operation: str, volume: float, apply: bool):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="cube", name="Tool", location=[1, 1, 1])
    result = blender("boolean", name="Box", cutter="Tool", operation=operation, apply=apply)
    assert blender.measure("Box") == (volume, True)
    assert (result["cutter"], result["modifier"]) == ("hidden", None if apply else "Boolean")
    code = "o = bpy.data.objects; print(len(o['Box'].modifiers), o['Tool'].visible_get(), o['Tool'].hide_render)"
    assert blender.run(code) == f"{0 if apply else 1} False True"
    assert result["vertices"] == {"union": 20, "difference": 14, "intersect": 8}[operation]


def test_a_boolean_is_applied_alone_and_to_one_object(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("duplicate_object", name="Box", linked=True, new_name="Twin")
    blender("create_object", type="cube", name="Tool", location=[1, 1, 1])
    blender("add_modifier", name="Box", type="ARRAY")
    blender("boolean", name="Box", cutter="Tool", after="delete")
    code = "o = bpy.data.objects; print(o['Box'].modifiers.keys(), o['Box'].modifiers[0].show_viewport, 'Tool' in o)"
    assert blender.run(code) == "['Array'] True False"
    assert blender.measure("Twin")[0] == 8
    assert blender.run("print(sorted(m.users for m in bpy.data.meshes))") == "[1, 1]"


def test_a_boolean_that_would_leave_nothing_changes_nothing(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="cube", name="Far", location=[9, 9, 9])
    blender("create_object", type="empty", name="Point")
    refusal = blender.refuses("boolean", name="Box", cutter="Far", operation="intersect", after="delete")
    assert "Nothing would be left of 'Box'" in refusal
    assert "a boolean needs two meshes" in blender.refuses("boolean", name="Box", cutter="Point")
    assert "needs its cutter" in blender.refuses("boolean", name="Box", cutter="Far", apply=False, after="delete")
    assert "with itself" in blender.refuses("boolean", name="Box", cutter="Box")
    assert blender.run("print(len(bpy.data.objects['Box'].modifiers), len(bpy.data.meshes))") == "0 2"


# ---- materials

FULL = {
    "base_color": [0.25, 0.5, 0.75],
    "metallic": 1,
    "roughness": 0.25,
    "emission_color": [1, 0, 0],
    "emission_strength": 2,
    "alpha": 0.5,
}


def test_a_material_has_the_values_that_were_given(blender: Blender):
    blender("create_object", type="cube", name="Box")
    made = blender("set_material", names=["Box"], material="Paint", **FULL)
    assert (made["material"], made["created"], made["values"], made["textured"]) == ("Paint", True, FULL, [])
    code = (
        "m = bpy.data.objects['Box'].material_slots[0].material\n"
        "out = m.node_tree.get_output_node('ALL')\n"
        "print(m.name, out.inputs['Surface'].links[0].from_node.inputs['Base Color'].default_value[1])"
    )
    assert blender.run(code) == "Paint 0.5"
    changed = blender("set_material", names=["Box"], roughness=1)
    assert (changed["material"], changed["created"]) == ("Paint", False)
    assert changed["values"] == FULL | {"roughness": 1}


def test_a_material_of_a_name_is_shared_and_an_own_one_is_not(blender: Blender):
    for name in ("A", "B", "C"):
        blender("create_object", type="cube", name=name)
    blender("set_material", names=["A", "B"], material="Gold", base_color="#ffcc00")
    assert blender("set_material", names=["C"], material="Gold")["values"]["base_color"][2] == 0
    own = blender("set_material", names=["A"], roughness=0)
    assert (own["material"], own["created"]) == ("Gold.001", True)
    assert own["values"]["base_color"][2] == 0
    assert blender("set_material", names=["B"], material="Gold")["values"]["roughness"] == 0.5
    fresh = blender("create_object", type="cube", name="D")
    assert blender("set_material", names=[fresh["name"]], alpha=1)["material"] == "D material"


def test_slots_are_made_as_needed(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("set_material", names=["Box"], material="Third", slot=2)
    code = "print([s.material and s.material.name for s in bpy.data.objects['Box'].material_slots])"
    assert blender.run(code) == "[None, None, 'Third']"


def test_a_material_without_principled_shader_gets_one(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender.run(
        "m = bpy.data.materials.new('Odd'); m.use_nodes = True; m.node_tree.nodes.clear()\n"
        "bpy.data.objects['Box'].data.materials.append(m)"
    )
    assert blender("set_material", names=["Box"], metallic=1)["values"]["metallic"] == 1


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"names": ["Box"], "roughness": 2}, "roughness must be 0 to 1"),
        ({"names": ["Box"], "base_color": "blue"}, "base_color must be '#rrggbb'"),
        ({"names": ["Box"], "slot": 64}, "slot must be 0 to 63"),
        ({"names": ["Lamp"]}, "of type LIGHT, which takes no materials"),
        ({"names": []}, "Name at least one object"),
    ],
)
def test_a_wrong_material_is_refused(blender: Blender, params: dict[str, Any], says: str):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="light", name="Lamp")
    assert says in blender.refuses("set_material", **params)
    assert blender.run("print(len(bpy.data.materials))") == "0"


@pytest.mark.parametrize("channel", ["base_color", "roughness", "metallic", "normal"])
def test_a_texture_feeds_its_channel(blender: Blender, channel: str):
    blender.run(PICTURE.format(name="wood.png", width=8, height=4))
    blender("create_object", type="cube", name="Box")
    for _ in range(2):
        done = blender("set_texture", name="Box", file="wood.png", channel=channel, repeat=3)
    assert (done["file"], done["size"], done["mapping"]) == ("wood.png", [8, 4], "uv")
    code = "print(len(bpy.data.images), bpy.data.images['wood.png'].colorspace_settings.is_data)"
    assert blender.run(code) == f"1 {channel != 'base_color'}"
    seen = blender("set_material", names=["Box"])
    assert seen["textured"] == [channel]
    if channel == "roughness":
        assert blender("set_material", names=["Box"], roughness=0.5)["textured"] == []


def test_a_texture_without_uv_map_is_projected(blender: Blender):
    blender.run(PICTURE.format(name="wood.png", width=8, height=4))
    blender("create_object", type="text", name="Sign")
    assert blender("set_texture", name="Sign", file="~/wood.png")["mapping"] == "box"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("../../etc/passwd.png", "'..'"),
        ("/tmp/outside.png", "outside the home"),
        ("link.png", "outside the home"),
        ("wod.png", "Similar: wood.png"),
        ("broken.png", "cannot read 'broken.png' as an image"),
        ("notes.txt", "must end in one of"),
    ],
)
@pytest.mark.parametrize("command", ["set_texture", "set_world"])
def test_pictures_come_from_the_home_alone(blender: Blender, command: str, file: str, says: str):
    blender.run(PICTURE.format(name="wood.png", width=8, height=4))
    blender.run(
        "import os, pathlib\nhome = pathlib.Path.home()\n"
        "pathlib.Path('/tmp/outside.png').write_bytes((home / 'wood.png').read_bytes())\n"
        "(home / 'broken.png').write_text('no picture')\n(home / 'notes.txt').touch()\n"
        "os.path.lexists(home / 'link.png') or os.symlink('/tmp/outside.png', home / 'link.png')"
    )
    blender("create_object", type="cube", name="Box")
    named = {"name": "Box"} if command == "set_texture" else {}
    assert says in blender.refuses(command, file=file, **named)
    assert blender.run("print(len(bpy.data.images), len(bpy.data.materials), len(bpy.data.worlds))") == "0 0 0"


# ---- world and camera


def test_the_world_is_a_colour_or_a_panorama(blender: Blender):
    made = blender("set_world", color=[0.25, 0.5, 0.75], strength=2)
    assert (made["color"], made["strength"], made["file"]) == ([0.25, 0.5, 0.75], 2, None)
    assert blender("get_scene_info")["world"] == made["world"]
    blender.run(PICTURE.format(name="sky.png", width=8, height=4))
    sky = blender("set_world", file="sky.png", rotation=1.5)
    assert (sky["file"], sky["size"], sky["rotation"], sky["strength"]) == ("sky.png", [8, 4], 1.5, 2)
    assert blender("set_world", rotation=0.5)["file"] == "sky.png"
    plain = blender("set_world", color="#000000")
    assert (plain["color"], plain["file"]) == ([0, 0, 0], None)
    assert "no panorama to turn" in blender.refuses("set_world", rotation=1)
    assert "not both" in blender.refuses("set_world", color="#000000", file="sky.png")


FRAMED = """
from bpy_extras.object_utils import world_to_camera_view
bpy.context.view_layer.update()
scene = bpy.context.scene
corners = [o.matrix_world @ mathutils.Vector(c) for o in scene.objects if o.type == 'MESH' for c in o.bound_box]
seen = [world_to_camera_view(scene, scene.camera, corner) for corner in corners]
clip = scene.camera.data
print([min(p.x for p in seen), max(p.x for p in seen), min(p.y for p in seen), max(p.y for p in seen),
       min(p.z for p in seen) - clip.clip_start, clip.clip_end - max(p.z for p in seen)])
"""


@pytest.mark.parametrize("ortho", [False, True])
@pytest.mark.parametrize(("size", "width"), [(0.01, 1920), (500, 700)])
def test_the_camera_sees_all_of_it_and_little_else(blender: Blender, ortho: bool, size: float, width: int):
    blender.run(f"bpy.context.scene.render.resolution_x = {width}")
    blender("create_object", type="cube", location=[size, 0, 0], dimensions=[size, size / 2, size / 3])
    blender("create_object", type="cube", location=[-size, 5 * size, size], dimensions=[size, size, size])
    given = {"ortho_scale": 1} if ortho else {}
    blender("create_object", type="camera", rotation=[1, 0, 2], settings=given)
    for view in ("keep", "front", "back", "right", "left", "top", "bottom", "iso"):
        framed = blender("frame_camera", view=view)
        assert (framed["framed"], framed["created"]) == (2, False)
        left, right, low, high, near, far = json.loads(blender.run(FRAMED))
        assert 0 <= left < right <= 1, view
        assert 0 <= low < high <= 1, view
        assert max(right - left, high - low) > 0.7, view
        assert near > 0, view
        assert far > 0, view


def test_a_camera_is_made_where_there_is_none(blender: Blender):
    blender("create_object", type="cube", name="Box")
    blender("create_object", type="cube", name="Far", location=[50, 0, 0])
    blender("create_object", type="empty", name="Point", location=[0, 0, 9])
    near = blender("frame_camera", names=["Box"])
    assert near["created"]
    assert near["distance"] < 15
    far = blender("frame_camera")
    assert not far["created"]
    assert far["distance"] > 50
    assert blender("get_scene_info")["camera"] == far["camera"]["name"] == "Camera"
    assert 1 < blender("frame_camera", names=["Point"])["distance"] < 20
    assert "not a camera" in blender.refuses("frame_camera", camera="Box")


def test_without_anything_to_see_the_camera_stays(blender: Blender):
    assert "nothing to frame" in blender.refuses("frame_camera")


# ---- through MCP


async def call(agent: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed; return its structured output."""
    result = await agent.call_tool(tool, arguments)
    text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def test_every_type_that_the_tool_offers_can_be_created(blender: Blender):
    async with blender.agent() as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        kinds = tools["create_object"].input_schema["properties"]["type"]["enum"]
        for kind in kinds:
            points = {"points": [[0, 0, 0], [1, 1, 1]]} if kind == "curve" else {}
            await call(agent, "create_object", type=kind, **points)
        listed = await call(agent, "list_objects")
        assert listed["match_count"] == len(kinds) == 15


async def test_an_agent_builds_a_scene(blender: Blender):
    blender.run(PICTURE.format(name="oak.png", width=8, height=8))
    async with blender.agent() as agent:
        await call(agent, "create_object", type="cube", name="Top", dimensions=[2, 1, 0.1], location=[0, 0, 1])
        leg = {"radius": 0.05, "depth": 1, "segments": 16, "location": [-0.9, -0.4, 0.5]}
        await call(agent, "create_object", type="cylinder", name="Leg", **leg)
        copies = await call(agent, "duplicate_object", name="Leg", count=1, offset=[1.8, 0, 0], linked=True)
        legs = ["Leg", copies["objects"][0]["name"]]
        await call(agent, "set_parent", children=legs, parent="Top")
        moved = await call(agent, "transform_object", name="Top", location=[0, 0, 1], relative=True)
        assert moved["location"] == [0, 0, 2]
        await call(agent, "create_object", type="cube", name="Hole", dimensions=[0.2, 0.2, 1], location=[0, 0, 2])
        cut = await call(agent, "boolean", name="Top", cutter="Hole", after="delete")
        assert cut["cutter"] == "deleted"
        bevel = await call(agent, "add_modifier", name="Top", type="BEVEL", properties={"width": 0.01, "segments": 2})
        assert bevel["properties"]["segments"] == 2
        wood = await call(
            agent, "set_material", names=["Top", *legs], material="Oak", base_color="#8b5a2b", roughness=0.6
        )
        assert wood["objects"] == ["Top", *legs]
        assert (await call(agent, "set_texture", name="Top", file="oak.png", repeat=2))["size"] == [8, 8]
        await call(agent, "set_world", color=[0.5, 0.5, 0.5], strength=1)
        framed = await call(agent, "frame_camera", view="iso")
        assert (framed["created"], framed["framed"]) == (True, 3)
        info = await call(agent, "get_scene_info", type="MESH")
        assert (info["object_count"], info["match_count"], info["camera"]) == (4, 3, "Camera")
        page = await call(agent, "list_objects", name="leg", limit=1)
        assert (page["match_count"], page["next_offset"], page["objects"][0]["parent"]) == (2, 1, "Top")
        assert page["objects"][0]["world_location"] == [-0.9, -0.4, 1.5]
        gone = await call(agent, "delete_objects", names=["Top"], with_children=True)
        assert gone["object_count"] == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("transform_object", {"name": "Bax"}, "Object not found: Bax. Similar: Box. list_objects gives the names"),
        ("create_object", {"type": "cube", "radius": 1}, "it takes: size. Nothing was created."),
        ("add_modifier", {"name": "Box", "type": "BEVEL", "properties": {"x": 1}}, "There are: show_viewport"),
        ("set_texture", {"name": "Box", "file": "../x.png"}, "without it, relative to the home. Nothing was changed."),
        ("set_world", {"file": "none.hdr"}, "There is no file 'none.hdr' in the home"),
        ("frame_camera", {"camera": "Box"}, "'Box' is of type MESH, not a camera"),
    ],
)
async def test_an_error_says_what_to_do(blender: Blender, tool: str, arguments: dict[str, Any], says: str):
    blender("create_object", type="cube", name="Box")
    async with blender.agent() as agent:
        result = await agent.call_tool(tool, arguments)
        assert result.is_error
        assert says in result.content[0].text
