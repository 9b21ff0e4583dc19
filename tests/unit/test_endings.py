"""What is told of servers that ended: to their users, to the operator, to programs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.docker_faults import ending_of, file_in, saved_at_of
from p2m_spawner.endings import Ending, Endings, readable_duration, readable_size
from p2m_spawner.on_docker import environment_of, moment

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ending", "reason", "words"),
    [
        (Ending(exit_code=137, out_of_memory=True, memory_limit=4 * 2**30), "out_of_memory", "its limit of 4 GB and"),
        (Ending(exit_code=137), "killed", "was killed from outside"),
        (Ending(removed=True), "removed", "was removed from outside"),
        (Ending(exit_code=3), "crashed", "(exit code 3)"),
        (Ending(exit_code=0), "exited", "stopped from outside, or ended by itself"),
        (Ending(exit_code=0, out_of_memory=True), "exited", "stopped from outside, or ended by itself"),
        (Ending(interrupted=True), "start_interrupted", "hub was restarted"),
        (Ending(exit_code=1, failure="No port is free."), "start_failed", "No port is free."),
    ],
)  # fmt: skip
def test_each_ending_has_a_label_and_words_for_its_user(ending: Ending, reason: str, words: str):
    assert ending.reason == reason
    assert words in ending.sentence


def test_the_user_hears_how_recent_the_saved_scene_is():
    ending = Ending(exit_code=137, ended_at=NOON, saved_at=NOON - timedelta(seconds=3))
    assert "Your scene was saved 3 s before. Start it again to go on where you were." in ending.sentence


@pytest.mark.parametrize("saved_at", [None, NOON + timedelta(hours=1), NOON - timedelta(days=30)])
def test_a_time_that_is_unknown_or_makes_no_sense_is_not_told(saved_at: datetime | None):
    assert "as they were last saved" in Ending(exit_code=137, ended_at=NOON, saved_at=saved_at).sentence


def test_the_operator_reads_facts_and_last_lines():
    text = Ending(exit_code=3, error="oops", ended_at=NOON, log="one\ntwo").log_message
    assert text.startswith("reason=crashed, exit_code=3, out_of_memory=False, error='oops'")
    assert text.endswith("Last lines of the server:\none\ntwo")


@pytest.mark.parametrize(("size", "text"), [(4 * 2**30, "4 GB"), (3 * 2**29, "1.5 GB"), (512 * 2**20, "512 MB")])
def test_limits_read_as_people_set_them(size: int, text: str):
    assert readable_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(2.6, "3 s"), (720, "12 min"), (3 * 3600, "3 h")])
def test_durations_have_one_number(seconds: float, text: str):
    assert readable_duration(seconds) == text


# Kept


def test_the_latest_ending_is_kept_and_a_new_start_is_noted():
    endings = Endings()
    endings.record("ada", "", Ending(exit_code=1))
    endings.record("ada", "", Ending(exit_code=137))
    endings.started_again("ada", "")
    endings.started_again("bob", "")
    latest = endings.latest("ada", "")
    assert latest is not None
    assert (latest.exit_code, latest.started_again) == (137, True)
    assert endings.latest("bob", "") is None


def test_servers_of_one_user_are_told_apart():
    endings = Endings()
    for server in ("", "film"):
        endings.record("ada", server, Ending(error=server))
    endings.record("bob", "", Ending())
    assert {server: ending.error for server, ending in endings.of_user("ada").items()} == {"": "", "film": "film"}


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(1, 5))
def test_no_more_are_kept_than_allowed_and_the_newest_are(users: list[str], most: int):
    endings = Endings(most)
    for number, user in enumerate(users):
        endings.record(user, "", Ending(exit_code=number))
    newest = list(dict.fromkeys(reversed(users)))[:most]
    assert {user for user in "abcdefgh" if endings.latest(user, "")} == set(newest)


# From what Docker says


def test_a_container_that_is_gone_was_removed():
    assert ending_of(None, "", None).removed


@pytest.mark.parametrize("status", ["removing", "dead"])
def test_a_container_that_is_being_removed_was_removed(status: str):
    ending = ending_of({"State": {"ExitCode": 137, "Status": status}}, "", None)
    assert ending.reason == "removed"


def test_dockers_words_are_taken_over():
    container = {
        "State": {"ExitCode": 137, "OOMKilled": True, "Error": "", "FinishedAt": "2026-11-25T12:00:00.123456789Z"},
        "HostConfig": {"Memory": 2**30},
    }
    ending = ending_of(container, "last words", NOON)
    assert (ending.exit_code, ending.out_of_memory, ending.memory_limit) == (137, True, 2**30)
    assert ending.ended_at == NOON.replace(microsecond=123456)
    assert ending.log == "last words"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-25T12:00:00Z", NOON),
        ("2026-11-25T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("soon", None),
    ],
)
def test_times_of_the_engine(text: str, read: datetime | None):
    assert moment(text) == read


def test_the_environment_of_a_container():
    assert environment_of(["A=b=c", "JUPYTERHUB_API_TOKEN=t", "odd"]) == {
        "A": "b=c",
        "JUPYTERHUB_API_TOKEN": "t",
    }


def test_when_the_scene_was_saved():
    assert saved_at_of(b'{"saved_at": "2026-11-25T12:00:00.000+00:00"}') == NOON


@pytest.mark.parametrize("meta", [b"", b"[]", b"{}", b'{"saved_at": 5}', b'{"saved_at": "2026-11-25"}', b"\xff"])
def test_a_session_file_that_says_nothing_of_use_is_no_error(meta: bytes):
    assert saved_at_of(meta) is None


@given(st.binary(max_size=2000))
def test_what_is_no_archive_has_no_file(rubbish: bytes):
    assert isinstance(file_in(rubbish), bytes)
