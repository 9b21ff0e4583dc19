"""JupyterLab in a person's server: examples on the launcher, .blend files that open in their Blender."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browsing import log_in
from tests.support.hub import ROOT, Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png
from tests.support.waiting import wait_for_async

SECOND = 1000
EXAMPLES = sorted(path.name for path in (ROOT / "singleuser_image/examples").glob("*.ipynb"))


@pytest.fixture(scope="module")
def student(hub: Hub) -> Iterator[Person]:
    """Somebody whose server is ready, for all tests of this file."""
    someone = hub.person("pia").sign_up().log_in().start_server()
    yield someone
    someone.stop_server()


async def in_blender(person: Person, code: str) -> str:
    """Run code in the person's Blender and return what it printed."""
    async with mcp_client(person.mcp_url, person.token) as client:
        return text_of(await client.call_tool("execute_blender_code", {"code": f"import bpy\n{code}"}))


async def make_file(person: Person, path: str, marker: str) -> None:
    """Put a Blender file with an object of a known name into the home; what is open has changes afterwards."""
    await in_blender(
        person,
        f"""
from pathlib import Path
path = Path.home() / {path!r}
path.parent.mkdir(parents=True, exist_ok=True)
bpy.ops.mesh.primitive_uv_sphere_add(location=(0, 0, 2))
bpy.context.object.name = {marker!r}
bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
bpy.data.objects.remove(bpy.data.objects[{marker!r}])
""",
    )


async def objects(person: Person) -> set[str]:
    """Names of the objects of the open scene."""
    said = await in_blender(person, "print('OBJECTS', *(o.name for o in bpy.data.objects))")
    return set(re.search(r"OBJECTS ?([^\n\"\\]*)", said)[1].split())  # type: ignore[index]


async def open_lab(page: Page, person: Person) -> None:
    """Open JupyterLab with a layout of its own."""
    await log_in(page, person)
    await page.goto(person.server_url("lab?reset"))
    await expect(page.locator(".jp-LauncherCard").first).to_be_visible(timeout=60 * SECOND)


def file_named(page: Page, name: str) -> Locator:
    """A line of the file browser."""
    return page.locator(".jp-DirListing-item", has_text=name)


def tab_named(page: Page, name: str) -> Locator:
    """A tab of JupyterLab's main area."""
    return page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=name)


async def desktop_is_drawn(page: Page) -> None:
    """Wait until the tab Blender shows Blender's window and not one colour."""
    canvas = page.frame_locator("iframe[title=Blender]").locator("canvas").first

    async def drawn() -> bool:
        return await canvas.is_visible() and colours(open_png(await canvas.screenshot())) > 300

    await wait_for_async(drawn, 30, "picture of Blender in a tab of JupyterLab", interval=0.3)


async def test_examples_are_on_the_launcher_and_in_the_home(student: Person, page: Page):
    await open_lab(page, student)
    tiles = page.locator(".jp-LauncherCard[data-category=Examples]")
    await expect(tiles).to_have_text([re.sub(r"^\d+ |\.ipynb$", "", name) for name in EXAMPLES])
    await tiles.first.click()
    await expect(tab_named(page, EXAMPLES[0])).to_be_visible(timeout=30 * SECOND)
    await expect(page.locator(".jp-Notebook")).to_be_visible(timeout=30 * SECOND)
    for name in EXAMPLES:  # the file browser is in their folder
        await expect(file_named(page, name)).to_be_visible()

    # What somebody removes is gone from the launcher too.
    student.container().exec_run(["rm", f"/home/blender/examples/{EXAMPLES[-1]}"])
    await page.goto(student.server_url("lab?reset"))
    await expect(tiles).to_have_count(len(EXAMPLES) - 1, timeout=30 * SECOND)


async def test_an_example_runs_and_its_sliders_change_the_model(student: Person, page: Page, pictures: Path):
    await open_lab(page, student)
    await page.locator(".jp-LauncherCard", has_text="Parametric model").click()
    notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    kernel = page.locator("#jp-main-statusbar").get_by_text("| Idle")  # JupyterLab runs nothing before
    await expect(kernel).to_be_visible(timeout=60 * SECOND)
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    # The last cell has sliders, and under them the picture that they made.
    slider = notebook.locator(".widget-slider [role=slider]").first
    await expect(slider).to_be_visible(timeout=120 * SECOND)
    shown = notebook.locator(".jp-OutputArea-child:has(.widget-slider) img, .widget-interact img").last
    await expect(shown).to_be_visible(timeout=30 * SECOND)
    assert "Traceback" not in await notebook.inner_text()
    before = await shown.get_attribute("src")
    await slider.focus()
    await slider.press("ArrowRight")

    async def changed() -> bool:
        return await shown.is_visible() and await shown.get_attribute("src") != before

    await wait_for_async(changed, 30, "another picture after the slider moved")
    assert {"Straight", "Twisted", "Screw", "Star"} <= await objects(student)
    await notebook.get_by_role("heading", name="A family of vases").scroll_into_view_if_needed()
    await page.screenshot(path=pictures / "example.png")


