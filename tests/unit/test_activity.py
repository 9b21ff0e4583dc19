"""What counts as use of the server although nobody asks it for anything."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p2m_singleuser import activity
from p2m_singleuser.activity import counts, keep_alive_while_at_work, last_use
from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderLink
from tests.unit.singleuser_fakes import FakeBlender


@pytest.fixture
async def blender(tmp_path: Path) -> AsyncIterator[FakeBlender]:
    async with FakeBlender(tmp_path / "blender.sock") as running:
        yield running


@pytest.fixture
def link(tmp_path: Path) -> BlenderLink:
    return BlenderLink(tmp_path / "blender.sock")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    return JobStore(tmp_path / "jobs")


def status(**said: Any) -> Any:
    async def answer(_: dict[str, Any]) -> dict[str, Any]:
        return {"state": "ready", "rendering": False, **said}

    return answer


def is_now(when: datetime | None) -> bool:
    return when is not None and datetime.now(UTC) - when < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("method", "path", "used"),
    [
        ("GET", "/user/ada/api/contents/", False),
        ("HEAD", "/user/ada/api/kernels", False),
        ("PUT", "/user/ada/lab/api/workspaces/default", False),
        ("PUT", "/user/ada/api/contents/scene.ipynb", True),
        ("POST", "/user/ada/api/sessions", True),
    ],
)
def test_what_jupyterlab_does_by_itself_is_no_use(method: str, path: str, used: bool) -> None:
    assert counts(SimpleNamespace(request=SimpleNamespace(method=method, path=path))) is used


async def test_a_blender_that_waits_for_its_person_is_not_at_work(
    blender: FakeBlender, store: JobStore, link: BlenderLink
) -> None:
    assert await last_use(store, link) is None


async def test_a_render_job_is_work_with_or_without_blender(store: JobStore, link: BlenderLink) -> None:
    assert await last_use(store, link) is None
    with store.queue_lock():
        assert is_now(await last_use(store, link))


@pytest.mark.parametrize("said", [{"rendering": True}, {"state": "busy", "busy_with": "execute_code"}])
async def test_a_render_in_the_window_and_a_long_command_are_work(
    blender: FakeBlender, store: JobStore, link: BlenderLink, said: dict[str, Any]
) -> None:
    blender.answers["get_status"] = status(**said)
    assert is_now(await last_use(store, link))


async def test_a_blender_too_busy_to_answer_is_at_work(
    blender: FakeBlender, store: JobStore, link: BlenderLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(activity, "ANSWER_S", 0.05)
    blender.answers["get_status"] = never
    assert is_now(await last_use(store, link))


async def test_a_command_by_tcp_is_use_at_its_time(blender: FakeBlender, store: JobStore, link: BlenderLink) -> None:
    blender.answers["get_status"] = status(tcp_command_at=1_700_000_000.0)
    assert await last_use(store, link) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(("told_every", "looks_every"), [(None, 15), ("0", 15), ("300", 15), ("7", 7)])
async def test_it_looks_before_the_hub_is_told(
    monkeypatch: pytest.MonkeyPatch, store: JobStore, link: BlenderLink, told_every: str | None, looks_every: int
) -> None:
    monkeypatch.delenv("JUPYTERHUB_ACTIVITY_INTERVAL", raising=False)
    if told_every:
        monkeypatch.setenv("JUPYTERHUB_ACTIVITY_INTERVAL", told_every)
    looking = keep_alive_while_at_work({}, store, link)
    looking.stop()
    assert looking.callback_time == 1000 * looks_every


async def test_work_is_noted_where_jupyter_looks_for_activity(
    blender: FakeBlender, store: JobStore, link: BlenderLink
) -> None:
    settings: dict[str, Any] = {}
    looking = keep_alive_while_at_work(settings, store, link)
    try:
        await looking.callback()
        assert settings == {}
        blender.answers["get_status"] = status(rendering=True)
        await looking.callback()
        assert [name.endswith("_last_activity") for name in settings] == [True]
        assert is_now(settings["p2m_work_last_activity"])
        blender.answers["get_status"] = status(tcp_command_at=1.0)
        await looking.callback()
        assert is_now(settings["p2m_work_last_activity"]), "later use is not forgotten for earlier"
    finally:
        looking.stop()
