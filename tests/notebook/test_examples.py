"""The example notebooks, run by nbclient in a real container whose start brought them; their pictures are looked at."""

import base64
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from tests.support.pictures import changed_share, colours, open_png
from tests.support.standalone import Standalone

EXAMPLES = Path(__file__).resolve().parents[2] / "singleuser_image/examples"

RUN = """
import json, sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient

folder = Path.home() / "examples"
notebook = nbformat.read(folder / sys.argv[1], as_version=4)
client = NotebookClient(notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
client.allow_errors = True
client.execute()
print(json.dumps(notebook))
"""

FIRST_SCENE = """
from p2m_singleuser.notebook import connect_blocking
connect_blocking().execute_blender_code("import bpy; bpy.ops.wm.read_homefile(load_ui=False)")
"""


@dataclass(frozen=True)
class Executed:
    """A notebook after its run: the outputs of its code cells by the cells' ids."""

    outputs: dict[str, list[dict[str, Any]]]

    def text(self, cell: str) -> str:
        """What a cell printed, and the text of its value."""
        found = self.outputs[cell]
        printed = [output["text"] for output in found if output["output_type"] == "stream"]
        return "".join(printed + [output["data"].get("text/plain", "") for output in found if "data" in output])

    def data(self, cell: str, mime_type: str) -> str:
        """The last thing of a type that a cell showed."""
        shown = [output["data"] for output in self.outputs[cell] if "data" in output]
        found = [data[mime_type] for data in shown if mime_type in data]
        assert found, f"cell {cell} showed no {mime_type} but {[sorted(data) for data in shown]}"
        return str(found[-1])

    def picture(self, cell: str) -> Image.Image:
        """The picture that a cell showed."""
        return open_png(base64.b64decode(self.data(cell, "image/png")))


@pytest.fixture(scope="module", autouse=True)
def blender_as_it_was(server: Standalone) -> Iterator[None]:
    """Leave the container's Blender with its first scene, for other tests."""
    yield
    exit_code, output = server.container.exec_run(["python3", "-c", FIRST_SCENE])
    assert exit_code == 0, output.decode()


