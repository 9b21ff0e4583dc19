"""The notebook client in a real kernel of a real container: tables, pictures, cells in Blender, stops and restarts."""

import asyncio
import base64
import io
import itertools
import re
import time

import pytest
from PIL import Image

from tests.support.kernel import Kernel
from tests.support.pictures import changed_share, colours, open_png
from tests.support.standalone import Standalone
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

FREE_AGAIN_S = 10.0
"""Seconds in which Blender drops what was stopped."""


async def test_a_scene_is_a_table(kernel: Kernel) -> None:
    shown = await kernel.run("await blender.get_scene_info()")
    assert re.search(r"^Cube +MESH +0, 0, 0$", shown.value, re.MULTILINE)
    assert '<td style="text-align: left">Cube</td>' in shown.shown("text/html")
    assert (await kernel.run("(await blender.get_scene_info()).objects[0].type")).value == "'MESH'"


async def test_names_from_blender_are_escaped(kernel: Kernel) -> None:
    await kernel.run("await blender.create_object('empty', name='<img src=x onerror=alert(1)>')")
    shown = (await kernel.run("await blender.get_scene_info()")).shown("text/html")
    assert "&lt;img src=x" in shown
    assert "<img" not in shown
    await kernel.run("await blender.delete_objects(['<img src=x onerror=alert(1)>'])")


async def test_a_tool_is_a_method(kernel: Kernel) -> None:
    made = await kernel.run(
        "made = await blender.create_object('monkey', 'Suzanne', location=(0, 0, 3))\nmade.location"
    )
    assert made.value == "(0.0, 0.0, 3.0)"
    assert "create_object" in await kernel.complete("blender.creat")
    assert "dimensions" in await kernel.complete("made.dim")
    help_text = await kernel.inspect("blender.create_object")
    for words in ("location: list[float] = [0, 0, 0]", "-> blender.PlacedObject", "Position x, y, z", "Literal['cube'"):
        assert words in help_text


async def test_pictures_are_inline(kernel: Kernel) -> None:
    shown = await kernel.run("await blender.get_viewport_screenshot(max_size=320, view='iso')")
    assert colours(open_png(base64.b64decode(shown.shown("image/png")))) > 20
    sheet = await kernel.run("sheet = await blender.look(views=['front', 'iso'], max_size=320)\nsheet")
    assert colours(open_png(base64.b64decode(sheet.shown("image/png")))) > 20
    assert (await kernel.run("sheet.views, sheet.picture.mime_type")).value == "(['front', 'iso'], 'image/png')"


async def test_a_turntable_turns(kernel: Kernel) -> None:
    shown = (await kernel.run("await blender.turntable(frames=4, size=160)")).shown("text/html")
    data = re.fullmatch(r'<img src="data:image/webp;base64,([^"]+)" alt="[^"]+">', shown)
    assert data
    film = Image.open(io.BytesIO(base64.b64decode(data[1])))
    frames = []
    for number in range(4):
        film.seek(number)
        frames.append(film.convert("RGB"))
    assert all(changed_share(before, after) > 0.02 for before, after in itertools.pairwise(frames))


async def test_a_cell_runs_in_blender(kernel: Kernel) -> None:
    shown = await kernel.run("%%blender\nprint('in', bpy.app.version_string)\nlen(bpy.data.scenes)")
    assert re.fullmatch(r"in \d+\.\d+\.\d+\n1\n", shown.text)
    await kernel.run("width, names = 1.5, ['x', 'ß']")
    await kernel.run(
        "%%blender -i width,names -o taken -o size\ntaken = names + [bpy.context.scene.name]\nsize = width * 2"
    )
    assert (await kernel.run("taken, size")).value == "(['x', 'ß', 'Scene'], 3.0)"
    shown = await kernel.run("%blender_screenshot front --size 100")
    assert open_png(base64.b64decode(shown.shown("image/png"))).width == 100


