"""What somebody at a browser sees, from sign-up to a Blender that answers an agent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.browsing import log_in
from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import changed_share, colours, open_png
from tests.support.waiting import wait_for_async

SECOND = 1000


@pytest.fixture(scope="module")
def owner(hub: Hub) -> Iterator[Person]:
    """Somebody with a server for the tests of this module."""
    person = hub.person().sign_up().log_in()
    yield person
    person.stop_server()


@pytest.fixture
def running_person(owner: Person) -> Person:
    """Them, with the server running; the test may stop it."""
    return owner if owner.servers() else owner.start_server()


async def desktop_is_drawn(page: Page) -> None:
    """Wait until the desktop's canvas shows Blender's window and not one colour."""

    async def drawn() -> bool:
        canvas = page.locator("canvas").first
        return await canvas.is_visible() and colours(open_png(await canvas.screenshot())) > 300

    await wait_for_async(drawn, 30, "picture of Blender on the desktop page", interval=0.3)


async def test_sign_up_spawn_lab_tile_desktop_and_an_agent_that_changes_it(
    hub: Hub, context: BrowserContext, page: Page, pictures: Path
):
    person = hub.person("ada")

    await page.goto(f"{hub.url}/hub/login")
    await page.screenshot(path=pictures / "login.png")
    await page.get_by_role("link", name=re.compile("sign up|create", re.I)).first.click()
    await page.wait_for_url("**/hub/signup*")
    await page.get_by_label("Username").fill(person.name)
    for field in await page.locator("input[type=password]").all():
        await field.fill(person.password)
    await page.screenshot(path=pictures / "signup.png")
    await page.locator("input[type=submit], button[type=submit]").first.click()

    # The hub starts the server at once and shows what it is doing, in words.
    await page.wait_for_url("**/hub/spawn-pending/**", timeout=20 * SECOND)
    stages = page.get_by_test_id("spawn-stages")
    await expect(stages).to_contain_text("Starting your container", timeout=20 * SECOND)
    await page.screenshot(path=pictures / "spawn.png")

    await page.wait_for_url(f"**/user/{person.name}/lab**", timeout=60 * SECOND)
    tile = page.locator(".jp-LauncherCard[title='Blender'], .jp-LauncherCard:has-text('Blender')").first
    await expect(tile).to_be_visible(timeout=60 * SECOND)
    await page.screenshot(path=pictures / "jupyterlab.png")

    async with context.expect_page() as opened:
        await tile.click()
    desktop = await opened.value
    await desktop.wait_for_url(f"**/user/{person.name}/blender/")
    await desktop_is_drawn(desktop)
    before = await desktop.locator("canvas").first.screenshot()

    person.log_in()
    async with mcp_client(person.mcp_url, person.token) as client:
        code = """
import bpy
for obj in list(bpy.data.objects):
    if obj.type == "MESH":
        bpy.data.objects.remove(obj)
bpy.ops.mesh.primitive_monkey_add(size=4, location=(0, 0, 0))
"""
        text_of(await client.call_tool("execute_blender_code", {"code": code}))

    async def shows_the_monkey() -> bool:
        after = await desktop.locator("canvas").first.screenshot()
        return changed_share(open_png(before), open_png(after)) > 0.01

    await wait_for_async(shows_the_monkey, 15, "change in the picture after an agent's call", interval=0.3)
    await desktop.mouse.move(5, 400)
    await desktop.screenshot(path=pictures / "blender.png")
    assert colours(open_png((pictures / "blender.png").read_bytes())) > 300


async def screen_size(person: Person) -> tuple[int, int]:
    """Width and height of the X screen in the container, in pixels."""
    said = person.container().exec_run(["sh", "-c", "DISPLAY=:1 xdpyinfo"]).output.decode()
    match = re.search(r"dimensions:\s+(\d+)x(\d+) pixels", said)
    assert match, said
    return int(match[1]), int(match[2])


async def blender_window_size(person: Person) -> tuple[int, int]:
    """Width and height of Blender's own window, in pixels, as Blender says."""
    async with mcp_client(person.mcp_url, person.token) as client:
        said = text_of(
            await client.call_tool(
                "execute_blender_code",
                {"code": "import bpy; w = bpy.context.window_manager.windows[0]; print('SIZE', w.width, w.height)"},
            )
        )
    width, height = re.search(r"SIZE (\d+) (\d+)", said).groups()  # type: ignore[union-attr]
    return int(width), int(height)


async def test_the_desktop_follows_the_browsers_size(running_person: Person, page: Page):
    await log_in(page, running_person)
    await page.goto(running_person.server_url("blender/"))
    await desktop_is_drawn(page)
    for size in ((1000, 700), (1400, 900)):
        await page.set_viewport_size({"width": size[0], "height": size[1]})

        async def follows(expected: tuple[int, int] = size) -> bool:
            screen = await screen_size(running_person)
            return abs(screen[0] - expected[0]) <= 8 and 0 <= expected[1] - screen[1] <= 64

        await wait_for_async(follows, 15, f"screen of about {size}", interval=0.5)

        async def window_follows() -> bool:
            return await blender_window_size(running_person) == await screen_size(running_person)

        await wait_for_async(window_follows, 15, "Blender's window as large as the screen", interval=0.5)


