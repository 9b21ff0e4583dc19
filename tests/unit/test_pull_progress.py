"""How far a pull is: true to the bytes, never backwards, and not put out by what an engine may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.pull_progress import DOWNLOAD_SHARE, PullProgress


def layer(name, status, current=None, total=None):
    detail = {} if current is None else {"current": current, "total": total}
    return {"id": name, "status": status, "progressDetail": detail}


def after(*messages):
    progress = PullProgress()
    for message in messages:
        progress.add(message)
    return progress


def test_before_the_first_bytes_it_is_a_pull_without_figures():
    progress = after({"status": "Pulling from p2m/blender", "id": "latest"}, layer("a", "Pulling fs layer"))
    assert progress.sentence == "Pulling the Blender image …"
    assert progress.fraction == 0


def test_bytes_are_said_in_megabytes_and_percent():
    progress = after(
        layer("a", "Downloading", 300_000_000, 1_700_000_000), layer("b", "Downloading", 40_000_000, 130_000_000)
    )
    assert progress.sentence == "Pulling the Blender image: 340 of 1,830 MB (19 %) …"
    assert progress.fraction == pytest.approx(DOWNLOAD_SHARE * 340 / 1830)


def test_layers_that_wait_count_as_much_as_the_mean_of_the_others():
    progress = after(layer("b", "Waiting"), layer("a", "Downloading", 50_000_000, 100_000_000))
    assert progress.sentence == "Pulling the Blender image: 50 of at least 100 MB (25 %) …"


def test_layers_that_are_at_hand_do_not_count():
    progress = after(layer("b", "Already exists"), layer("a", "Downloading", 50_000_000, 100_000_000))
    assert "50 of 100 MB (50 %)" in progress.sentence


def test_what_is_fetched_is_unpacked():
    progress = after(
        layer("a", "Downloading", 99, 100), layer("a", "Download complete"), layer("a", "Extracting", 25, 100)
    )
    assert progress.sentence == "Unpacking the Blender image (25 %) …"
    assert progress.fraction == pytest.approx(DOWNLOAD_SHARE + (1 - DOWNLOAD_SHARE) / 4)


def test_all_layers_complete_is_all():
    assert after(layer("a", "Downloading", 10, 100), layer("a", "Pull complete")).fraction == pytest.approx(1)


def test_an_engine_that_unpacks_without_saying_how_much_is_borne():
    seconds = {"id": "a", "status": "Extracting", "progressDetail": {"current": 3, "units": "s"}}
    assert after(layer("a", "Downloading", 100, 100), seconds).sentence == "Unpacking the Blender image (0 %) …"


messages = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "c", "latest"]),
        "status": st.sampled_from(
            ["Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting",
             "Pull complete", "Already exists", "Retrying in 5 seconds", "Digest: sha256:0", "a word of the future"]
        ),
        "progressDetail": st.none() | st.fixed_dictionaries(
            {}, optional={"current": st.integers(0, 10**13), "total": st.integers(-1, 10**13)}
        ),
    },
)  # fmt: skip


@given(st.lists(messages))
def test_whatever_the_engine_says_the_share_stays_between_none_and_all_and_never_shrinks(said):
    progress, before = PullProgress(), 0.0
    for message in said:
        progress.add(message)
        assert before <= progress.fraction <= 1
        assert progress.sentence.endswith("…")
        before = progress.fraction


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=6), st.randoms())
def test_a_pull_as_engines_do_it_ends_at_all(sizes, random):
    def life(name, size):
        statuses = ("Pulling fs layer", "Waiting", "Downloading", "Download complete", "Extracting", "Pull complete")
        moving = {"Downloading": size // 2, "Extracting": size}
        return [layer(name, status, moving.get(status), size) for status in statuses]

    layers = [life(str(number), size) for number, size in enumerate(sizes)]
    progress = PullProgress()
    while any(layers):
        progress.add(random.choice([messages for messages in layers if messages]).pop(0))
    assert progress.fraction == pytest.approx(1.0 if any(sizes) else 0.0)
