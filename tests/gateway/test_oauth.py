"""The authorization server against a real hub: registration, consent, tokens, and everything that is refused."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests

from p2m_spawner.gateway.parts import KEY_FILE
from tests.support.hub import Hub, Person
from tests.support.oauth_client import OAuthClient, register
from tests.support.waiting import wait_for

from .conftest import Api


@pytest.fixture(scope="module")
def ada(light: Hub) -> Person:
    """Somebody who is logged in at the hub."""
    return light.person("ada").sign_up()


@pytest.fixture(scope="module")
def app(light: Hub) -> OAuthClient:
    """A public client."""
    return OAuthClient(light)


def metadata(hub: Hub, kind: str, path: str) -> dict[str, Any]:
    answer = requests.get(f"{hub.url}/.well-known/{kind}{path}", timeout=10)
    assert answer.status_code == 200, answer.text
    about: dict[str, Any] = answer.json()
    return about


def refused(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error in OAuth's form."""
    body = answer.json()
    assert set(body) == {"error", "error_description"}, body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, body["error"]


def opens_mcp(hub: Hub, token: str) -> bool:
    """Whether a token gets past the MCP address's door."""
    answer = requests.post(
        f"{hub.url}/services/p2m/mcp",
        data="{",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        timeout=30,
    )
    if answer.status_code == 401:
        assert "resource_metadata=" in answer.headers["WWW-Authenticate"]
        return False
    assert answer.status_code in (400, 422), answer.text
    return True


# Metadata


def test_metadata_is_where_clients_look_for_it(light: Hub) -> None:
    challenge = requests.post(f"{light.url}/services/p2m/mcp", json={}, timeout=10).headers["WWW-Authenticate"]
    url = f"{light.url}/.well-known/oauth-protected-resource/services/p2m/mcp"
    assert challenge == f'Bearer realm="p2m", resource_metadata="{url}"'
    resource = metadata(light, "oauth-protected-resource", "/services/p2m/mcp")
    assert resource["resource"] == f"{light.url}/services/p2m/mcp"
    assert resource["authorization_servers"] == [f"{light.url}/services/p2m"]
    server = metadata(light, "oauth-authorization-server", "/services/p2m")
    assert server["issuer"] == f"{light.url}/services/p2m"
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert "none" in server["token_endpoint_auth_methods_supported"]
    assert server["client_id_metadata_document_supported"] is True


def test_the_direct_address_advertises_no_oauth(light: Hub) -> None:
    for path in ("/user/ada/p2m/mcp", ""):
        answer = requests.get(f"{light.url}/.well-known/oauth-protected-resource{path}", timeout=10)
        assert answer.status_code == 404


# Registration


def test_a_confidential_client_gets_a_secret_that_is_kept_as_a_hash(light: Hub) -> None:
    app = OAuthClient(light, token_endpoint_auth_method=None)
    assert app.registered["token_endpoint_auth_method"] == "client_secret_basic"
    assert app.registered["client_secret_expires_at"] == 0
    assert app.registered["client_secret"].encode() not in (light.state_dir / "gateway.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"redirect_uris": "https://app.example/cb"}, "invalid_client_metadata"),
        ({}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        ({"redirect_uris": ["https://a.example/"], "grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://a.example/"], "response_types": ["token"]}, "invalid_client_metadata"),
        (
            {"redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt"},
            "invalid_client_metadata",
        ),
    ],
)
def test_a_registration_that_cannot_work_is_refused(light: Hub, body: Any, code: str) -> None:
    assert refused(register(light, body)) == (400, code)


# Consent


def test_a_person_is_asked_each_time_and_the_answer_names_its_issuer(light: Hub, ada: Person, app: OAuthClient) -> None:
    for _ in range(2):
        page = app.open(ada)
        assert page.status_code == 200
        assert page.headers["X-Frame-Options"] == "DENY"
        assert "form-action 'self' http://127.0.0.1:1" in page.headers["Content-Security-Policy"]
        answer = app.answer(ada)
        assert answer["state"] == "a state & more"
        assert answer["iss"] == f"{light.url}/services/p2m"


def test_a_hostile_name_is_shown_as_text(light: Hub, ada: Person) -> None:
    app = OAuthClient(light, client_name="<script>alert(1)</script>\u202eedualC\n")
    page = app.open(ada).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;edualC" in page


