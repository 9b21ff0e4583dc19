"""What the session and the checkpoints do on disk, and when: all that needs no Blender."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_blender.blend_header import BlendFileError, original_path, set_original_path
from p2m_blender.checkpoints import Ring
from p2m_blender.session_store import (
    DELAY_S,
    LONGEST_QUIET_WAIT_S,
    LONGEST_SAVE_S,
    QUIET_S,
    RETRY_S,
    Schedule,
    SessionStore,
)
from p2m_blender.whole_files import read_json, write_json

# --- checkpoints --------------------------------------------------------------------------------------------------


def write(size: int):
    return lambda path: path.write_bytes(b"x" * size)


def numbers(ring: Ring) -> list[int]:
    return [entry.id for entry in ring.entries()]


def test_a_ring_keeps_the_newest(tmp_path: Path):
    ring = Ring(tmp_path / "ring", kept=3)
    for n in range(5):
        ring.add(f"before tool{n}", "/home/work.blend", 1000.0 + n, write(10))
        ring.prune()
    assert numbers(ring) == [5, 4, 3]
    assert sorted(path.name for path in (tmp_path / "ring").iterdir()) == [
        f"00000{n}.{ending}" for n in (3, 4, 5) for ending in ("blend", "json")
    ]


def test_the_oldest_leave_when_they_are_too_large_together_and_the_newest_never(tmp_path: Path):
    ring = Ring(tmp_path, budget_bytes=100)
    for size in (40, 40, 40):
        ring.add("x", None, 0.0, write(size))
    ring.prune()
    assert numbers(ring) == [3, 2]
    ring.add("x", None, 0.0, write(1000))
    ring.prune()
    assert numbers(ring) == [4]


def test_checkpoints_are_found_again_by_the_next_start(tmp_path: Path):
    made = Ring(tmp_path).add("before boolean", "/home/work.blend", 1234.5, write(7))
    again = Ring(tmp_path)
    assert again.entries() == [made]
    assert (made.label, made.file, made.size_bytes, made.created_at) == (
        "before boolean",
        "/home/work.blend",
        7,
        1234.5,
    )
    assert again.find(made.id) == made
    assert again.find(99) is None


def test_a_number_is_never_given_twice(tmp_path: Path):
    (tmp_path / "000041.blend").write_bytes(b"written, but never described")
    (tmp_path / "notes.blend").write_bytes(b"somebody's own")
    assert Ring(tmp_path).add("x", None, 0.0, write(1)).id == 42


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', '{"id": "1", "label": 2}', "\0"])
def test_descriptions_that_cannot_be_read_are_passed_over(tmp_path: Path, text: str):
    ring = Ring(tmp_path)
    ring.add("good", None, 0.0, write(1))
    (tmp_path / "000007.json").write_text(text)
    (tmp_path / "000007.blend").write_bytes(b"x")
    assert [entry.label for entry in Ring(tmp_path).entries()] == ["good"]


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    ring = Ring(tmp_path)

    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        ring.add("x", None, 0.0, fail)
    assert ring.entries() == []
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_whose_file_is_gone_is_none(tmp_path: Path):
    ring = Ring(tmp_path)
    made = ring.add("x", None, 0.0, write(1))
    ring.path(made).unlink()
    assert ring.find(made.id) is None


# --- the session's directory --------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path):
    store = SessionStore(tmp_path / "session")
    assert store.lock()
    yield store
    store.unlock()


def save(store: SessionStore, content: bytes = b"scene") -> None:
    fresh = store.temporary()
    fresh.write_bytes(content)
    store.commit(fresh, {"file": None, "saved_at": "2026-11-22T10:00:00+00:00"})


def test_a_committed_scene_is_whole_and_described(store: SessionStore, tmp_path: Path):
    save(store, b"one")
    save(store, b"two")
    assert store.scene.read_bytes() == b"two"
    assert json.loads((tmp_path / "session/meta.json").read_text())["file"] is None
    assert sorted(path.name for path in store.scene.parent.iterdir()) == ["lock", "meta.json", "scene.blend"]


def test_a_scene_that_cannot_take_its_place_leaves_the_former_one(store: SessionStore, monkeypatch: pytest.MonkeyPatch):
    save(store, b"former")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(store, b"newer")
    assert store.scene.read_bytes() == b"former"
    assert not list(store.scene.parent.glob(".saving*"))


def test_a_second_blender_does_not_get_the_session(store: SessionStore):
    code = "import sys; from pathlib import Path; from p2m_blender.session_store import SessionStore; "
    code += "print(SessionStore(Path(sys.argv[1])).lock())"

    def other() -> str:
        path = str(Path(__file__).parents[2] / "addon")
        command = [sys.executable, "-c", code, str(store.scene.parent)]
        return subprocess.run(
            command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert other() == "False"
    store.unlock()
    assert other() == "True"


def test_what_a_killed_blender_was_writing_is_removed(tmp_path: Path):
    directory = tmp_path / "session"
    directory.mkdir()
    (directory / ".saving-1-2.blend").write_bytes(b"half")
    store = SessionStore(directory)
    assert store.lock()
    store.unlock()
    assert not list(directory.glob(".saving*"))


def test_a_scene_that_ends_two_starts_is_set_aside_and_kept(store: SessionStore):
    save(store, b"crashes")
    for _ in range(2):
        assert not store.has_crashed()
        assert store.begin_resume() == store.scene
    assert store.has_crashed()
    aside = store.set_aside("crashed", 0.0)
    assert aside.name == "scene-crashed-19700101-000000.blend"
    assert aside.read_bytes() == b"crashes"
    assert store.begin_resume() is None
    save(store, b"new work")
    assert not store.has_crashed()
    second = store.set_aside("crashed", 0.0)
    assert second != aside
    assert aside.read_bytes() == b"crashes"


def test_a_scene_is_opened_also_where_nothing_can_be_noted(store: SessionStore):
    """As on a full disk: an empty scene in its place would be saved over it as soon as there is room."""
    save(store)
    (store.scene.parent / ".resuming.json.new").mkdir()  # in the way
    assert store.begin_resume() == store.scene


def test_starts_that_went_well_do_not_count(store: SessionStore):
    save(store)
    for _ in range(5):
        assert store.begin_resume() == store.scene
        store.resumed()
    assert not store.has_crashed()


def test_a_kill_from_outside_is_forgiven_once_the_scene_was_open(store: SessionStore):
    save(store)
    for _ in range(5):
        store.forgive()
        assert not store.has_crashed()
        store.begin_resume()
        store.opened()
    store.forgive()
    for _ in range(2):
        store.forgive()
        store.begin_resume()  # and it ends while it opens
    assert store.has_crashed()
    store.forgive()
    assert store.has_crashed()


def test_without_a_session_there_is_nothing_to_resume(store: SessionStore):
    assert store.begin_resume() is None
    assert not store.has_crashed()


def test_json_files_survive_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "meta.json"
    write_json(path, {"n": 1})
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"n": 2})
    assert read_json(path) == {"n": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["meta.json"]


# --- when to save -------------------------------------------------------------------------------------------------


def is_due(schedule: Schedule, now: float, weight: int = 1000) -> bool:
    return schedule.is_due(now, lambda: weight)


def test_a_change_is_saved_soon_and_only_once():
    schedule = Schedule()
    assert not is_due(schedule, 100.0)
    schedule.changed(100.0)
    schedule.changed(101.5)
    assert not is_due(schedule, 100.0 + DELAY_S / 2)
    assert is_due(schedule, 100.0 + DELAY_S)
    schedule.began()
    schedule.saved(102.0, 0.002, 1000)
    assert not is_due(schedule, 1000.0)


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=60), st.floats(0.0005, LONGEST_SAVE_S))
def test_while_changes_go_on_none_waits_longer_than_the_delay(pauses: list[float], duration_s: float):
    schedule, now, oldest = Schedule(), 0.0, None
    for pause in pauses:
        schedule.changed(now)
        oldest = now if oldest is None else oldest
        end = now + pause
        while now < end:
            if is_due(schedule, now):
                schedule.began()
                schedule.saved(now, duration_s, 1000)
                oldest = None
            assert oldest is None or now - oldest <= DELAY_S + 0.11
            now += 0.1


def test_a_large_scene_waits_for_a_quiet_moment():
    schedule = Schedule()
    schedule.saved(0.0, 1.0, 1000)
    schedule.changed(100.0)
    schedule.command_ran(102.0)
    assert not is_due(schedule, 100.0 + DELAY_S)
    assert is_due(schedule, 102.0 + QUIET_S)


def test_a_large_scene_under_constant_use_is_saved_in_the_end():
    schedule = Schedule()
    schedule.saved(0.0, 1.0, 1000)
    schedule.changed(100.0)
    schedule.command_ran(100.0 + LONGEST_QUIET_WAIT_S - 0.5)
    assert not is_due(schedule, 100.0 + LONGEST_QUIET_WAIT_S - 0.1)
    assert is_due(schedule, 100.0 + LONGEST_QUIET_WAIT_S)


def test_saving_a_large_scene_takes_a_small_share_of_the_time():
    schedule = Schedule()
    schedule.saved(100.0, 1.0, 1000)
    schedule.changed(100.0)
    assert not is_due(schedule, 140.0)
    assert is_due(schedule, 150.0)


def test_a_scene_that_grew_is_large_before_it_was_ever_saved():
    schedule = Schedule()
    schedule.saved(0.0, 0.01, 1000)
    schedule.changed(100.0)
    schedule.command_ran(101.5)
    assert is_due(schedule, 100.0 + DELAY_S, weight=2000)
    assert not is_due(schedule, 100.0 + DELAY_S, weight=100_000)


def test_a_failed_save_is_tried_again_later():
    schedule = Schedule()
    schedule.changed(100.0)
    schedule.began()
    schedule.failed(102.0)
    assert not is_due(schedule, 102.0 + RETRY_S - 0.1)
    assert is_due(schedule, 102.0 + RETRY_S)


# --- the original path in a .blend file ---------------------------------------------------------------------------


def sdna(field: bytes) -> bytes:
    """A description of three structs, of which ``FileGlobal`` has 4 + 8 + 12 bytes before its path."""
    names = [b"*next", b"x", b"pad[2][3]", b"subvstr[4]", b"*curscene", field]
    types = [b"char", b"short", b"Scene", b"FileGlobal", b"Other"]
    part = b"SDNANAME" + struct.pack("<i", len(names)) + b"\0".join(names) + b"\0"
    part += b"\0" * (-len(part) % 4) + b"TYPE" + struct.pack("<i", len(types)) + b"\0".join(types) + b"\0"
    part += b"\0" * (-len(part) % 4) + b"TLEN" + struct.pack("<5h", 1, 2, 16, 1048, 2) + b"\0\0"
    part += b"STRC" + struct.pack("<i", 3)
    part += struct.pack("<hh", 4, 1) + struct.pack("<hh", 1, 1)
    part += struct.pack("<hh", 2, 2) + struct.pack("<hhhh", 2, 0, 2, 0)
    part += struct.pack("<hh", 3, 4) + struct.pack("<8h", 0, 3, 2, 4, 1, 2, 0, 5)
    return part


def blend_file(*, large: bool = False, field: bytes = b"filename[1024]", glob: int = 24 + 1024) -> bytes:
    head = "<4siQqq" if large else "<4siQii"

    def block(code: bytes, data: bytes) -> bytes:
        fields = (code, 0, 0, len(data), 1) if large else (code, len(data), 0, 0, 1)
        return struct.pack(head, *fields) + data

    header = b"BLENDER17-01v0500" if large else b"BLENDER-v403"
    description = sdna(field)
    return (
        header + block(b"REND", b"r" * 72) + block(b"GLOB", b"g" * glob) + block(b"SC\0\0", b"s" * 99)
        + block(b"DNA1", description) + block(b"ENDB", b"")
    )  # fmt: skip


@pytest.mark.parametrize("large", [False, True], ids=["4.x", "5.0"])
@pytest.mark.parametrize("field", [b"filename[1024]", b"filepath[1024]"])
def test_a_path_is_written_where_blender_reads_it_and_nowhere_else(tmp_path: Path, large: bool, field: bytes):
    path = tmp_path / "copy.blend"
    before = blend_file(large=large, field=field)
    path.write_bytes(before)
    set_original_path(path, "/home/blender/wörk.blend")
    after = path.read_bytes()
    start = after.index("/home/blender/wörk.blend".encode())
    assert start == before.index(b"g" * 24) + 24
    assert (after[:start], after[start + 1024 :]) == (before[:start], before[start + 1024 :])
    assert original_path(path) == "/home/blender/wörk.blend"
    set_original_path(path, "")
    assert original_path(path) == ""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no uncompressed .blend"),
        (b"\x28\xb5\x2f\xfd compressed with zstd", "no uncompressed .blend"),
        (b"BLENDER_v402 of 32 bits", "no uncompressed .blend"),
        (blend_file()[:50], "longer than the file"),
        (blend_file()[:118], "ends too early"),
        (blend_file()[:1300], "no SDNA"),
        (blend_file(glob=500), "shorter than its description"),
        (blend_file(field=b"other[1024]"), "FileGlobal has no path"),
        (blend_file().replace(b"GLOB", b"BOLG"), "no GLOB"),
        (blend_file().replace(b"FileGlobal", b"FileLocale"), "no FileGlobal"),
        (blend_file().replace(b"TLEN", b"NELT"), "no TLEN"),
    ],
)
def test_files_of_another_kind_are_refused_and_left_alone(tmp_path: Path, content: bytes, why: str):
    path = tmp_path / "other.blend"
    path.write_bytes(content)
    with pytest.raises(BlendFileError, match=why):
        set_original_path(path, "/home/blender/work.blend")
    with pytest.raises(BlendFileError, match=why):
        original_path(path)
    assert path.read_bytes() == content


@given(st.binary(max_size=400), st.integers(0, 1300), st.booleans())
def test_damaged_files_are_refused_with_a_reason(tmp_path_factory, noise: bytes, at: int, large: bool):
    content = bytearray(blend_file(large=large))
    content[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged.blend"
    path.write_bytes(content)
    try:
        original_path(path)
    except BlendFileError as error:
        assert str(error)


def test_a_path_that_does_not_fit_is_refused(tmp_path: Path):
    path = tmp_path / "copy.blend"
    path.write_bytes(blend_file())
    with pytest.raises(BlendFileError, match="does not fit"):
        set_original_path(path, "/" + "x" * 1023)
