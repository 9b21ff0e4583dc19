"""Access tokens and their keys: what is accepted, and a table of what is not."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_spawner.gateway import tokens
from p2m_spawner.gateway.keys import KEEP_FOR, ROTATE_AFTER, KeyFileError, KeyRing
from p2m_spawner.gateway.tokens import LIFETIME, Audience, BadToken, Mode
from tests.support.clock import Clock

NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def ring(tmp_path: Path, clock: Clock) -> KeyRing:
    return KeyRing(tmp_path / "keys.json", clock)


def sign(ring: KeyRing, **changed: Any) -> str:
    said: dict[str, Any] = {
        "user": "ada",
        "grant": "g1",
        "mode": Mode.FULL,
        "client": "REST API",
        "audience": Audience.REST,
        "now": NOW,
    }
    return tokens.sign(ring, **{**said, **changed})


def verify(ring: KeyRing, token: str, now: float = NOW) -> tokens.Claims:
    return tokens.verify(ring, token, [Audience.REST], now)


def forged(ring: KeyRing, key: bytes | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token made by hand from a good one; a claim of None is left out."""
    good = jwt.decode(sign(ring), options={"verify_signature": False})
    said = {name: value for name, value in {**good, **claims}.items() if value is not None}
    ours = ring.signing_key()
    return jwt.encode(said, ours.octets if key is None else key, "HS256", headers={"kid": ours.kid, **(headers or {})})


def test_a_token_says_what_was_signed(ring: KeyRing) -> None:
    claims = verify(ring, sign(ring, mode=Mode.READ_ONLY))
    assert (claims.user, claims.grant, claims.mode) == ("ada", "g1", Mode.READ_ONLY)
    assert claims.expires - claims.issued == pytest.approx(LIFETIME, abs=1)


def unsigned(ring: KeyRing) -> str:
    header, payload, _ = sign(ring).split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT", "kid": kid}).encode()).rstrip(b"=")
    return f"{none.decode()}.{payload}."


BAD = {
    "alg=none": unsigned,
    "alg=none with the old signature": lambda ring: unsigned(ring) + sign(ring).rsplit(".", 1)[1],
    "another hub's key": lambda ring: forged(ring, key=b"x" * 32),
    "an unknown kid": lambda ring: forged(ring, headers={"kid": "nobody"}),
    "a kid that is a path": lambda ring: forged(ring, headers={"kid": "../../etc/passwd"}),
    "no kid": lambda ring: forged(ring, headers={"kid": ""}),
    "another issuer": lambda ring: forged(ring, iss="someone"),
    "the MCP audience": lambda ring: sign(ring, audience=Audience.MCP),
    "an unknown audience": lambda ring: forged(ring, aud="everything"),
    "two audiences": lambda ring: forged(ring, aud=["p2m-rest", "p2m-mcp"]),
    "no audience": lambda ring: forged(ring, aud=None),
    "no expiry": lambda ring: forged(ring, exp=None),
    "no grant": lambda ring: forged(ring, sid=None),
    "an unknown mode": lambda ring: forged(ring, mode="god"),
    "an expiry that is a word": lambda ring: forged(ring, exp="never"),
    "the end cut off": lambda ring: sign(ring)[:-1],
    "the start cut off": lambda ring: sign(ring)[1:],
    "no signature": lambda ring: sign(ring).rsplit(".", 1)[0] + ".",
    "another payload": lambda ring: ".".join([sign(ring).split(".")[0], sign(ring, user="bob").split(".")[1], "x"]),
    "far too long": lambda ring: sign(ring, client="x" * 5000),
    "nothing": lambda ring: "..",
    "a header that is no JSON": lambda ring: f"{base64.urlsafe_b64encode(b'[1]').decode()}.e30.x",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_refused_with_a_sentence(ring: KeyRing, kind: str) -> None:
    with pytest.raises(BadToken) as refusal:
        verify(ring, BAD[kind](ring))
    assert str(refusal.value).endswith(".")


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    class NoKeys:
        def signing_key(self) -> Any:
            raise AssertionError

        def find(self, kid: str) -> None:
            return None

    with pytest.raises(BadToken):
        tokens.verify(NoKeys(), text, [Audience.REST], NOW)


def test_a_token_ends_after_an_hour(ring: KeyRing) -> None:
    token = sign(ring)
    assert verify(ring, token, NOW + LIFETIME - 1).user == "ada"
    with pytest.raises(BadToken, match="expired"):
        verify(ring, token, NOW + LIFETIME)


# Keys


def test_the_key_file_is_made_for_its_owner_alone_and_kept(tmp_path: Path, ring: KeyRing, clock: Clock) -> None:
    token = sign(ring)
    path = tmp_path / "keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(KeyRing(path, clock), token).user == "ada", "another process, or the next start"
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_after_a_rotation_old_tokens_are_good_until_they_expire(tmp_path: Path, ring: KeyRing, clock: Clock) -> None:
    old = sign(ring)
    KeyRing(tmp_path / "keys.json", clock).rotate()  # by another process
    new = sign(ring)
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    clock.now += LIFETIME - 1
    assert verify(ring, old, clock.now).user == verify(ring, new, clock.now).user == "ada"
    clock.now = NOW + KEEP_FOR + 1
    assert ring.find(jwt.get_unverified_header(old)["kid"]) is None
    assert ring.find(jwt.get_unverified_header(new)["kid"]) is not None
    ring.rotate()
    assert len(json.loads((tmp_path / "keys.json").read_text())["keys"]) == 2, "the oldest is forgotten"


def test_a_key_is_replaced_by_itself(ring: KeyRing, clock: Clock) -> None:
    first = ring.signing_key()
    clock.now += ROTATE_AFTER + 1
    assert ring.signing_key().kid != first.kid
    assert ring.find(first.kid) == first


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"keys": [{"kid": 1}]}', '{"keys": 3}'])
def test_a_damaged_key_file_is_named(tmp_path: Path, ring: KeyRing, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(KeyFileError, match=r"keys\.json"):
        ring.signing_key()