def test_nobody_is_let_in_without_the_pages_own_token(ada: Person, app: OAuthClient) -> None:
    page = app.open(ada)
    for xsrf in ("", "x", "é"):
        assert app.press(ada, page, _xsrf=xsrf).status_code == 403
    assert app.press(ada, page, decision="allow", mode="everything").headers["Location"].count("error=access_denied")


def test_who_presses_cancel_sends_a_refusal(ada: Person, app: OAuthClient) -> None:
    pressed = app.press(ada, app.open(ada), decision="deny")
    assert pressed.headers["Location"].startswith("http://127.0.0.1:1/callback?error=access_denied&state=")


def test_a_form_of_another_site_is_refused(light: Hub, ada: Person, app: OAuthClient) -> None:
    page = app.open(ada)
    for origin in ("https://evil.example", "null"):
        answer = ada.session.post(page.url, data={}, headers={"Origin": origin}, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (403, "foreign_origin")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "http://127.0.0.1:1/other"},
        {"redirect_uri": "http://127.0.0.1.evil.example:1/callback"},
        {"redirect_uri": "http://127.0.0.1:1@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:1/callback#x"},
        {"redirect_uri": "http://localhost:1/callback"},
        {"redirect_uri": "https://127.0.0.1:1/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "https://127.0.0.1/app.json"},
        {"client_id": "https://localhost/app.json"},
        {"client_id": "https://169.254.169.254/latest/meta-data"},
        {"client_id": "http://app.example/app.json"},
    ],
)
def test_a_request_of_nobody_we_know_leads_nowhere(ada: Person, app: OAuthClient, changes: dict[str, Any]) -> None:
    page = app.open(ada, **changes)
    assert page.status_code == 400
    assert "decision" not in page.text
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"state": "x" * 5000}, "invalid_request"),
    ],
)
def test_a_request_with_a_fault_goes_back_only_by_a_link(
    ada: Person, app: OAuthClient, changes: dict[str, Any], code: str
) -> None:
    page = app.open(ada, **changes)
    assert page.status_code == 400
    assert "decision" not in page.text
    assert f"http://127.0.0.1:1/callback?error={code}&amp;" in page.text


def test_a_parameter_that_comes_twice_is_refused(light: Hub, ada: Person, app: OAuthClient) -> None:
    query = [*app.query().items(), ("scope", "p2m:full"), ("scope", "p2m:full")]
    assert ada.session.get(f"{app.at}authorize", params=query, timeout=10).status_code == 400


def test_a_client_on_the_loopback_takes_any_port(ada: Person, app: OAuthClient) -> None:
    code = app.code(ada, redirect_uri="http://127.0.0.1:54321/callback")
    assert refused(app.token(code=code)) == (400, "invalid_grant")
    assert app.token(code=code, redirect_uri="http://127.0.0.1:54321/callback").status_code == 200


def test_a_program_with_a_scheme_of_its_own_comes_in(light: Hub, ada: Person) -> None:
    app = OAuthClient(light, "cursor://anysphere.cursor-mcp/oauth/callback")
    assert "form-action 'self' cursor:" in app.open(ada).headers["Content-Security-Policy"]
    assert app.tokens(ada)["scope"] == "p2m:full"


# Signing in, which the hub does


def test_a_sign_in_belongs_to_the_browser_that_began_it(light: Hub, app: OAuthClient) -> None:
    victim, attacker = light.person("eve").sign_up(), light.person("mal").sign_up()
    begun = attacker.session.get(f"{app.at}authorize", params=app.query(), timeout=10, allow_redirects=False)
    back = attacker.session.get(light.url + begun.headers["Location"], timeout=10, allow_redirects=False)
    callback = light.url + back.headers["Location"]
    answer = victim.session.get(callback, timeout=10, allow_redirects=False)
    assert answer.status_code == 400
    assert "p2m-session" not in victim.session.cookies
    assert attacker.session.get(callback, timeout=10, allow_redirects=False).status_code == 303
    assert attacker.session.get(callback, timeout=10, allow_redirects=False).status_code == 400, "works once"


@pytest.mark.parametrize("state", ["", "x", "a.b.c", "é", "x" * 20_000])
def test_a_callback_that_nobody_began_signs_nobody_in(light: Hub, state: str) -> None:
    params = {"state": state, "code": "x"}
    answer = requests.get(f"{light.url}/services/p2m/oauth_callback", params=params, timeout=10)
    assert answer.status_code in (400, 431)  # the proxy itself takes no endless URLs
    assert "Set-Cookie" not in answer.headers