def run(server: Standalone, number: int) -> Executed:
    """Run the example of a number in the container; no cell may fail."""
    (name,) = [path.name for path in EXAMPLES.glob(f"{number} *.ipynb")]
    code, (output, errors) = server.container.exec_run(["python3", "-c", RUN, name], demux=True)
    assert code == 0, (errors or b"").decode()
    cells = [cell for cell in json.loads(output)["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        assert cell["execution_count"], f"{name}: cell {cell['id']} did not run"
        for said in cell["outputs"]:
            assert said["output_type"] != "error", f"{name}, cell {cell['id']}:\n" + "\n".join(said["traceback"])
            assert "Traceback" not in str(said.get("text")), f"{name}, cell {cell['id']}:\n{said['text']}"
    return Executed({cell["id"]: cell["outputs"] for cell in cells})


def file_in(server: Standalone, path: str) -> bytes:
    """A file of the home."""
    code, output = server.container.exec_run(["cat", f"/home/blender/{path}"])
    assert code == 0, output.decode()
    return bytes(output)


@dataclass(frozen=True)
class Spot:
    """Where a colour is in a picture: its share of the pixels, and its middle as shares of width and height."""

    share: float
    x: float
    y: float


def find_hue(picture: Image.Image, low: int, high: int, saturation: float = 0.45) -> Spot:
    """Find the pixels of a hue, in degrees; a range over 0 wraps."""
    found = []
    for index, (hue, strength, value) in enumerate(picture.convert("HSV").getdata()):
        degrees = hue * 360 / 255
        inside = low <= degrees <= high if low <= high else degrees >= low or degrees <= high
        if inside and strength >= saturation * 255 and value > 40:
            found.append(index)
    if not found:
        return Spot(0, 0, 0)
    xs, ys = [index % picture.width for index in found], [index // picture.width for index in found]
    share = len(found) / (picture.width * picture.height)
    return Spot(share, sum(xs) / len(xs) / picture.width, sum(ys) / len(ys) / picture.height)


def tiles(sheet: Image.Image, columns: int, rows: int, left: int = 0, top: int = 0) -> list[Image.Image]:
    """The pictures on a sheet, row by row."""
    width, height = (sheet.width - left) // columns, (sheet.height - top) // rows
    return [
        sheet.crop((left + width * column, top + height * row, left + width * (column + 1), top + height * (row + 1)))
        for row in range(rows)
        for column in range(columns)
    ]


def test_first_steps(server: Standalone) -> None:
    done = run(server, 1)
    assert re.search(r"\d+ tools", done.text("connect"))
    assert "has a new file" in done.text("clear")
    assert "<table" in done.data("table", "text/html")
    assert "Suzanne" in done.data("table", "text/html")

    drawn = done.picture("screenshot")
    assert colours(drawn) > 1000
    assert find_hue(drawn, 5, 40).share > 0.01, "an orange head"
    for one, other in combinations(tiles(done.picture("sides"), 2, 2), 2):
        assert changed_share(one, other) > 0.02, "four sides"

    rendered = done.picture("render")
    head, ring = find_hue(rendered, 5, 40), find_hue(rendered, 200, 230, 0.6)
    assert (rendered.width, rendered.height) == (512, 288)
    assert colours(rendered) > 5000
    assert head.share > 0.04
    assert ring.share > 0.01
    assert abs(head.x - 0.5) < 0.15
    assert head.y < ring.y, "the head is in the ring and rises above it"

    assert "model-viewer" in done.data("view", "text/html")
    assert "12 posts in a ring" in done.text("inside")
    assert len(re.findall(r"\d\.\d+", done.text("heights").partition("\n")[0])) == 12
    with_posts, without = find_hue(done.picture("heights"), 200, 230), find_hue(drawn, 200, 230)
    assert with_posts.share > 2 * without.share
    assert (done.text("undo"), done.text("redo")) == ("5", "17")
    assert file_in(server, "examples/first steps.blend").startswith((b"BLENDER", b"\x28\xb5\x2f\xfd"))


def test_parametric_model(server: Standalone) -> None:
    done = run(server, 2)
    assert colours(done.picture("first")) > 200
    volumes = [float(litres) for litres in re.findall(r"([\d.]+) litres", done.text("volumes"))]
    assert len(set(volumes)) == 4
    assert all(100 < litres < 600 for litres in volumes)

    rendered = done.picture("render")
    assert colours(rendered) > 5000
    red, blue, green = (find_hue(rendered, *hues, 0.3) for hues in ((345, 20), (195, 220), (85, 140)))
    assert min(red.share, blue.share, green.share) > 0.02
    assert red.x < blue.x < green.x, "in the order of the table"
    assert max(spot.y for spot in (red, blue, green)) - min(spot.y for spot in (red, blue, green)) < 0.06
    assert "interactive(" in done.text("sliders")


def test_materials_and_light(server: Standalone) -> None:
    done = run(server, 3)
    assert "12 pictures" in done.text("render")
    sheet = done.picture("sheet")
    assert sheet.size == (96 + 4 * 160, 20 + 3 * 160)
    pictures = tiles(sheet, 4, 3, 96, 20)
    assert len(pictures) == 12
    for picture in pictures:
        assert colours(picture) > 1000
    for one, other in combinations(pictures, 2):
        assert changed_share(one, other) > 0.03, "no two of them are alike"
    clay, plastic, gold, _ = (find_hue(picture, 0, 360, 0.35) for picture in pictures[:4])
    assert min(clay.share, plastic.share, gold.share) > 0.08
    for spot in (clay, plastic, gold):
        assert abs(spot.x - 0.5) < 0.12, "the object is in the middle"
        assert abs(spot.y - 0.5) < 0.2
    assert find_hue(pictures[0], 0, 25).share > find_hue(pictures[0], 190, 230).share
    assert find_hue(pictures[1], 190, 230).share > 0.08
    assert find_hue(pictures[2], 30, 60).share > 0.05
    soft, side = (picture.convert("L").resize((2, 1), Image.Resampling.BOX) for picture in (pictures[0], pictures[4]))
    assert side.getpixel((1, 0)) - side.getpixel((0, 0)) > soft.getpixel((1, 0)) - soft.getpixel((0, 0)) + 20  # type: ignore[operator]
    assert open_png(file_in(server, "examples/contact sheet.png")).size == sheet.size


def test_animation_as_a_job(server: Standalone) -> None:
    done = run(server, 4)
    assert find_hue(done.picture("light"), 0, 30).share > 0.01, "the ball"
    assert "4 objects in Blender" in done.text("meanwhile")
    assert re.search(r"^done after .* 24 pictures in renders/bounce", done.text("wait"), re.MULTILINE)
    for one, other in combinations(tiles(done.picture("strip"), 4, 2), 2):
        assert changed_share(one, other) > 0.005

    film = Image.open(io.BytesIO(base64.b64decode(done.data("film", "image/gif"))))
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 24
    path = [find_hue(frame, 0, 30, 0.4) for frame in frames]
    assert all(spot.share > 0.005 for spot in path), "the ball is in each picture"
    assert all(after.x > before.x for before, after in pairwise(path)), "it moves to the right"
    heights = [spot.y for spot in path]
    assert max(heights) - min(heights) > 0.3
    turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(heights, heights[1:], heights[2:], strict=False))
    assert turns >= 3, "it falls, bounces and falls again"


def test_mesh_check_for_printing(server: Standalone) -> None:
    done = run(server, 5)
    for one, other in combinations(tiles(done.picture("look"), 2, 2), 2):
        assert changed_share(one, other) > 0.05
    assert done.text("check").count("•") == 3
    assert "Ready to print: False" in done.text("check")
    marked, whole = find_hue(done.picture("marked"), 350, 20, 0.6), find_hue(done.picture("look"), 350, 20, 0.6)
    assert marked.share > 0.005 > whole.share
    assert "Ready to print: True" in done.text("again")
    assert "Size in mm: [72.0, 72.0, 80.0]" in done.text("again")

    stl = file_in(server, "examples/cup.stl")
    (count,) = struct.unpack_from("<I", stl, 80)
    heights = [struct.unpack_from("<9f", stl, 84 + 50 * face + 12)[2::3] for face in range(count)]
    assert count > 900
    assert max(map(max, heights)) - min(map(min, heights)) == pytest.approx(80, abs=0.01)
    assert "model-viewer" in done.data("view", "text/html")


def test_an_agent_at_work(server: Standalone) -> None:
    done = run(server, 6)
    assert json.loads(done.text("config"))["mcpServers"]["blender"]["url"].endswith("/p2m/mcp")
    assert re.match(r"\d+ tools", done.text("session"))
    said = done.text("loop")
    assert "✗" in said, "the mistake"
    assert "Object not found: Top" in said
    assert said.index("✗") < said.index("it is called Roof") < said.index("The lighthouse stands.")

    picture = done.picture("picture")
    red, sky = find_hue(picture, 345, 15), find_hue(picture, 195, 225, 0.2)
    assert colours(picture) > 500
    assert red.share > 0.005
    assert sky.share > 0.3
    assert abs(red.x - 0.5) < 0.1
    assert red.y < 0.4, "roof and gallery are at the top"
