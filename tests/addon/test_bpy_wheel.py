"""The add-on's commands on the oldest and the newest Blender it is for, each as a Python module from PyPI.

The image has one Blender, Debian's. The wheels have no window, so what needs one is tested in the image only.
"""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from p2m_singleuser.link import BlenderError, BlenderLink
from tests.support.hub import ROOT
from tests.support.pictures import colours, open_png
from tests.support.waiting import wait_for

VERSIONS = ("4.2.23", "5.0.1")
INSTALL_S = 900.0
START_S = 60.0


class Wheel:
    """A running Blender of one version, and what it said."""

    def __init__(self, version: str, home: Path) -> None:
        self.version = version
        self.home = home
        self.link = BlenderLink(home / "blender.sock")
        self._log = home / "blender.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("P2M_", "PYTHON"))}
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [installed(version), ROOT / "tests/addon/serve_in_bpy.py"],
                env={
                    **environment,
                    "HOME": str(home),
                    "P2M_BLENDER_TCP_PORT": "0",
                    "P2M_RUNTIME_DIR": str(home),
                    "PYTHONPATH": str(ROOT / "addon"),
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_it_listens(self) -> None:
        def listens() -> bool:
            assert self._process.poll() is None, "Blender ended"
            return self.link.path.exists()

        wait_for(listens, START_S, f"the socket of Blender {self.version}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def run(self, code: str) -> str:
        """Run code and return what it printed."""
        return str((await self.link.call("execute_code", code=code))["result"])


def installed(version: str) -> Path:
    """The Python of a virtual environment with this version of the wheel, kept between runs beside the project's."""
    place = ROOT / ".venv" / f"bpy-{version}"
    done = place / "complete"
    if not done.exists():
        subprocess.run([python_3_11(), "-m", "venv", "--clear", place], check=True, timeout=60)
        pip = (place / "bin/pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check")
        subprocess.run([*pip, f"bpy=={version}"], check=True, timeout=INSTALL_S)
        done.touch()
    return place / "bin/python"


def python_3_11() -> str:
    """The only Python that these wheels are made for."""
    found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if found is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("The bpy wheels are for Python 3.11 on Linux x86_64; install python3.11 to run these tests.")
    return found


@pytest.fixture(scope="module", params=VERSIONS)
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wheel]:
    installed(request.param)
    running = Wheel(request.param, tmp_path_factory.mktemp("bpy"))
    try:
        running.wait_until_it_listens()
        yield running
    except (AssertionError, TimeoutError):
        print(running.log())
        raise
    finally:
        running.stop()


@pytest.fixture(params=VERSIONS)
def another_blender(request: pytest.FixtureRequest, tmp_path: Path, failed: Callable[[], bool]) -> Iterator[Wheel]:
    """A Blender for one test that draws: the 4.2 wheel may end without a word after EGL has refused it a context."""
    running = Wheel(request.param, tmp_path)
    try:
        running.wait_until_it_listens()
        yield running
        if failed():
            print(running.log())
    finally:
        running.stop()


@pytest.fixture
def blender(wheel: Wheel, failed: Callable[[], bool]) -> Iterator[Wheel]:
    yield wheel
    if failed():
        print(wheel.log())


async def commands_of(blender: Wheel) -> set[str]:
    return set((await blender.link.call("get_addon_info"))["capabilities"])


async def test_it_is_the_version_meant(blender: Wheel) -> None:
    status = await blender.link.call("get_status")
    assert status["version"] == blender.version
    assert await blender.link.call("ping") == {"pong": True}


async def test_scene_and_objects_are_described(blender: Wheel) -> None:
    await blender.run("bpy.ops.mesh.primitive_cube_add(size=2, location=(1, 2, 3)); bpy.context.object.name = 'Box'")
    scene = await blender.link.call("get_scene_info")
    assert scene["object_count"] == len(scene["objects"])
    assert any((item["name"], item["location"]) == ("Box", [1, 2, 3]) for item in scene["objects"])
    box = await blender.link.call("get_object_info", name="Box")
    assert box["mesh"] == {"vertices": 8, "edges": 12, "polygons": 6}
    assert box["world_bounding_box"] == [[0, 1, 2], [2, 3, 4]]
    with pytest.raises(BlenderError, match="Nothing"):
        await blender.link.call("get_object_info", name="Nothing")


async def test_code_prints_and_fails_as_in_a_window(blender: Wheel) -> None:
    assert await blender.run("print(mathutils.Vector((1, 2)).y)") == "2.0\n"
    with pytest.raises(BlenderError) as caught:
        await blender.run("print('before')\nraise SystemExit(3)")
    assert (caught.value.type, caught.value.output) == ("SystemExit", "before\n")
    assert "line 2" in caught.value.traceback


async def test_every_command_that_looks_and_needs_nothing_answers_or_says_why_not(blender: Wheel) -> None:
    """What raises anything but a `CommandError` meets an interface that this Blender does not have."""
    looks = [name for name in sorted(await commands_of(blender)) if name.startswith(("get_", "list_"))]
    looks.remove("get_viewport_screenshot")  # a test of its own, in a process of its own
    assert "get_scene_info" in looks
    wrong = {}
    for name in looks:
        try:
            await blender.link.call(name)
        except BlenderError as error:
            if error.type not in {"CommandError", "ParameterError"}:
                wrong[name] = str(error)
    assert not wrong


Params = dict[str, Any]
BOX = """
import bmesh
mesh = bpy.data.meshes.new('Sample')
shape = bmesh.new()
bmesh.ops.create_cube(shape, size=2)
shape.to_mesh(mesh)
shape.free()
for old in [item for item in bpy.data.objects if item.name.startswith('Sample')]: bpy.data.objects.remove(old)
for name, x in (('Sample', 0), ('SampleTwo', 1)):
    item = bpy.data.objects.new(name, mesh.copy())
    item.location.x = x
    bpy.context.scene.collection.objects.link(item)
bpy.context.view_layer.update()
"""
SAMPLE = "bpy.data.objects['Sample']"

NEW = "bpy.data.objects['SampleNew']"
PRINCIPLED = f"{SAMPLE}.material_slots[0].material.node_tree.nodes['Principled BSDF'].inputs"
MESHES = ("cube", "plane", "circle", "uv_sphere", "ico_sphere", "cylinder", "cone", "torus", "grid", "monkey")
OTHERS = {"text": "FONT", "curve": "CURVE", "empty": "EMPTY", "light": "LIGHT", "camera": "CAMERA"}
SETTINGS: dict[str, Params] = {"curve": {"settings": {"points": [[0, 0, 0], [1, 0, 0]]}}}
TYPES = dict.fromkeys(MESHES, "MESH") | OTHERS
MODIFIERS = ("SUBSURF", "BEVEL", "ARRAY", "MIRROR", "SOLIDIFY", "DECIMATE", "REMESH", "WEIGHTED_NORMAL")

CHANGES: list[tuple[str, Params, str]] = [
    # A command, its parameters, and what is true of the scene of BOX afterwards.
    *(
        ("create_object", {"type": type, "name": "SampleNew", **SETTINGS.get(type, {})}, f"{NEW}.type == {found!r}")
        for type, found in TYPES.items()
    ),
    *(
        ("add_modifier", {"name": "Sample", "type": type}, f"{SAMPLE}.modifiers[0].type == {type!r}")
        for type in MODIFIERS
    ),
    ("transform_object", {"name": "Sample", "location": [1, 2, 3]}, f"tuple({SAMPLE}.location) == (1, 2, 3)"),
    ("duplicate_object", {"name": "Sample"}, "sum(n.startswith('Sample') for n in bpy.data.objects.keys()) == 3"),
    ("delete_objects", {"names": ["Sample"]}, "'Sample' not in bpy.data.objects"),
    ("set_parent", {"children": ["SampleTwo"], "parent": "Sample"}, f"len({SAMPLE}.children) == 1"),
    ("boolean", {"name": "Sample", "cutter": "SampleTwo"}, f"round({SAMPLE}.dimensions.x, 4) == 1"),
    (
        "set_material",
        {"names": ["Sample"], "base_color": [1, 0, 0], "metallic": 0.5},
        f"({PRINCIPLED}['Base Color'].default_value[1], {PRINCIPLED}['Metallic'].default_value) == (0, 0.5)",
    ),
    (
        "set_material",
        {"names": ["Sample"], "emission_color": [0, 1, 0], "emission_strength": 2.0, "alpha": 0.5},
        f"({PRINCIPLED}['Emission Strength'].default_value, {PRINCIPLED}['Alpha'].default_value) == (2, 0.5)",
    ),
    (
        "set_texture",
        {"name": "Sample", "file": "picture.png"},
        f"{PRINCIPLED}['Base Color'].links[0].from_node.image.size[0] == 8",
    ),
    (
        "set_world",
        {"color": [0, 0, 1], "strength": 2.0},
        "bpy.context.scene.world.node_tree.nodes['Background'].inputs['Strength'].default_value == 2",
    ),
    ("frame_camera", {"view": "front"}, "bpy.context.scene.camera.matrix_world.translation.y < -1"),
]


@pytest.mark.parametrize(
    ("command", "params", "holds"), CHANGES, ids=[f"{name}-{given.get('type', '')}" for name, given, _ in CHANGES]
)
async def test_a_change_is_in_the_scene_afterwards(blender: Wheel, command: str, params: Params, holds: str) -> None:
    (blender.home / "picture.png").write_bytes(picture())
    await blender.run(BOX)
    await blender.link.call(command, **params)
    assert await blender.run(f"print({holds})") == "True\n"


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


async def test_a_cube_is_a_sound_mesh(blender: Wheel) -> None:
    await blender.run(BOX)
    report = await blender.link.call("check_mesh", name="Sample")
    assert report["manifold"] is True
    assert report["volume"] == 8


@pytest.mark.parametrize("ending", ["glb", "obj", "stl", "ply", "fbx", "usd"])
async def test_a_file_that_is_written_is_read_back(blender: Wheel, ending: str) -> None:
    await blender.run(BOX)
    await blender.link.call("export_file", path=f"sample.{ending}", objects=["Sample"], overwrite=True)
    assert (blender.home / f"sample.{ending}").stat().st_size > 100
    before = int(await blender.run("print(len(bpy.data.objects))"))
    await blender.link.call("import_file", path=f"sample.{ending}")
    assert int(await blender.run("print(len(bpy.data.objects))")) > before


async def test_pictures_are_rendered_without_a_window(another_blender: Wheel) -> None:
    blender = another_blender
    await blender.run(BOX)
    for command, params in (("get_viewport_screenshot", {"view": "front"}), ("look", {"views": ["front", "top"]})):
        answer = await blender.link.call(command, max_size=128, deadline_s=60, **params)
        assert colours(open_png(base64.b64decode(answer["image_base64"]))) > 5, command


async def test_a_checkpoint_brings_the_scene_back(blender: Wheel) -> None:
    await blender.run(BOX)
    made = await blender.link.call("create_checkpoint", label="before")
    await blender.run(f"bpy.data.objects.remove({SAMPLE})")
    await blender.link.call("restore_checkpoint", id=made["id"])
    assert await blender.run("print('Sample' in bpy.data.objects)") == "True\n"


async def test_a_file_is_saved_and_opened_again(blender: Wheel) -> None:
    await blender.run(BOX)
    await blender.link.call("save_file", path="sample.blend", overwrite=True)
    await blender.run(f"bpy.data.objects.remove({SAMPLE})")
    await blender.link.call("open_file", path="sample.blend")
    assert await blender.run("print('Sample' in bpy.data.objects)") == "True\n"


async def test_what_this_version_of_bpy_offers_is_described(blender: Wheel) -> None:
    found = await blender.link.call("search_api", query="bevel width", deadline_s=60)
    assert found["results"]
    described = await blender.link.call("describe_api", path="bpy.types.Object.location", deadline_s=60)
    assert "location" in json.dumps(described).lower()