def test_the_session_cookie_is_hidden_from_scripts_and_other_sites(light: Hub, app: OAuthClient) -> None:
    person = light.person("eve").sign_up()
    app.open(person)
    cookie = next(cookie for cookie in person.session.cookies if cookie.name == "p2m-session")
    assert cookie.path == "/services/p2m/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert str(cookie._rest["SameSite"]).lower() == "lax"  # type: ignore[attr-defined]
    assert cookie.expires is not None
    assert cookie.expires - time.time() <= 3600


def test_who_logs_out_at_the_hub_is_signed_out_here(light: Hub, app: OAuthClient) -> None:
    person = light.person("eve").sign_up()
    page = app.open(person)
    person.session.get(f"{light.url}/hub/logout", timeout=10)
    pressed = app.press(person, page)
    assert pressed.status_code == 303
    assert pressed.headers["Location"].startswith("/hub/api/oauth2/authorize?")


def test_a_script_whose_person_is_signed_out_is_told_so(light: Hub, app: OAuthClient) -> None:
    answer = requests.get(f"{app.at}authorize", headers={"Sec-Fetch-Mode": "cors"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "signed_out")


# Tokens


def test_a_code_becomes_tokens_of_the_mode_that_the_person_chose(light: Hub, ada: Person, app: OAuthClient) -> None:
    tokens = app.tokens(ada, "read-only")
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, "p2m:read-only")
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["sub"], claims["mode"], claims["client"]) == (
        "p2m-mcp",
        ada.name,
        "read-only",
        "Test app",
    )
    assert opens_mcp(light, tokens["access_token"])
    assert Api(light, tokens["access_token"]).get("user/session").status_code == 401, "another audience"


@pytest.mark.parametrize(
    ("claims", "headers", "secret"),
    [
        ({"exp": 1}, {}, None),
        ({"aud": "p2m-other"}, {}, None),
        ({"aud": "p2m-session"}, {}, None),
        ({"iss": "https://other.example"}, {}, None),
        ({"sub": "admin", "sid": "0" * 32}, {}, None),
        ({"sid": None}, {}, None),
        ({"mode": "root"}, {}, None),
        ({}, {"kid": "another"}, None),
        ({}, {}, b"a key that somebody has guessed, 32 bytes"),
        ({"sub": "admin"}, {"alg": "none"}, b""),
    ],
)
def test_a_forged_token_is_refused_with_a_challenge(
    light: Hub,
    ada: Person,
    app: OAuthClient,
    claims: dict[str, Any],
    headers: dict[str, str],
    secret: bytes | None,
) -> None:
    good = app.tokens(ada)["access_token"]
    key = json.loads((light.state_dir / KEY_FILE).read_text())["keys"][0]
    said = {**jwt.decode(good, options={"verify_signature": False}), **claims}
    said = {name: value for name, value in said.items() if value is not None}
    signing = (bytes.fromhex(key["secret"]) if secret is None else secret) or None
    forged = jwt.encode(said, signing, headers.get("alg", "HS256"), headers={"kid": key["kid"], **headers})
    assert not opens_mcp(light, forged)
    assert opens_mcp(light, good)


@pytest.mark.parametrize("change", [lambda token: token[:-4], lambda token: token + "x", lambda token: token[4:]])
def test_a_damaged_token_is_refused_with_a_challenge(
    light: Hub, ada: Person, app: OAuthClient, change: Callable[[str], str]
) -> None:
    assert not opens_mcp(light, change(app.tokens(ada)["access_token"]))


def test_large_bodies_are_refused(app: OAuthClient) -> None:
    for path in ("register", "token", "revoke"):
        answer = app.post(path, "x" * 100_000, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_a_client_that_asks_for_less_cannot_be_given_more(ada: Person, app: OAuthClient) -> None:
    page = app.open(ada, scope="p2m:no-code offline_access")
    assert 'value="full"' not in page.text
    assert "error=access_denied" in app.press(ada, page, mode="full").headers["Location"]
    assert "code=" in app.press(ada, page, mode="no-code").headers["Location"]


def test_a_code_that_comes_twice_ends_the_sign_in(light: Hub, ada: Person, app: OAuthClient) -> None:
    code = app.code(ada)
    tokens = app.token(code=code).json()
    assert opens_mcp(light, tokens["access_token"])
    assert refused(app.token(code=code)) == (400, "invalid_grant")
    assert not opens_mcp(light, tokens["access_token"])
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_refresh_token_that_comes_twice_ends_the_sign_in(light: Hub, ada: Person, app: OAuthClient) -> None:
    first = app.tokens(ada)
    second = app.refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["scope"] == "p2m:full"
    assert refused(app.refresh(first["refresh_token"])) == (400, "invalid_grant")
    for tokens in (first, second.json()):
        assert not opens_mcp(light, tokens["access_token"])
        assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"code_verifier": "another" * 8}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"code_verifier": ""}, 400, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:2/callback"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"code": "x.y.z"}, 400, "invalid_grant"),
        ({"code": "é" * 9000}, 400, "invalid_grant"),
        ({"code": None}, 400, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, 400, "invalid_target"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_id": "https://app.example/app.json"}, 400, "invalid_grant"),
        ({"client_secret": "guessed"}, 401, "invalid_client"),
    ],
)
def test_a_code_is_good_only_for_who_asked_for_it(
    ada: Person, app: OAuthClient, changes: dict[str, Any], status: int, code: str
) -> None:
    good = app.code(ada)
    assert refused(app.token(**{"code": good, **changes})) == (status, code)
    assert app.token(code=good).status_code == 200, "a stranger's try does not use it up"


