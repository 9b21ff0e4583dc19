"""Passwords: which are accepted, and that hashes tell right from wrong in the same time for everybody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2m_spawner.accounts import passwords
from p2m_spawner.accounts.errors import WeakPassword

CHEAP = passwords.Cost(memory=8, passes=1, lanes=1)


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "x7-qm2.k", "пароль-корова", "🦊🐎🔋📎🌲🚲🎻🧭", "  spaces count  ", "x7-q" * 256],
)
def test_good_passwords_are_accepted(password: str) -> None:
    passwords.check(password, "ada", 8)


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Choose"),
        ("x7-qm2.", "at least 8"),
        ("aaaaaaaaaaaa", "easy to guess"),
        ("12345678", "easy to guess"),
        ("87654321", "easy to guess"),
        ("abcdefgh", "easy to guess"),
        ("password", "easy to guess"),
        ("PassWord!!", "easy to guess"),
        ("qwertyuiop", "easy to guess"),
        ("letmein2024", "easy to guess"),
        ("adalovelace", "close to your user name"),
        ("AdaLovelace42", "close to your user name"),
        ("x7" * 513, "too long"),
        ("ä" * 513, "too long"),
        ("x" * 1_000_000, "too long"),
    ],
)
def test_weak_passwords_are_refused_with_a_sentence(password: str, sentence: str) -> None:
    with pytest.raises(WeakPassword, match=sentence):
        passwords.check(password, "adalovelace", 8)


def test_the_least_length_can_be_raised() -> None:
    with pytest.raises(WeakPassword, match="at least 15"):
        passwords.check("x7-qm2.k", "ada", 15)


@given(st.text(max_size=2000), st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True))
def test_accepted_passwords_keep_the_limits(password: str, name: str) -> None:
    try:
        passwords.check(password, name, 8)
    except WeakPassword as problem:
        assert str(problem)
        return
    assert len(passwords.normalise(password).casefold()) >= 8
    assert len(password.encode("utf-8", "replace")) <= passwords.MAX_BYTES


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_hash_matches_its_password_and_no_other(password: str, other: str) -> None:
    hasher = passwords.Hasher(CHEAP)
    stored = hasher.hash(password)
    assert stored.startswith("$argon2id$")
    assert hasher.verify(stored, password)
    same = passwords.normalise(password).encode("utf-8", "replace") == passwords.normalise(other).encode(
        "utf-8", "replace"
    )
    assert hasher.verify(stored, other) is same


def test_the_same_password_from_another_keyboard_matches() -> None:
    hasher = passwords.Hasher(CHEAP)
    assert hasher.verify(hasher.hash("cafe\u0301 am See"), "caf\u00e9 am See")


def test_without_a_stored_hash_the_same_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = passwords.Hasher(CHEAP)
    checked: list[str] = []
    matches = hasher._matches
    monkeypatch.setattr(
        hasher, "_matches", lambda stored, password: checked.append(stored) or matches(stored, password)
    )
    assert not hasher.verify(None, "anything")
    assert not hasher.verify(None, "anything")
    assert len(checked) == 2
    assert not hasher.is_outdated(checked[0]), "the decoy costs what a real hash costs"


def test_a_damaged_hash_matches_nothing() -> None:
    assert not passwords.Hasher(CHEAP).verify("not a hash", "password")


def test_hashes_of_another_cost_are_outdated() -> None:
    hasher = passwords.Hasher(CHEAP)
    stored = hasher.hash("x")
    assert not hasher.is_outdated(stored)
    assert passwords.Hasher(passwords.Cost(memory=16, passes=1, lanes=1)).is_outdated(stored)


def test_temporary_passwords_are_strong_and_differ() -> None:
    made = {passwords.temporary() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        passwords.check(password, "ada", 15)
