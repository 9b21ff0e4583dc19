"""Profiles on the real engine: chosen in a browser and by REST; a Blender without a window; agents that only look."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from playwright.async_api import Page, expect

from tests.support.browser import OUTPUT
from tests.support.hub import Hub
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for

from .test_browser import log_in

SECOND = 1000

PROFILES = """
profiles:
  - name: standard
    title: Standard
    description: For modelling and for classes
    default: true
    memory: 3G
    cpus: 2
  - name: look
    title: To look at
    description: Agents may look at scenes and change nothing
    memory: 3G
    mcp_mode: read-only
  - name: headless
    title: Without a desktop
    description: For agents and notebooks; takes a third of the memory
    memory: 1.5G
    cpus: 1
    blender_mode: headless
    mcp_mode: no-code
    assets:
      - source: {volume}
        path: /home/blender/assets
  - name: render
    title: With a GPU
    description: For long renders
    groups: [artists]
    gpus: 1
  - name: lost
    groups: [artists]
    assets: [{{source: {volume}-misspelt, path: /assets/lost}}]
  - name: lost-folder
    groups: [artists]
    assets: [{{source: /srv/no-such-folder, path: /assets/lost}}]
"""


@pytest.fixture(scope="module")
def assets_volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A volume of shared files, made and filled as docs/howto/profiles.md says."""
    folder = tmp_path_factory.mktemp("assets")
    folder.chmod(0o755)
    (folder / "brick.txt").write_text("red")
    volume = docker.from_env().volumes.create(f"p2m-test-{folder.parent.name}-{folder.name}".lower())
    fill = ["docker", "run", "--rm", "--user", "root", "-v", f"{volume.name}:/assets", "-v", f"{folder}:/from:ro"]
    subprocess.run([*fill, IMAGE, "cp", "-r", "/from/.", "/assets"], check=True, timeout=60)
    yield volume.name
    volume.remove()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, assets_volume: str) -> Iterator[Hub]:
    """A hub with profiles."""
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "profiles.yaml").write_text(PROFILES.format(volume=assets_volume))
    running = Hub(folder / "state", P2M_PROFILES=str(folder / "profiles.yaml"), P2M_MCP_TIMEOUT="90").start()
    yield running
    running.down()


def memory_of(container: Any) -> int:
    """Bytes of memory that a container's processes hold, without what the engine caches for them."""
    stats = container.stats(stream=False)["memory_stats"]["stats"]
    return int(stats.get("anon") or stats["rss"])


