"""User names: one spelling per person, and nothing that a URL, a volume or a file path could trip over."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2m_spawner.accounts import names
from p2m_spawner.accounts.errors import BadName


@pytest.mark.parametrize("name", ["a", "ada", "ada-lovelace", "a.b_c-d", "7of9", "x" * 32])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert names.validate(name) == name


@pytest.mark.parametrize("twin", ["ADA", "Ada", " ada ", "ada\n", "ａｄａ", "ＡＤＡ", "ᵃᵈᵃ"])
def test_twins_are_one_name(twin: str) -> None:
    assert names.validate(twin) == "ada"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ("", "Choose"),
        ("   ", "Choose"),
        ("x" * 33, "at most 32"),
        ("x" * 1_000_000, "at most 32"),
        ("\ufdfa" * 40, "at most 32"),
        ("../x", "made of"),
        ("a/b", "made of"),
        (".", "made of"),
        ("..", "made of"),
        ("-rf", "made of"),
        ("ada.", "made of"),
        ("a%2fb", "made of"),
        ("a b", "made of"),
        ("ada\x00", "made of"),
        ("🦊", "made of"),
        ("аda", "made of"),
        ("admin", "reserved"),
        ("ADMIN", "reserved"),
        ("ａｄｍｉｎ", "reserved"),
    ],
)
def test_bad_names_are_refused_with_a_sentence(raw: str, sentence: str) -> None:
    with pytest.raises(BadName, match=sentence):
        names.validate(raw)


def test_more_names_can_be_reserved() -> None:
    with pytest.raises(BadName, match="reserved"):
        names.validate("Teacher", {"teacher"})


def test_reserved_names_have_an_acceptable_form_so_that_administrators_can_add_them() -> None:
    assert all(names.is_valid(name) for name in names.RESERVED)


@given(st.text(max_size=50))
@example("İ")
@example("ß" * 20)
@example("ﬁ")
def test_whatever_is_accepted_is_safe_everywhere_and_stable(raw: str) -> None:
    try:
        name = names.validate(raw)
    except BadName as problem:
        assert str(problem)
        return
    assert quote(name, safe="") == name
    assert name.isascii()
    assert 1 <= len(name) <= names.MAX_LENGTH
    assert name not in (".", "..")
    assert names.validate(name) == name
    assert names.validate(raw.upper()) == name or not raw.isascii()


@given(st.from_regex(names.PATTERN, fullmatch=True))
def test_every_name_of_the_documented_form_is_valid_in_any_case(name: str) -> None:
    assert names.is_valid(name)
    assert names.normalise(name.upper()) == name