def test_a_code_is_no_refresh_token_and_no_access_token(light: Hub, ada: Person, app: OAuthClient) -> None:
    code = app.code(ada)
    ticket = jwt.decode(code, options={"verify_signature": False})["ticket"]
    for text in (code, ticket):
        assert refused(app.refresh(text)) == (400, "invalid_grant")
        assert not opens_mcp(light, text)


def test_another_clients_refresh_token_is_refused_and_stays_good(light: Hub, ada: Person, app: OAuthClient) -> None:
    tokens, other = app.tokens(ada), OAuthClient(light)
    assert refused(other.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_a_confidential_client_proves_itself_in_header_or_body(light: Hub, ada: Person) -> None:
    app = OAuthClient(light, token_endpoint_auth_method="client_secret_post")
    secret = app.registered["client_secret"]
    assert refused(app.token(code=app.code(ada))) == (401, "invalid_client")
    assert refused(app.token(code=app.code(ada), client_secret="guessed")) == (401, "invalid_client")
    tokens = app.token(code=app.code(ada), client_secret=secret)
    assert tokens.status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens.json()["refresh_token"]}
    wrong = app.post("token", form, auth=(app.id, "guessed"))
    assert refused(wrong) == (401, "invalid_client")
    assert wrong.headers["WWW-Authenticate"].startswith("Basic ")
    assert app.post("token", form, auth=(app.id, secret)).status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic " + base64.b64encode(b"no colon").decode(), "Basic " + "/" * 40]
)
def test_a_broken_basic_header_is_refused(app: OAuthClient, header: str) -> None:
    answer = app.post("token", {"grant_type": "refresh_token"}, headers={"Authorization": header})
    assert refused(answer) == (400, "invalid_request")


def test_a_form_with_a_field_twice_or_no_form_is_refused(app: OAuthClient) -> None:
    assert refused(app.post("token", [("client_id", app.id), ("client_id", app.id)])) == (400, "invalid_request")
    assert app.post("token", json.dumps({}), headers={"Content-Type": "application/json"}).status_code == 401
    assert app.post("token", None, files={"client_id": ("x", b"x")}).status_code == 400


# The end


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both(light: Hub, ada: Person, app: OAuthClient, which: str) -> None:
    tokens = app.tokens(ada)
    assert app.post("revoke", {"token": tokens[which], "client_id": app.id}).status_code == 200
    assert not opens_mcp(light, tokens["access_token"])
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_revoking_what_is_not_ones_own_changes_nothing(light: Hub, ada: Person, app: OAuthClient) -> None:
    tokens, other = app.tokens(ada), OAuthClient(light)
    for token in (tokens["access_token"], tokens["refresh_token"], "x", "a.b.c", f"{'0' * 32}.{'x' * 43}"):
        assert other.post("revoke", {"token": token, "client_id": other.id}).status_code == 200
    assert refused(other.post("revoke", {"client_id": other.id})) == (400, "invalid_request")
    assert refused(other.post("revoke", {"token": "x"})) == (401, "invalid_client")
    assert opens_mcp(light, tokens["access_token"])


def test_deleting_a_user_ends_their_clients(light: Hub, app: OAuthClient) -> None:
    person = light.person("eve").sign_up()
    tokens = app.tokens(person)
    light.admin().api("DELETE", f"users/{person.name}").raise_for_status()
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    wait_for(lambda: not opens_mcp(light, tokens["access_token"]), 20, "end of the access token", interval=1)
