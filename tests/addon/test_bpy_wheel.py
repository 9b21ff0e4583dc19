"""The add-on's commands on the oldest and the newest Blender it is for, each as a Python module from PyPI.

The image has one Blender, Debian's. The wheels have no window, so what needs one is tested in the image only.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from p2m_singleuser.link import BlenderError, BlenderLink
from tests.support.hub import ROOT
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
                [installed(version), ROOT / "tests/addon/serve_in_bpy.py", home],
                env={**environment, "HOME": str(home), "P2M_RUNTIME_DIR": str(home), "PYTHONPATH": str(ROOT / "addon")},
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

CHANGES: list[tuple[str, Params, str]] = [
    # A command, its parameters, and what is true of the scene of BOX afterwards.
    ("create_object", {"type": "cube", "name": "SampleNew"}, "len(bpy.data.objects['SampleNew'].data.polygons) == 6"),
    ("create_object", {"type": "text", "name": "SampleNew"}, "bpy.data.objects['SampleNew'].type == 'FONT'"),
    ("create_object", {"type": "light", "name": "SampleNew"}, "bpy.data.objects['SampleNew'].type == 'LIGHT'"),
    ("create_object", {"type": "camera", "name": "SampleNew"}, "bpy.data.objects['SampleNew'].type == 'CAMERA'"),
    ("create_object", {"type": "empty", "name": "SampleNew"}, "bpy.data.objects['SampleNew'].type == 'EMPTY'"),
    ("transform_object", {"name": "Sample", "location": [1, 2, 3]}, f"tuple({SAMPLE}.location) == (1, 2, 3)"),
    ("duplicate_object", {"name": "Sample"}, "sum(n.startswith('Sample') for n in bpy.data.objects.keys()) == 3"),
    ("delete_objects", {"names": ["Sample"]}, "'Sample' not in bpy.data.objects"),
    ("set_parent", {"children": ["SampleTwo"], "parent": "Sample"}, f"len({SAMPLE}.children) == 1"),
    ("add_modifier", {"name": "Sample", "type": "SUBSURF"}, f"{SAMPLE}.modifiers[0].type == 'SUBSURF'"),
    ("boolean", {"name": "Sample", "other": "SampleTwo", "operation": "difference"}, "True"),
    ("set_material", {"name": "Sample", "base_color": [1, 0, 0]}, f"{SAMPLE}.material_slots[0].material is not None"),
    ("set_world", {"color": [0, 0, 1]}, "bpy.context.scene.world is not None"),
    ("frame_camera", {}, "bpy.context.scene.camera is not None"),
]


@pytest.mark.parametrize(
    ("command", "params", "holds"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_change_is_in_the_scene_afterwards(blender: Wheel, command: str, params: Params, holds: str) -> None:
    if command not in await commands_of(blender):
        pytest.skip(f"no command {command} yet")
    await blender.run(BOX)
    await blender.link.call(command, **params)
    assert await blender.run(f"print({holds})") == "True\n"


async def test_a_cube_is_a_sound_mesh(blender: Wheel) -> None:
    if "check_mesh" not in await commands_of(blender):
        pytest.skip("no command check_mesh yet")
    await blender.run(BOX)
    report = await blender.link.call("check_mesh", name="Sample")
    assert report["manifold"] is True
    assert report["volume"] == 8


@pytest.mark.parametrize("ending", ["glb", "obj", "stl", "ply", "fbx", "usd"])
async def test_a_file_that_is_written_is_read_back(blender: Wheel, ending: str) -> None:
    if "export_file" not in await commands_of(blender):
        pytest.skip("no command export_file yet")
    await blender.run(BOX)
    await blender.link.call("export_file", path=f"sample.{ending}", objects=["Sample"], overwrite=True)
    assert (blender.home / f"sample.{ending}").stat().st_size > 100
    before = int(await blender.run("print(len(bpy.data.objects))"))
    await blender.link.call("import_file", path=f"sample.{ending}")
    assert int(await blender.run("print(len(bpy.data.objects))")) > before