async def test_a_blend_file_opens_in_blender_and_unsaved_work_is_kept(student: Person, page: Page, pictures: Path):
    await make_file(student, "models/chair.blend", "Chair")
    await make_file(student, "models/table.blend", "Table")
    await in_blender(student, "bpy.ops.mesh.primitive_cone_add(); bpy.context.object.name = 'NotSaved'")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "resize" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await open_lab(page, student)
    await file_named(page, "models").dblclick()
    await expect(file_named(page, "chair.blend").locator("[data-icon='p2m:blender']")).to_be_visible()

    await file_named(page, "chair.blend").dblclick()
    await expect(tab_named(page, "Blender")).to_be_visible(timeout=30 * SECOND)
    notices = page.locator(".Toastify__toast")
    await expect(notices.filter(has_text="chair.blend is open in Blender.")).to_be_visible(timeout=10 * SECOND)
    kept = notices.filter(has_text=re.compile("Unsaved changes of the scene before are kept: checkpoint"))
    await expect(kept).to_be_visible(timeout=10 * SECOND)
    await desktop_is_drawn(page)
    await page.screenshot(path=pictures / "open-blend-file.png")
    assert student.status()["blender"]["file"] == "/home/blender/models/chair.blend"
    assert "Chair" in await objects(student)
    await expect(tab_named(page, "chair.blend")).to_have_count(0)
    found = student.container().exec_run(["find", "/home/blender/models", "-type", "f", "-printf", "%P\n"]).output
    assert set(found.decode().split()) == {"chair.blend", "table.blend"}, "JupyterLab makes no copies of scenes"

    # Once more: it is not loaded over the changes that were made since.
    await in_blender(student, "bpy.ops.mesh.primitive_cone_add(); bpy.context.object.name = 'Since'")
    await file_named(page, "chair.blend").dblclick()
    await expect(notices.filter(has_text="is open in Blender already, with changes")).to_be_visible(timeout=10 * SECOND)
    assert "Since" in await objects(student)

    # The desktop is one tab, which survives a reload, and a tab behind another one asks for no size.
    await file_named(page, "table.blend").dblclick()
    await expect(notices.filter(has_text="Unsaved changes of chair.blend are kept")).to_be_visible(timeout=10 * SECOND)
    await expect(tab_named(page, "Blender")).to_have_count(1)
    await tab_named(page, "Launcher").click()
    await tab_named(page, "Blender").click()
    await desktop_is_drawn(page)
    await page.goto(student.server_url("lab"))
    await desktop_is_drawn(page)
    assert not complaints

    # What was not saved comes back, by the number that the person was told.
    number = int(re.search(r"checkpoint (\d+)", await kept_notes(page, student))[1])  # type: ignore[index]
    async with mcp_client(student.mcp_url, student.token) as client:
        text_of(await client.call_tool("restore_checkpoint", {"id": number}))
    assert {"Since", "Chair"} <= await objects(student)


async def kept_notes(page: Page, person: Person) -> str:
    """The label of the newest checkpoint that was made by opening a file, as the list has it."""
    async with mcp_client(person.mcp_url, person.token) as client:
        listed = await client.call_tool("list_checkpoints", {})
    made = [entry for entry in listed.structured_content["checkpoints"] if entry["label"].startswith("before opening")]
    return f"checkpoint {made[0]['id']}"


async def test_what_cannot_be_opened_says_so_in_its_tab_and_changes_nothing(student: Person, page: Page):
    container = student.container()
    container.exec_run(["sh", "-c", "echo hello > /home/blender/fake.blend"])
    container.exec_run(["sh", "-c", "printf 'BLENDER-v403RENDH' > /home/blender/damaged.blend"])
    container.exec_run(["ln", "-s", "/usr/share/blender/scripts/nothing.blend", "/home/blender/outside.blend"])
    await in_blender(student, "bpy.ops.mesh.primitive_cone_add(); bpy.context.object.name = 'Untouched'")
    await open_lab(page, student)
    said = page.locator(".p2m-opening:visible")
    for name, sentence in {
        "fake.blend": "is no Blender file, whatever its name says",
        "damaged.blend": "Blender cannot read it. It may be damaged",
    }.items():
        await file_named(page, name).dblclick()
        await expect(said).to_contain_text(f"{name} was not opened", timeout=20 * SECOND)
        await expect(said).to_contain_text(sentence)
        await expect(said.get_by_role("button", name="Try again")).to_be_visible()
    assert "Untouched" in await objects(student)
    status, answer = await post(page, student, "outside.blend")
    assert (status, answer["error"]) == (422, "not-in-home")
    assert "is outside the home" in answer["message"]
    for body in ({}, {"path": "/"}, {"path": 3}, []):
        assert (await post(page, student, body))[0] == 400


async def post(page: Page, person: Person, body: object, xsrf: bool = True) -> tuple[int, dict[str, str]]:
    """Ask from a script of the page, with the cookies that the browser has."""
    body = {"path": body} if isinstance(body, str) else body
    script = """async ([url, body, xsrf]) => {
        const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";
        const headers = { "Content-Type": "application/json", ...(xsrf ? { "X-XSRFToken": token } : {}) };
        const answer = await fetch(url, { method: "POST", headers, body });
        return [answer.status, await answer.text()];
    }"""
    status, text = await page.evaluate(script, [person.server_url("p2m/open-in-blender"), json.dumps(body), xsrf])
    return status, json.loads(text)


async def test_another_page_cannot_open_files_and_nobody_else_may(student: Person, hub: Hub, page: Page):
    await open_lab(page, student)
    assert (await post(page, student, "models/chair.blend", xsrf=False))[0] == 403
    stranger = hub.person("eve").sign_up().log_in()
    answer = stranger.session.post(
        student.server_url("p2m/open-in-blender"),
        json={"path": "models/chair.blend"},
        headers={"Authorization": f"Bearer {stranger.token}"},
        timeout=30,
    )
    assert answer.status_code == 403