async def test_a_failed_cell_shows_its_own_lines_only(kernel: Kernel) -> None:
    shown = await kernel.try_to_run(
        "%%blender\nprint('so far')\n\ndef broken():\n    return bpy.data.objects['No']\nbroken()"
    )
    assert shown.text == "so far\n"
    assert shown.traceback.startswith(
        'Traceback (most recent call last):\n  File "<cell>", line 5, in <module>\n    broken()'
    )
    assert 'File "<cell>", line 4, in broken' in shown.traceback
    assert "KeyError: 'bpy_prop_collection[key]: key \"No\" not found'" in shown.traceback
    assert "p2m_singleuser" not in shown.traceback
    wrong = await kernel.try_to_run("%%blender -o scene\nscene = bpy.context.scene")
    assert "-o scene: a Scene cannot be handed back as JSON" in wrong.traceback
    await kernel.run("thing = object()")
    wrong = await kernel.try_to_run("%%blender -i thing\n1")
    assert wrong.error.startswith("BlenderProblem: -i thing: a object cannot go to Blender as JSON")
    missing = await kernel.try_to_run("%%blender -i absent\n1")
    assert "there is no variable 'absent' in this notebook" in missing.text


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("get_object_info('Nobody')", "BlenderFailed: Object not found: Nobody. list_objects gives the names"),
        (
            "get_object_info()",
            "WrongCall: get_object_info(): missing a required argument: 'name'. Its parameters: name.",
        ),
        ("create_object('house')", "BlenderFailed: create_object cannot take this: type Input should be 'cube'"),
    ],
    ids=["Blender's own", "wrong call", "wrong value"],
)
async def test_an_error_is_a_line_and_a_sentence(kernel: Kernel, call: str, says: str) -> None:
    shown = (await kernel.try_to_run(f"# here\nawait blender.{call}")).traceback.splitlines()
    assert shown[:2] == ["  cell, line 2", f"    await blender.{call}"]
    assert shown[2].startswith(says)
    assert len(shown) == 3


ENDLESS = "import time\nwhile True:\n    time.sleep(0.01)"


@pytest.mark.parametrize(
    "cell", [f"await blender.execute_blender_code('''{ENDLESS}''')", f"%%blender\n{ENDLESS}"], ids=["await", "magic"]
)
async def test_stop_stops_blender_and_nothing_else(kernel: Kernel, server: Standalone, cell: str) -> None:
    running = await kernel.begin(cell)
    await asyncio.to_thread(wait_for, lambda: is_busy(server), 20, "a Blender that runs the cell")
    await kernel.interrupt()
    stopped = await kernel.finish(running)
    assert "stopped. Blender was told to stop this call too" in stopped.traceback
    assert "p2m_singleuser" not in stopped.traceback
    began = time.monotonic()
    assert (await kernel.run("(await blender.get_scene_info()).name")).value == "'Scene'"
    assert time.monotonic() - began < FREE_AGAIN_S


async def test_long_work_shows_a_bar_that_goes_again(kernel: Kernel) -> None:
    shown = await kernel.run("%%blender\nimport time\ntime.sleep(2.5)")
    assert any("application/vnd.jupyter.widget-view+json" in bundle for bundle in shown.bundles)
    assert shown.bundles[-1] == {"text/plain": ""}


async def test_the_next_cell_works_after_blender_was_killed(kernel: Kernel, server: Standalone) -> None:
    kill(server, "blender")
    assert (await kernel.run("(await blender.create_object('cube', 'After')).name")).value == "'After'"


async def test_the_next_cell_works_after_the_mcp_server_was_killed(kernel: Kernel, server: Standalone) -> None:
    kill(server, "p2m_singleuser.mcp_server", whole_command=True)
    assert "After" in (await kernel.run("[item.name for item in (await blender.get_scene_info()).objects]")).value


async def test_the_connection_ends_with_the_kernel(kernel: Kernel) -> None:
    shown = await kernel.run(
        "import subprocess, sys\n"
        "code = 'from p2m_singleuser.notebook import connect_blocking; print(connect_blocking().list_jobs())'\n"
        "ended = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)\n"
        "ended.returncode, ended.stdout, ended.stderr"
    )
    assert re.match(r"\(0,\s+'jobs ", shown.value), shown.value  # a table; other tests may have left jobs


def is_busy(server: Standalone) -> bool:
    """Whether Blender works on something."""
    code = (
        "from p2m_singleuser.notebook import connect_blocking; print(connect_blocking().get_blender_status().busy_with)"
    )
    return b"execute" in server.container.exec_run(["python3", "-c", code]).output


def kill(server: Standalone, name: str, *, whole_command: bool = False) -> None:
    """Kill a program of the container and wait until it is gone."""
    how = "-f" if whole_command else "-x"
    before = server.container.exec_run(["pgrep", how, name]).output.split()
    assert len(before) == 1, before
    assert server.container.exec_run(["kill", "-KILL", before[0].decode()]).exit_code == 0
    wait_for(
        lambda: before[0] not in server.container.exec_run(["pgrep", how, name]).output.split(),
        20,
        f"the end of {name}",
    )
