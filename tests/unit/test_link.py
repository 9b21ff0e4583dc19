"""p2m_singleuser.link against a real unix socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from p2m_singleuser import link as link_module
from p2m_singleuser.link import BlenderError, BlenderLink, BlenderTimeout, BlenderUnavailable, runtime_dir
from tests.unit.singleuser_fakes import CommandFailed, FakeBlender


@pytest.fixture
async def blender(tmp_path: Path) -> AsyncIterator[FakeBlender]:
    async with FakeBlender(tmp_path / "blender.sock") as fake:
        yield fake


@pytest.fixture
def link(blender: FakeBlender) -> BlenderLink:
    return BlenderLink(blender.path)


def test_runtime_dir_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2M_RUNTIME_DIR", raising=False)
    assert runtime_dir() == Path("/run/p2m")
    monkeypatch.setenv("P2M_RUNTIME_DIR", "/elsewhere")
    assert BlenderLink().path == Path("/elsewhere/blender.sock")


async def test_a_call_sends_type_params_and_deadline_and_returns_the_result(
    blender: FakeBlender, link: BlenderLink
) -> None:
    async def echo(params: dict[str, Any]) -> dict[str, Any]:
        return params

    blender.answers["echo"] = echo
    assert await link.call("echo", deadline_s=3, name="Würfel") == {"name": "Würfel"}
    assert blender.requests[0]["type"] == "echo"
    assert blender.requests[0]["params"] == {"name": "Würfel"}
    assert blender.requests[0]["deadline_s"] == 3


async def test_calls_run_at_the_same_time(blender: FakeBlender, link: BlenderLink) -> None:
    second_answered = asyncio.Event()

    async def slow(_: dict[str, Any]) -> str:
        await second_answered.wait()
        return "slow"

    async def fast(_: dict[str, Any]) -> str:
        return "fast"

    blender.answers |= {"slow": slow, "fast": fast}
    first = asyncio.create_task(link.call("slow"))
    assert await link.call("fast") == "fast"
    assert not first.done()
    second_answered.set()
    assert await first == "slow"


async def test_no_socket_says_that_blender_is_starting(tmp_path: Path) -> None:
    with pytest.raises(BlenderUnavailable, match=r"starting, try again in 3 s"):
        await BlenderLink(tmp_path / "nothing.sock").call("get_status")


async def test_a_refused_connection_says_that_blender_is_starting(blender: FakeBlender, link: BlenderLink) -> None:
    await blender.stop()
    assert blender.path.exists()
    with pytest.raises(BlenderUnavailable):
        await link.call("get_status")


async def test_a_crash_in_the_middle_of_a_command_ends_the_call_at_once(
    blender: FakeBlender, link: BlenderLink
) -> None:
    async def crash(_: dict[str, Any]) -> None:
        await blender.stop()

    blender.answers["crash"] = crash
    with pytest.raises(BlenderUnavailable, match="went away before it answered crash"):
        await link.call("crash")


async def test_calls_work_again_when_blender_is_back(blender: FakeBlender, link: BlenderLink) -> None:
    await link.call("get_status")
    await blender.stop()
    with pytest.raises(BlenderUnavailable):
        await link.call("get_status")
    blender.path.unlink()
    async with FakeBlender(blender.path):
        assert (await link.call("get_status"))["state"] == "ready"


async def test_a_failed_command_carries_type_message_and_traceback(blender: FakeBlender, link: BlenderLink) -> None:
    async def fail(_: dict[str, Any]) -> None:
        raise CommandFailed("no such object", type="KeyError", traceback="line 3, in <code>", output="so far")

    blender.answers["fail"] = fail
    with pytest.raises(BlenderError) as caught:
        await link.call("fail")
    error = caught.value
    assert (error.type, error.message, error.traceback, error.output) == (
        "KeyError",
        "no such object",
        "line 3, in <code>",
        "so far",
    )


async def test_blender_that_gives_a_command_up_is_a_timeout_with_its_reason(
    blender: FakeBlender, link: BlenderLink
) -> None:
    async def overdue(_: dict[str, Any]) -> None:
        raise CommandFailed("Blender is still busy with a render", type="DeadlineExceeded")

    blender.answers["overdue"] = overdue
    with pytest.raises(BlenderTimeout, match="busy with a render"):
        await link.call("overdue")


async def test_blender_that_says_nothing_is_a_timeout(blender: FakeBlender, link: BlenderLink) -> None:
    async def endless(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    blender.answers["endless"] = endless
    with pytest.raises(BlenderTimeout, match=r"did not answer endless within 0\.05 s"):
        await link.call("endless", deadline_s=0.05, grace_s=0)


async def test_a_cancelled_call_closes_its_connection_so_that_blender_can_drop_it(
    blender: FakeBlender, link: BlenderLink
) -> None:
    received = asyncio.Event()

    async def endless(_: dict[str, Any]) -> None:
        received.set()
        await asyncio.Event().wait()

    blender.answers["endless"] = endless
    call = asyncio.create_task(link.call("endless"))
    await received.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(5):
        await blender.hung_up.wait()


async def test_ten_megabytes_pass_both_ways(blender: FakeBlender, link: BlenderLink) -> None:
    async def echo(params: dict[str, Any]) -> Any:
        return params["text"]

    blender.answers["echo"] = echo
    text = "ä" * 10_000_000
    assert await link.call("echo", text=text) == text


async def test_a_command_over_the_limit_is_refused_before_it_is_sent(
    blender: FakeBlender, link: BlenderLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(BlenderError, match="the limit is") as caught:
        await link.call("echo", text="x" * 2000)
    assert caught.value.type == "MessageTooLarge"
    assert blender.requests == []


@pytest.mark.parametrize(
    ("raw", "type"),
    [
        (struct.pack(">I", 2**31), "MessageTooLarge"),
        (struct.pack(">I", 3) + b"}{!", "ProtocolError"),
        (struct.pack(">I", 2) + b"[]", "ProtocolError"),
    ],
)
async def test_an_impossible_reply_is_an_error(tmp_path: Path, raw: bytes, type: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "blender.sock"):
        with pytest.raises(BlenderError) as caught:
            await BlenderLink(tmp_path / "blender.sock").call("anything")
    assert caught.value.type == type