async def test_keys_and_clipboard_reach_blender(running_person: Person, context: BrowserContext, page: Page):
    """Shift+A is Blender's *Add* menu; browsers use other keys of Blender, which must not get them."""
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await log_in(page, running_person)
    await page.goto(running_person.server_url("blender/"))
    await desktop_is_drawn(page)
    box = await page.locator("canvas").first.bounding_box()
    assert box
    centre = (box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.55)
    async with mcp_client(running_person.mcp_url, running_person.token) as client:

        async def objects() -> list[str]:
            code = "import bpy; print('OBJECTS', *sorted(o.name for o in bpy.data.objects))"
            said = text_of(await client.call_tool("execute_blender_code", {"code": code}))
            return re.search(r"OBJECTS ?([^\n\"\\]*)", said)[1].split()  # type: ignore[index]

        text_of(await client.call_tool("execute_blender_code", {"code": "import bpy"}))
        before = await objects()
        await page.mouse.click(*centre)
        await page.keyboard.press("Shift+D")  # duplicate, then confirm its place
        await page.keyboard.press("Enter")
        await page.mouse.move(centre[0] + 10, centre[1])

        async def grew() -> bool:
            await page.keyboard.press("a")  # select all, then duplicate: at least one object more
            await page.keyboard.press("Shift+D")
            await page.keyboard.press("Enter")
            return len(await objects()) > len(before)

        await wait_for_async(grew, 20, "an object more after Shift+D", interval=0.5)

        # Clipboard, browser to Blender and back, with a letter outside Latin-1.
        await page.evaluate("navigator.clipboard.writeText('Würfel → 立方体')")
        await page.mouse.click(*centre)

        async def blender_has_it() -> bool:
            await page.keyboard.press("Control+V")
            code = "import bpy; print('CLIP', bpy.context.window_manager.clipboard)"
            return "Würfel → 立方体" in json_text(
                text_of(await client.call_tool("execute_blender_code", {"code": code}))
            )

        await wait_for_async(blender_has_it, 20, "the browser's clipboard in Blender", interval=0.5)
        code = "import bpy; bpy.context.window_manager.clipboard = 'aus Blender ✓'"
        text_of(await client.call_tool("execute_blender_code", {"code": code}))

        async def browser_has_it() -> bool:
            return await page.evaluate("navigator.clipboard.readText()") == "aus Blender ✓"

        await wait_for_async(browser_has_it, 20, "Blender's clipboard in the browser", interval=0.5)


def json_text(text: str) -> str:
    """A tool's text with JSON escapes of other scripts made readable."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


async def test_the_desktop_says_why_it_lost_its_server_and_comes_back(running_person: Person, page: Page):
    await log_in(page, running_person)
    await page.goto(running_person.server_url("blender/"))
    await desktop_is_drawn(page)
    running_person.stop_server()
    await expect(page.locator("body")).to_contain_text(
        re.compile("server (has |was )?stopped", re.I), timeout=30 * SECOND
    )
    running_person.start_server()
    await desktop_is_drawn(page)


async def test_home_makes_a_token_and_a_configuration_that_works(
    running_person: Person, context: BrowserContext, page: Page, pictures: Path
):
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await log_in(page, running_person)
    await expect(page.get_by_test_id("server-status")).to_contain_text("ready", timeout=30 * SECOND, ignore_case=True)
    await expect(page.get_by_test_id("server-status")).to_contain_text("4.3", timeout=30 * SECOND)
    await page.screenshot(path=pictures / "home.png", full_page=True)
    await page.get_by_test_id("connect-agent").click()
    await page.wait_for_url("**/services/p2m/")
    await page.get_by_test_id("create-token").click()
    shown = page.get_by_test_id("agent-token")
    await expect(shown).to_be_visible()
    token = (
        await shown.input_value() if await shown.evaluate("e => 'value' in e") else await shown.inner_text()
    ).strip()
    url = page.get_by_test_id("agent-url")
    address = (await url.input_value() if await url.evaluate("e => 'value' in e") else await url.inner_text()).strip()
    assert address == running_person.mcp_url
    async with mcp_client(address, token) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert {"get_scene_info", "get_object_info", "get_viewport_screenshot", "execute_blender_code"} <= names
    assert token not in page.url


async def test_home_opens_blender_from_a_stopped_server(person: Person, page: Page):
    await log_in(page, person)
    await page.get_by_test_id("open-blender").click()
    await page.wait_for_url(f"**/user/{person.name}/blender/", timeout=60 * SECOND)
    await desktop_is_drawn(page)


async def test_a_click_as_soon_as_the_home_page_is_there_opens_blender(running_person: Person, page: Page):
    """The page's own question for the status signs in at the server at that moment."""
    await log_in(page, running_person)
    for _ in range(3):
        await page.context.clear_cookies(name=re.compile(r"^jupyterhub-user-"))
        await page.goto(f"{running_person.hub.url}/hub/home", wait_until="commit")
        await page.get_by_test_id("open-blender").click()
        await page.wait_for_url(f"**/user/{running_person.name}/blender/", timeout=20 * SECOND)
        await desktop_is_drawn(page)


@pytest.mark.parametrize("path", ["lab", "blender/", "p2m/status"])
async def test_nobody_opens_another_persons_server(running_person: Person, hub: Hub, page: Page, path: str):
    stranger = hub.person("eve").sign_up().log_in()
    await log_in(page, stranger)
    answer = await page.goto(running_person.server_url(path))
    assert answer and answer.status == 403
