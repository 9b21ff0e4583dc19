"""Profiles: an operator's list is checked with a sentence for each mistake; a user's options choose, or are refused."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.errors import OptionsRefused, ProfileForbidden
from p2m_spawner.profiles import (
    LONGEST_OPTION,
    MCP_MODES,
    Profile,
    ProfileError,
    Profiles,
    checked_options,
    narrowest,
)
from p2m_spawner.profiles_file import ProfilesFile, read_profiles

LOG = logging.getLogger("profiles")
ROOT = Path(__file__).resolve().parents[2]
CLASS = Profiles.from_list(
    [
        {"name": "gpu", "gpus": 1, "groups": ["artists", "teachers"]},
        {"name": "standard", "memory": "4G", "default": True},
        {"name": "headless", "blender_mode": "headless"},
    ]
)

# An operator's list


def test_a_profile_says_what_the_operator_wrote_in_the_units_of_the_hub():
    (profile,) = Profiles.from_list(
        [
            {
                "name": "gpu",
                "title": "With a GPU",
                "memory": "1.5G",
                "cpus": 2,
                "gpus": ["GPU-1f2e"],
                "mcp_mode": "no-code",
                "assets": [{"source": "class-assets", "path": "/home/blender/assets"}],
            }
        ]
    ).profiles
    assert (profile.label, profile.memory, profile.cpus, profile.gpus) == ("With a GPU", 1610612736, 2.0, ("GPU-1f2e",))
    assert profile.blender_mode is None, "as the spawner's trait says"
    assert (profile.assets[0].source, profile.assets[0].path) == ("class-assets", "/home/blender/assets")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"memory": "16 apples"},
            "profile 'x': memory is '16 apples'; it must be a number with K, M, G or T, for example 8G",
        ),
        ({"memory": "4M"}, "memory is '4M'; it must be a number with K, M, G or T, for example 8G, and at least 256M."),
        ({"memory": -1}, "memory is -1"),
        ({"cpus": "two"}, "cpus is 'two'; it must be a number of cores from 0.1 to 1024, for example 2."),
        ({"cpus": True}, "cpus is True"),
        ({"cpus": float("nan")}, "cpus is nan"),
        ({"gpus": "some"}, "gpus is 'some'; it must be a number from 0 to 64, all, or a list"),
        ({"gpus": []}, "gpus is []"),
        ({"gpus": True}, "gpus is True"),
        ({"image": "p2m/blender; rm -rf /"}, "image is 'p2m/blender; rm -rf /'; it must be the name of an image"),
        ({"blender_mode": "window"}, "blender_mode is 'window'; it must be desktop or headless."),
        ({"mcp_mode": "all"}, "mcp_mode is 'all'; it must be full, no-code or read-only."),
        ({"default": "yes"}, "default is 'yes'; it must be true or false."),
        ({"groups": "artists"}, "groups is 'artists'; it must be a list of names of groups"),
        ({"name": "../x"}, "name is '../x'; it must be at most 63 lower-case letters, digits and -"),
        ({"name": "x\n"}, "name is 'x\\n'"),
        ({"memroy": "8G"}, "profile 'x': there is no key 'memroy'; did you mean memory?"),
        ({"colour": "red"}, "there is no key 'colour'; there are: name, title"),
        ({7: "red"}, "there is no key '7'"),
        ({"assets": "/srv"}, "assets is '/srv'; it must be a list"),
        ({"assets": ["/srv"]}, "assets is ['/srv']; it must be a list"),
        ({"assets": [{"source": "a-volume"}]}, "the path of asset 1 is missing; it must be a folder below"),
        (
            {"assets": [{"source": "a-volume", "path": "/etc/ssl"}]},
            "path of asset 1 is '/etc/ssl'; it must be a folder below /home/blender or /assets",
        ),
        ({"assets": [{"source": "a-volume", "path": "/home/blender"}]}, "path of asset 1 is '/home/blender'"),
        ({"assets": [{"source": "a-volume", "path": "/assets/../etc"}]}, "path of asset 1 is '/assets/../etc'"),
        ({"assets": [{"source": "a-volume", "path": "/assets/x\0"}]}, "path of asset 1"),
        ({"assets": [{"source": "a-volume", "path": "/assets/{username}"}]}, "path of asset 1"),
        ({"assets": [{"source": "../x", "path": "/assets/x"}]}, "source of asset 1 is '../x'; it must be the name"),
        (
            {"assets": [{"source": "a-volume", "path": "/assets/x", "mode": "rw"}]},
            "there is no key 'mode' of asset 1; there are: source, path.",
        ),
        ({"assets": [{"source": "one", "path": "/assets/x"}] * 2}, "two of its assets have the same path"),
    ],
)
def test_each_mistake_is_a_sentence_with_profile_and_key(wrong, sentence):
    with pytest.raises(ProfileError) as caught:
        Profiles.from_list([{"name": "x", **wrong}])
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ("gpu", "profiles is 'gpu'; it must be a list of profiles."),
        (["gpu"], "profile 1 is 'gpu'; it must have a name"),
        ([{"title": "GPU"}], "profile 1: the name is missing"),
        ([{"name": "x"}, {"name": "x"}], "there are two profiles 'x'"),
        (
            [{"name": "x", "default": True}, {"name": "y", "default": True}],
            "'x', 'y' are all default; only one may be.",
        ),
    ],
)
def test_a_list_that_is_none_is_a_sentence(items, sentence):
    with pytest.raises(ProfileError) as caught:
        Profiles.from_list(items)
    assert sentence in str(caught.value)


def test_a_long_wrong_value_is_repeated_in_part():
    with pytest.raises(ProfileError) as caught:
        Profiles.from_list([{"name": "x", "image": "y" * 1_000_000}])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("profiles:\n- name: a\n  memory: 4G\n  name: b\n", "p.yaml, line 4 is no YAML: found duplicate key"),
        ("profiles: [", "p.yaml, line 1 is no YAML"),
        ("profiles: !!python/object:os.system x", "p.yaml, line 1 is no YAML"),
        ("profiles:\n- name: a\n  title: 2026-13-45\n", "p.yaml is no YAML: month must be in 1..12."),
        ("\0", "p.yaml is no YAML"),
        ("%YAML 1.9\n---\na", "p.yaml is no YAML: version minor part"),
        ("profiles: !!bool x", "p.yaml is no YAML: 'x'."),
        ("- name: a", "p.yaml: it must begin with `profiles:`"),
        ("", "p.yaml: it must begin with `profiles:`"),
        ("profiles:", "p.yaml is None; it must be a list of profiles."),
        ("profiles:\n- name: a\n  memory: 16 apples\n", "p.yaml: profile 'a': memory is '16 apples'"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence_with_its_name(text, sentence):
    with pytest.raises(ProfileError) as caught:
        Profiles.from_yaml(text, "p.yaml")
    assert sentence in str(caught.value)


def test_the_example_for_operators_is_a_list_that_can_be_used():
    profiles = read_profiles(ROOT / "deploy/profiles.example.yaml").profiles
    assert len(profiles) >= 3
    said = {key for profile in profiles for key in profile.model_fields_set}
    assert said == set(Profile.model_fields), "the example shows each key"


def test_the_manual_explains_each_key_and_its_file_can_be_used():
    manual = (ROOT / "docs/howto/profiles.md").read_text()
    for key in Profile.model_fields:
        assert f"| `{key}` |" in manual
    text = manual.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert Profiles.from_yaml(text, "docs/howto/profiles.md").profiles


def test_a_file_is_read_again_after_an_edit_and_stays_as_it_was_after_a_bad_one(tmp_path, caplog):
    path = tmp_path / "profiles.yaml"
    file = ProfilesFile(path)

    def names(text):
        path.write_text(text)
        return [profile.name for profile in file.current(LOG).profiles]

    with pytest.raises(ProfileError, match="cannot be read: No such file"):
        file.current(LOG)
    assert names("profiles: [{name: a}]") == ["a"]
    assert names("profiles: [{name: a}, {name: b}]") == ["a", "b"]
    assert names("profiles: [{name: }]") == ["a", "b"]
    assert caplog.text.count("stay as they were before the last edit") == 1
    file.current(LOG)
    assert caplog.text.count("stay as they were before the last edit") == 1, "once an edit"
    path.unlink()
    assert len(file.current(LOG).profiles) == 2
    assert names("profiles: [{name: c}]") == ["c"]


def test_facts_say_what_a_server_has_also_what_the_profile_leaves_to_the_hub():
    (profile,) = Profiles.from_list(
        [
            {
                "name": "x",
                "cpus": 1,
                "gpus": "all",
                "blender_mode": "headless",
                "mcp_mode": "read-only",
                "assets": [{"source": "a-volume", "path": "/assets/x"}],
            }
        ]
    ).profiles
    assert profile.completed(memory=4 * 1024**3, cpus=2.0, blender_mode="desktop", mcp_mode="full").facts() == [
        "4 GB memory",
        "1 CPU",
        "all GPUs",
        "no desktop",
        "agents only look",
        "shared files in /assets/x",
    ]
    (bare,) = Profiles.from_list([{"name": "x", "gpus": ["a", "b"]}]).profiles
    assert bare.facts() == ["2 GPUs"]
    assert bare.completed(mcp_mode="no-code").facts() == ["2 GPUs", "agents run no code"]


# Who may use what


def test_without_a_name_the_default_is_used_or_else_the_first_that_is_open():
    assert CLASS.choose(None, [], False).name == "standard"
    first = Profiles.from_list([{"name": "gpu", "groups": ["artists"]}, {"name": "b"}, {"name": "c"}])
    assert first.choose(None, [], False).name == "b"
    assert first.choose(None, ["artists"], False).name == "gpu"
    assert Profiles().choose(None, [], False) is None


def test_a_profile_with_groups_is_for_these_and_for_administrators():
    assert CLASS.choose("gpu", ["teachers"], False).name == "gpu"
    assert CLASS.choose("gpu", [], True).name == "gpu"
    with pytest.raises(ProfileForbidden, match="The profile 'gpu' is for the groups artists, teachers"):
        CLASS.choose("gpu", ["students"], False)
    assert [profile.name for profile in CLASS.open_to(["students"], False)] == ["standard", "headless"]


def test_who_may_use_no_profile_gets_none():
    only = Profiles.from_list([{"name": "gpu", "groups": ["artists"]}])
    with pytest.raises(ProfileForbidden, match="No profile of this hub is open to you"):
        only.choose(None, [], False)


def test_an_unknown_profile_is_refused_with_those_there_are_for_this_user():
    with pytest.raises(OptionsRefused, match=r"There is no profile 'giant'. Yours are: standard, headless\."):
        CLASS.choose("giant", [], False)


# Hostile options

KNOWN = frozenset({"profile", "image"})
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json)
def test_whatever_comes_in_is_refused_with_a_short_sentence_or_is_plain_texts(options):
    try:
        checked = checked_options(options, KNOWN)
    except OptionsRefused as refused:
        assert 0 < len(str(refused)) < 400
        assert str(refused).isprintable()
    else:
        assert checked == options
        assert set(checked) <= KNOWN
        assert all(isinstance(value, str) and 0 < len(value) <= LONGEST_OPTION for value in checked.values())


@given(st.text(min_size=1), st.lists(st.text()), st.booleans())
def test_a_name_chooses_a_profile_that_is_open_or_nothing(name, groups, admin):
    try:
        profile = CLASS.choose(name, groups, admin)
    except OptionsRefused as refused:
        assert len(str(refused)) < 400
    else:
        assert profile.name == name
        assert profile.is_open_to(groups, admin)


@given(json)
def test_a_list_of_profiles_is_refused_with_a_sentence_or_can_be_used(items):
    try:
        Profiles.from_list(items)
    except ProfileError as error:
        assert len(str(error)) < 600


@given(st.text())
def test_a_file_is_refused_with_a_sentence_or_can_be_used(text):
    try:
        Profiles.from_yaml(text, "p.yaml")
    except ProfileError as error:
        assert str(error).startswith("p.yaml")


@given(st.fixed_dictionaries({"name": st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)}, optional={
    "memory": st.integers(1, 900).map(lambda number: f"{number}G"),
    "gpus": st.integers(0, 64) | st.just("all") | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3),
    "mcp_mode": st.sampled_from(MCP_MODES),
    "groups": st.lists(st.text(min_size=1, max_size=9), max_size=3),
}))  # fmt: skip
def test_what_a_hub_saves_of_a_profile_is_that_profile_again(item):
    (profile,) = Profiles.from_list([item]).profiles
    assert Profile.model_validate(profile.model_dump(mode="json")) == profile


# MCP modes


@given(st.lists(st.sampled_from([*MCP_MODES, "nonsense"]), min_size=1))
def test_no_mode_widens_another_and_a_word_that_is_none_is_the_narrowest(modes):
    order = [*MCP_MODES, "nonsense"]
    assert order.index(narrowest(*modes)) == max(order.index(mode) for mode in modes)
