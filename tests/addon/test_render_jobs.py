"""Renders in processes of their own, through MCP: they outlive Blender, the MCP server and the queue."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client

from tests.image.conftest import TOKEN, UserContainer, ready_container
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png
from tests.support.waiting import wait_for, wait_for_async

LONG = {"width": 128, "height": 96, "samples": 60_000, "engine": "cycles"}
"""Takes minutes; Cycles tells of the first sample at once and of later ones seldom."""

EVERY_SAMPLE = "bpy.context.scene.cycles.use_adaptive_sampling = False"

MANY_FRAMES = {"animation": True, "frame_start": 1, "frame_end": 9000, "width": 32, "height": 24, "samples": 1}
"""Takes minutes, a frame after the other."""

QUICK = {"width": 96, "height": 64, "samples": 1, "engine": "cycles"}
JOBS = "/home/blender/.p2m/jobs"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def container() -> Iterator[UserContainer]:
    with ready_container(headless=True) as ready:
        yield ready


@pytest.fixture
def blender(container: UserContainer, failed: Callable[[], bool]) -> Iterator[UserContainer]:
    yield container
    if failed():
        print(container.docker.logs(tail=200).decode("utf-8", "replace"))
        print(container.run("sh", "-c", f"tail -n 5 {JOBS}/*/*.txt {JOBS}/*/*.json")[1])


def base_url(container: UserContainer) -> str:
    container.docker.reload()
    return f"http://127.0.0.1:{container.docker.ports['8888/tcp'][0]['HostPort']}/"


def connect(container: UserContainer) -> Any:
    return mcp_client(base_url(container) + "p2m/mcp", TOKEN)


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    text_of(result)
    assert result.structured_content is not None
    return result.structured_content


def read(container: UserContainer, job_id: str, name: str) -> dict[str, Any] | None:
    """A file of a job; None while there is none, or when the engine, being busy, lost the command's output."""
    code, text = container.run("cat", f"{JOBS}/{job_id}/{name}")
    return dict(json.loads(text)) if code == 0 and text else None


def record(container: UserContainer, job_id: str) -> dict[str, Any]:
    return wait_for(lambda: read(container, job_id, "job.json"), WAIT_S, f"the record of {job_id}") or {}


def done(container: UserContainer, job_id: str, what: str) -> float:
    """How much is done: "share" of the frame under way, or "frames_done"."""
    return float((read(container, job_id, "progress.json") or {}).get(what, 0.0))


def queue_pid(container: UserContainer) -> int:
    return int(container.run("pgrep", "-f", "p2m_singleuser[.]render_queue")[1] or 0)


async def test_a_preview_comes_back_with_progress_and_leaves_nothing(blender: UserContainer):
    heard: list[float] = []

    async def hear(progress: float, _total: float | None, _message: str | None) -> None:
        heard.append(progress)

    async with connect(blender) as client:
        result = await client.call_tool("render_preview", {"max_size": 160, "samples": 4}, progress_callback=hear)
        text_of(result)
        assert (await ask(client, "list_jobs"))["jobs"] == []
    picture = open_png(base64.b64decode(result.content[1].data))
    assert picture.size == (160, 90)
    assert colours(picture) > 100
    assert heard
    assert (
        blender.ask_blender("execute_code", code="print(len(bpy.data.scenes), bpy.data.filepath)")["result"] == "1 \n"
    )


async def test_stills_and_animations_are_files_and_pictures(blender: UserContainer):
    async with connect(blender) as client:
        still = await ask(client, "start_render", name="first", **QUICK)
        again = await ask(client, "start_render", name="first", **(QUICK | {"engine": "workbench"}))
        frames = await ask(
            client, "start_render", name="turn", animation=True, frame_start=3, frame_end=7, frame_step=2, **QUICK
        )
        film = await ask(
            client, "start_render", name="film", animation=True, frame_start=1, frame_end=2, format="mp4", **QUICK
        )
        assert [job["output"] for job in (still, again, frames, film)] == [
            "renders/first.png",
            "renders/first-2.png",
            "renders/turn",
            "renders/film.mp4",
        ]
        results = {
            job["id"]: await client.call_tool("get_job", {"id": job["id"], "wait_s": WAIT_S})
            for job in (still, again, frames, film)
        }
        listed = (await ask(client, "list_jobs"))["jobs"]
        (resource,) = (await client.read_resource(f"blender://jobs/{still['id']}")).contents
    assert json.loads(resource.text)["state"] == "done"
    for result in results.values():
        text_of(result)
        job = result.structured_content
        assert (job["state"], job["progress"], job["frames_done"]) == ("done", 1.0, job["frames"]), job
        picture = open_png(base64.b64decode(result.content[1].data))
        assert picture.size == (96, 64)
        assert colours(picture) > 10
    assert [job["id"] for job in listed] == list(reversed(results))
    files = ["./film.mp4", "./first-2.png", "./first.png", *(f"./turn/turn_000{n}.png" for n in (3, 5, 7))]
    find = ("sh", "-c", "cd ~/renders && find . -type f -size +0 | sort")
    wait_for(lambda: blender.output(*find).split() == files, 10, "all files, and no other")
    assert blender.run("sh", "-c", f"ls {JOBS}/*/scene.blend")[0] != 0, "copies of the scene are removed"