async def test_a_profile_is_chosen_in_the_browser_and_runs_without_a_desktop(hub: Hub, page: Page, pictures: Path):
    person = hub.person("ada").sign_up().log_in()
    await log_in(page, person)
    await page.locator("[data-action=start]").click()
    await page.wait_for_url("**/hub/spawn/**")
    choices = page.get_by_test_id("profiles")
    assert await choices.locator("label").count() == 3, "what is for a group is not shown"
    await expect(page.get_by_label("Standard")).to_be_checked()
    await expect(choices).to_contain_text("1.5 GB memory")
    await page.screenshot(path=pictures / "profiles.png", full_page=True)
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a phone"
    await page.screenshot(path=OUTPUT / "profiles-phone.png", full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 800})

    await choices.get_by_text("Without a desktop").click()
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/hub/home", timeout=90 * SECOND)
    wait_for(person.is_ready, 30, "server")

    # What the engine was asked for
    container = person.container()
    limits = container.attrs["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"]) == (1536 * 1024**2, 1536 * 1024**2)
    assert limits["CpuQuota"] == limits["CpuPeriod"]
    assert {"P2M_BLENDER_MODE=headless", "P2M_MCP_MODE=no-code"} <= set(container.attrs["Config"]["Env"])
    mounted = {mount["Destination"]: mount["RW"] for mount in container.attrs["Mounts"]}
    assert mounted == {"/home/blender": True, "/home/blender/assets": False}
    assert container.exec_run(["cat", "/home/blender/assets/brick.txt"]).output == b"red"
    refused = container.exec_run(["touch", "/home/blender/assets/mine"])
    assert b"Read-only file system" in refused.output

    # Pages say that there is no desktop
    headers = {"Authorization": f"Bearer {person.token}"}
    status = requests.get(person.server_url("p2m/status"), headers=headers, timeout=30).json()
    assert (status["ready"], status["ui"]) == (True, {"state": "off"})
    await expect(page.get_by_test_id("open-blender")).to_contain_text("no desktop", timeout=30 * SECOND)
    await expect(page.get_by_test_id("server-status")).to_contain_text("It has no window", timeout=30 * SECOND)
    await page.screenshot(path=OUTPUT / "home-headless.png", full_page=True)
    await page.goto(person.server_url("blender/"))
    await expect(page.locator("#message")).to_have_text("This server has no desktop", timeout=30 * SECOND)
    await page.screenshot(path=OUTPUT / "no-desktop.png")
    tiles = requests.get(person.server_url("server-proxy/servers-info"), headers=headers, timeout=30).json()
    assert not any(entry["launcher_entry"]["enabled"] for entry in tiles["server_processes"])

    # Agents work, without code
    async with mcp_client(person.mcp_url, person.token) as client:
        text_of(await client.call_tool("create_object", {"type": "cube", "name": "Marker"}))
        assert "Marker" in text_of(await client.call_tool("get_scene_info", {}))
        code = await client.call_tool("execute_blender_code", {"code": "print(6)"})
        assert code.is_error
        assert "the mode here is no-code" in code.content[0].text

    # The page remembers
    person.stop_server()
    await page.goto(f"{hub.url}/hub/spawn/{person.name}")
    await expect(page.get_by_label("Without a desktop")).to_be_checked()


async def test_agents_only_look_where_the_profile_says_so_and_headless_takes_less_memory(hub: Hub):
    looker, worker = hub.person("bob").sign_up().log_in(), hub.person("eve").sign_up().log_in()
    looker.start_server(profile="look")
    async with mcp_client(looker.mcp_url, looker.token) as client:
        assert "objects" in text_of(await client.call_tool("get_scene_info", {}))
        for tool, arguments in (
            ("execute_blender_code", {"code": "print(6)"}),
            ("create_object", {"type": "cube"}),
        ):
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error
            assert "read-only" in refused.content[0].text
    worker.start_server(profile="headless")
    desktop, headless = memory_of(looker.container()), memory_of(worker.container())
    print(f"memory of a container: desktop {desktop / 2**20:.0f} MB, headless {headless / 2**20:.0f} MB")
    assert headless < desktop
    looker.stop_server()
    worker.stop_server()


def test_a_group_opens_its_profiles_and_what_the_machine_lacks_is_a_sentence(hub: Hub):
    person, admin = hub.person("vincent").sign_up().log_in(), hub.admin()

    def start(profile: str) -> tuple[int, str]:
        answer = person.api("POST", f"users/{person.name}/server", json={"profile": profile}, timeout=120)
        assert not answer.ok
        return answer.status_code, answer.json()["message"]

    def is_logged(cause: str) -> None:
        wait_for(lambda: cause in hub.output(), 10, f"the operator's text in the hub's log: {cause}")

    status, said = start("render")
    assert (status, said.split(".")[0]) == (403, "The profile 'render' is for the group artists")
    assert admin.api("POST", "groups/artists", json={"users": [person.name]}).ok

    status, said = start("render")  # there is no GPU here
    assert status == 503
    assert said == "This machine has no GPU for your server. Choose another profile, or tell the administrator."
    is_logged("could not select device driver")
    for profile in ("lost", "lost-folder"):
        status, said = start(profile)
        assert status == 503
        assert said.startswith("The shared files of your profile are not on this machine.")
    is_logged("There is no volume")
    is_logged("bind source path does not exist: /srv/no-such-folder")
    assert start("../../etc/passwd")[0] == 400
    assert all(container.name != f"p2m-{person.name}" for container in hub.containers()), "nothing is left"
    assert person.start_server(profile="headless").is_ready(), "after all that"
    person.stop_server()
