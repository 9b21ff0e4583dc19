"""An agent's day: each tool that the server lists is called, in a Blender with a window and in one without."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mcp import Client

from tests.support.blenders import RunningBlender, running_blender
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png


@pytest.fixture(params=["", "headless"], ids=["window", "headless"])
def blender(request: pytest.FixtureRequest, failed: Callable[[], bool]) -> Iterator[RunningBlender]:
    with running_blender(P2M_BLENDER_MODE=request.param) as running:
        yield running
        if failed():
            print(running.log())


class Agent:
    """A client that remembers which tools it has called."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.called: set[str] = set()

    async def result(self, name: str, /, **arguments: Any) -> Any:
        self.called.add(name)
        return await self.client.call_tool(name, arguments)

    async def do(self, name: str, /, **arguments: Any) -> Any:
        """Call a tool that must succeed; its structured result."""
        result = await self.result(name, **arguments)
        text_of(result)
        return result.structured_content

    async def see(self, name: str, /, **arguments: Any) -> int:
        """Call a tool that returns a picture; how many colours it has."""
        result = await self.result(name, **arguments)
        text_of(result)
        image = next(part for part in result.content if part.type == "image")
        return colours(open_png(base64.b64decode(image.data)))


async def test_an_agent_uses_every_tool(blender: RunningBlender):
    windowed = blender.status()["ui"]["state"] == "ready"
    async with mcp_client(f"{blender.url}p2m/mcp", blender.token) as client:
        agent = Agent(client)
        assert (await agent.do("get_blender_status"))["window"] is windowed

        # Scene and shape
        await agent.do("create_object", type="cube", name="Body", location=[0, 0, 1], size=2)
        await agent.do("create_object", type="cylinder", name="Hole", location=[0, 0, 1], radius=0.5, depth=4)
        await agent.do("transform_object", name="Hole", location=[0.1, 0, 1])
        await agent.do("boolean", name="Body", cutter="Hole", after="delete")
        await agent.do("duplicate_object", name="Body", offset=[4, 0, 0], new_name="Twin")
        await agent.do("set_parent", children=["Twin"], parent="Body")
        await agent.do("add_modifier", name="Twin", type="BEVEL", properties={"width": 0.05})
        await agent.do("set_material", names=["Body", "Twin"], material="Red", base_color="#cc2200", roughness=0.4)
        await agent.do("set_world", color=[0.1, 0.2, 0.4], strength=1.0)
        await agent.do("frame_camera", names=["Body"])
        await agent.do("delete_objects", names=["Cube"])
        listed = {item["name"] for item in (await agent.do("list_objects"))["objects"]}
        assert {"Body", "Twin"} <= listed
        assert not listed & {"Cube", "Hole"}
        assert (await agent.do("get_scene_info"))["object_count"] == len(listed)
        assert (await agent.do("get_object_info", name="Body"))["materials"] == ["Red"]
        assert (await agent.do("check_mesh", name="Body"))["dimensions"]

        # Pictures
        for view in ("user", "front", "camera"):
            assert await agent.see("get_viewport_screenshot", view=view, max_size=320) > 20
        assert await agent.see("look", views=["front", "top"], max_size=400) > 20
        if windowed:
            await agent.do("focus_view", name="Body")
        else:
            assert (await agent.result("focus_view", name="Body")).is_error
        assert await agent.see("render_preview", max_size=96, samples=2) > 20

        # Files
        code = "bpy.data.images.new('dots', 8, 8).save(filepath='/home/blender/dots.png')"
        await agent.do("execute_blender_code", code=code)
        await agent.do("set_texture", name="Body", file="dots.png")
        await agent.do("save_file", path="day.blend")
        await agent.do("export_file", path="body.glb", objects=["Body"])
        before = (await agent.do("get_scene_info"))["object_count"]
        await agent.do("import_file", path="body.glb")
        assert (await agent.do("get_scene_info"))["object_count"] > before
        assert {"day.blend", "body.glb"} <= {item["path"] for item in (await agent.do("list_files"))["files"]}
        text_of(await agent.result("get_file", path="body.glb"))
        text_of(await agent.result("get_model", objects=["Body"]))
        assert await agent.do("get_file_summary")
        await agent.do("open_file", path="day.blend")
        assert (await agent.do("get_scene_info"))["object_count"] == before

        # Renders
        job = await agent.do("start_render", name="still", width=64, height=48, samples=1)
        assert (await agent.do("get_job", id=job["id"], wait_s=120))["state"] == "done"
        long = await agent.do("start_render", name="long", animation=True, frame_start=1, frame_end=9000, samples=1)
        assert (await agent.do("cancel_job", id=long["id"]))["state"] == "cancelled"
        assert {item["state"] for item in (await agent.do("list_jobs"))["jobs"]} == {"done", "cancelled"}

        # History
        await agent.do("create_checkpoint", label="before the flood")
        await agent.do("create_object", type="monkey", name="Noah")
        if windowed:
            await agent.do("undo")
            await agent.do("redo")
        else:
            for name in ("undo", "redo"):
                refused = await agent.result(name)
                assert refused.is_error
                assert "restore_checkpoint" in refused.content[0].text
        kept = (await agent.do("list_checkpoints"))["checkpoints"]
        flood = next(item for item in kept if item["label"] == "before the flood")
        await agent.do("restore_checkpoint", id=flood["id"])
        assert "Noah" not in {item["name"] for item in (await agent.do("list_objects"))["objects"]}

        # Help, and a restart that brings the scene back
        assert (await agent.do("search_api", query="add monkey"))["results"]
        assert await agent.do("describe_api", path="bpy.types.Object.location")
        await agent.do("create_object", type="torus", name="Kept")
        assert (await agent.do("restart_blender"))["saved"] is True
        assert "Kept" in {item["name"] for item in (await agent.do("list_objects"))["objects"]}

        # A file without anything in it: Blender 4.3 without a window ended when a copy of its scene was removed
        await agent.do("execute_blender_code", code="bpy.ops.wm.read_homefile(use_empty=True)")
        for _ in range(2):
            assert await agent.see("get_viewport_screenshot", view="iso", max_size=320) > 0
        assert (await agent.do("get_blender_status"))["state"] == "ready"

        assert agent.called == {tool.name for tool in (await client.list_tools()).tools}