async def test_a_render_outlives_blender_the_mcp_server_and_the_queue_and_is_cancelled(blender: UserContainer):
    async with connect(blender) as client:
        job_id = (await ask(client, "start_render", name="long", **MANY_FRAMES))["id"]
        waiting = (await ask(client, "start_render", name="waiting", **QUICK))["id"]
    await wait_for_async(lambda: done(blender, job_id, "frames_done") > 0, WAIT_S, "progress by frame")
    process = record(blender, job_id)["process"]
    assert blender.output("ps", "-o", "ni=", "-p", str(process["pid"])).strip() == "10"

    async with httpx2.AsyncClient(headers={"Authorization": f"token {TOKEN}"}) as http:
        status = (await http.get(base_url(blender) + "p2m/status")).json()
    first, second = status["jobs"]
    assert (first["id"], first["state"], first["kind"]) == (job_id, "running", "animation")
    assert 0 < first["progress"] < 1
    assert first["started_at"]
    assert (second["id"], second["state"], second["started_at"]) == (waiting, "queued", None)

    killed = queue_pid(blender)
    pid = blender.ask_blender("get_status")["pid"]
    blender.output("kill", "-KILL", str(pid), str(killed))
    blender.output("s6-svc", "-k", "/run/p2m-services/mcp")
    before = done(blender, job_id, "frames_done")
    wait_for(lambda: queue_pid(blender) not in {0, killed}, WAIT_S, "a new queue")
    wait_for(lambda: done(blender, job_id, "frames_done") > before, WAIT_S, "more frames")
    assert record(blender, job_id)["process"] == process
    assert record(blender, job_id)["state"] == "running"
    blender.wait_for_all()

    async with connect(blender) as client:
        assert (await ask(client, "cancel_job", id=job_id))["state"] == "cancelled"
        result = await client.call_tool("get_job", {"id": waiting, "wait_s": WAIT_S})
        assert result.structured_content["state"] == "done"
    assert blender.run("sh", "-c", f"kill -0 {process['pid']}")[0] != 0
    wait_for(lambda: queue_pid(blender) == 0, 10, "the end of a queue that has nothing to do")


async def test_a_client_that_gives_a_preview_up_ends_it(blender: UserContainer):
    async with connect(blender) as client:
        arguments = {"max_size": 640, "samples": 1024}
        call = asyncio.create_task(client.call_tool("render_preview", arguments))
        await wait_for_async(
            lambda: blender.run("sh", "-c", f"grep -l running {JOBS}/*/job.json")[0] == 0, WAIT_S, "a job"
        )
        call.cancel()
        await asyncio.wait([call])
    wait_for(lambda: queue_pid(blender) == 0, 20, "the preview's end")


async def test_what_cannot_be_rendered_is_told(blender: UserContainer):
    async with connect(blender) as client:
        unknown = await client.call_tool("get_job", {"id": "20200101-000000-abcdef"})
        film = await client.call_tool("start_render", {"format": "mp4"})
        code = "camera = bpy.context.scene.camera; bpy.context.scene.camera = None"
        blender.ask_blender("execute_code", code=code)
        blind = await client.call_tool("start_render", {})
        blender.ask_blender("execute_code", code="bpy.context.scene.camera = bpy.data.objects['Camera']")
    for result, told in ((unknown, "list_jobs lists"), (film, "Set animation"), (blind, "Add one and make it")):
        assert result.is_error
        assert told in result.content[0].text


async def test_after_a_restart_of_the_container_it_is_interrupted_and_what_waited_is_rendered(blender: UserContainer):
    blender.ask_blender("execute_code", code=EVERY_SAMPLE)
    async with connect(blender) as client:
        running = (await ask(client, "start_render", name="cut", **LONG))["id"]
        waiting = (await ask(client, "start_render", name="later", **QUICK))["id"]
    await wait_for_async(lambda: done(blender, running, "share") > 0, WAIT_S, "progress by sample")
    blender.docker.restart(timeout=10)
    blender.wait_for_all()
    async with connect(blender) as client:
        jobs = {job["id"]: job for job in (await ask(client, "list_jobs"))["jobs"]}
        assert (jobs[running]["state"], jobs[running]["progress"] < 1) == ("interrupted", True)
        assert "container was stopped" in jobs[running]["reason"]
        result = await client.call_tool("get_job", {"id": waiting, "wait_s": WAIT_S})
    assert result.structured_content["state"] == "done"
    assert blender.run("test", "-s", "/home/blender/renders/later.png")[0] == 0
