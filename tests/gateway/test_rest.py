"""The REST API against a real hub that starts no containers: accounts, tokens, refusals, throttles, a hub away."""

import os
import signal
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests

from tests.support.hub import Hub, Person
from tests.support.waiting import wait_for

from .conftest import Api


@pytest.fixture(scope="module")
def ada(light: Hub) -> Person:
    """Somebody who has an account."""
    person = light.person("ada")
    assert Api(light).sign_up(person).status_code == 201
    return person


@pytest.fixture(scope="module")
def spare(start_light_hub: Callable[..., Hub]) -> Hub:
    """A hub where sign-ups wait for approval, which may get into trouble."""
    return start_light_hub(P2M_SIGNUP="approval")


@pytest.fixture(scope="module")
def spare_admin(spare: Hub) -> tuple[Api, dict[str, Any]]:
    """Its administrator, logged in before anything is throttled, and their tokens."""
    api = Api(spare)
    return api, api.log_in(Person(spare, "admin", spare.admin_password))


def problem(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error, which has the one shape of all errors."""
    body = answer.json()
    assert set(body) == {"error", "message"}, body
    assert body["message"].endswith("."), body
    return answer.status_code, body["error"]


# Accounts


def test_sign_up_makes_an_account_that_the_login_page_takes(light: Hub) -> None:
    person = light.person("eve")
    answer = Api(light).sign_up(person)
    assert answer.status_code == 201
    assert answer.json() == {"user_id": person.name, "username": person.name, "status": "ready"}
    person.log_in()
    assert problem(Api(light).sign_up(person)) == (409, "taken")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"username": "../x", "password": "correct horse battery"}, "bad_name"),
        ({"username": "admin", "password": "correct horse battery"}, "bad_name"),
        ({"username": "x" * 900, "password": "correct horse battery"}, "bad_name"),
        ({"username": "\u0000", "password": "correct horse battery"}, "bad_name"),
        ({"username": "zoe", "password": "short"}, "weak_password"),
        ({"username": "zoe", "password": "password"}, "weak_password"),
        ({"username": "zoe"}, "invalid_request"),
        ({"username": "", "password": ""}, "invalid_request"),
        ({"username": 1, "password": ["x"]}, "invalid_request"),
        ([], "invalid_request"),
        (None, "invalid_request"),
    ],
)
def test_a_refused_sign_up_says_why(light: Hub, body: Any, code: str) -> None:
    assert problem(Api(light).post("auth/signup", body)) == (422, code)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"username": "\\ud800", "password": "x"}', b"[" * 20_000])
def test_a_body_that_is_no_json_is_refused(light: Hub, raw: bytes) -> None:
    answer = Api(light).call("POST", "auth/login", data=raw, headers={"Content-Type": "application/json"})
    assert problem(answer) == (422, "invalid_request")


def test_a_large_body_is_refused(light: Hub) -> None:
    answer = Api(light).post("auth/login", {"username": "ada", "password": "x" * 100_000})
    assert problem(answer) == (413, "too_large")


def test_a_sign_up_that_waits_for_approval_cannot_log_in(spare: Hub) -> None:
    person, api = spare.person("ada"), Api(spare)
    assert api.sign_up(person).json()["status"] == "awaiting approval"
    answer = api.post("auth/login", {"username": person.name, "password": person.password})
    assert problem(answer) == (403, "awaiting_approval")
    wrong = api.post("auth/login", {"username": person.name, "password": "wrong"})
    assert problem(wrong) == (401, "wrong_credentials")


def test_a_hub_that_keeps_no_passwords_says_so(start_light_hub: Callable[..., Hub]) -> None:
    hub = start_light_hub(P2M_AUTH="oauth", OAUTH2_TOKEN_URL="http://127.0.0.1:1/token", OAUTH_CLIENT_ID="x")
    for call in ("auth/signup", "auth/login"):
        answer = Api(hub).post(call, {"username": "ada", "password": "correct horse battery"})
        assert problem(answer) == (403, "no_passwords"), call


def test_the_hubs_own_calls_are_for_the_gateway_alone(light: Hub, ada: Person) -> None:
    ada.log_in()
    for token in (ada.token, light.admin().token, ""):
        for call in ("sign-in", "sign-up"):
            answer = requests.post(
                f"{light.url}/hub/api/p2m/accounts/{call}",
                json={"username": ada.name, "password": ada.password},
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=10,
            )
            assert answer.status_code == 403


# Tokens


def test_a_login_gives_tokens_and_addresses(light: Hub, ada: Person) -> None:
    tokens = Api(light).log_in(ada)
    assert tokens == {
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "token_type": "bearer",
        "expires_in": 3600,
        "user_id": ada.name,
        "username": ada.name,
        "ui_url": f"{light.url}/user/{ada.name}/blender/",
        "mcp_url": f"{light.url}/services/p2m/mcp",
        "server": "starting",
    }
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == ada.name
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=2)
    assert Api(light).post("auth/login", {"username": f" {ada.name.upper()} ", "password": ada.password}).ok


def test_a_wrong_password_and_an_unknown_name_look_the_same(light: Hub, ada: Person) -> None:
    answers = [
        Api(light).post("auth/login", {"username": name, "password": "wrong password"})
        for name in (ada.name, "nobody-here")
    ]
    assert [problem(answer) for answer in answers] == [(401, "wrong_credentials")] * 2
    assert answers[0].text == answers[1].text
    assert answers[0].headers["WWW-Authenticate"].startswith("Bearer")
    assert Api(light).log_in(ada)


def test_refresh_rotates_and_a_copy_ends_the_sign_in(light: Hub, ada: Person) -> None:
    api = Api(light)
    first = api.log_in(ada)
    second = api.post("auth/refresh", {"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert Api(light, second.json()["access_token"]).get("user/session").status_code == 200
    copied = api.post("auth/refresh", {"refresh_token": first["refresh_token"]})
    assert problem(copied) == (401, "invalid_token")
    assert Api(light, second.json()["access_token"]).get("user/session").status_code == 401
    assert api.post("auth/refresh", {"refresh_token": second.json()["refresh_token"]}).status_code == 401


def test_logout_ends_both_tokens_and_no_others(light: Hub, ada: Person) -> None:
    api, other = Api(light), Api(light)
    tokens = api.log_in(ada)
    other.log_in(ada)
    answer = api.post("auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get("user/session").status_code == 401
    assert api.post("auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert other.get("user/session").status_code == 200


def test_logout_ends_a_hub_token(light: Hub, ada: Person) -> None:
    ada.log_in()
    api = Api(light, ada.token)
    assert api.get("user/session").status_code == 200
    assert api.post("auth/logout").status_code == 204
    assert api.get("user/session").status_code == 401
    assert ada.api("GET", "user").status_code == 403


def limited_token(person: Person, *scopes: str) -> str:
    made = person.api("POST", f"users/{person.name}/tokens", json={"scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def test_a_limited_hub_token_does_no_more_than_its_scopes(light: Hub, ada: Person) -> None:
    ada.log_in()
    nothing = Api(light, limited_token(ada, f"read:users:name!user={ada.name}"))
    assert problem(nothing.get("user/session")) == (403, "insufficient_scope")
    assert problem(nothing.post("connect")) == (403, "insufficient_scope")
    opens = Api(light, limited_token(ada, f"access:servers!server={ada.name}/"))
    assert opens.get("user/session").status_code == 200
    assert problem(opens.post("auth/logout?stop_server=true")) == (403, "insufficient_scope")
    admin = light.admin()
    weak = Api(light, limited_token(admin, "access:servers!user=admin"))
    assert problem(weak.get("admin/sessions")) == (403, "forbidden")
    assert problem(weak.post("connect", params={"user_id": ada.name})) == (403, "forbidden")


def bad_tokens(good: str) -> dict[str, str]:
    """Authorization headers that nobody must be let in with."""
    header, payload, signature = good.split(".")
    return {
        "nothing": "",
        "no token": "Bearer",
        "a password": "Basic YWRhOng=",
        "truncated": f"Bearer {good[:-2]}",
        "no signature": f"Bearer {header}.{payload}.",
        "alg=none": f"Bearer eyJhbGciOiJub25lIn0.{payload}.",
        "foreign": "Bearer " + jwt.encode({"sub": "admin"}, "x" * 32, "HS256", headers={"kid": "x"}),
        "two tokens": f"Bearer {good} {good}",
        "a long one": f"Bearer {'x' * 6000}",
        "an unknown hub token": f"Bearer {uuid.uuid4().hex}",
        "another signature": f"Bearer {header}.{payload}.{signature[::-1]}",
    }


CALLS = [
    ("GET", "user/session"),
    ("POST", "connect"),
    ("POST", "auth/logout"),
    ("GET", "admin/sessions"),
    ("POST", "admin/cleanup-idle"),
    ("GET", "metrics"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_bad_tokens_are_refused_everywhere(light: Hub, ada: Person, method: str, path: str) -> None:
    api = Api(light)
    good = api.log_in(ada)["access_token"]
    api.token = ""
    for kind, header in bad_tokens(good).items():
        answer = api.call(method, path, headers={"Authorization": header})
        status, _ = problem(answer)
        assert status == 401, kind
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="p2m"'), kind
    assert api.call(method, f"{path}?token={good}&access_token={good}").status_code == 401, "never by the URL"
    api.session.cookies.set("access_token", good)
    assert api.call(method, path).status_code == 401, "never by a cookie"


def test_a_deleted_users_tokens_end_even_when_the_name_comes_back(light: Hub) -> None:
    person, admin, api = light.person("bob"), light.admin(), Api(light)
    assert api.sign_up(person).status_code == 201
    tokens = api.log_in(person)
    wait_for(lambda: not admin.api("GET", f"users/{person.name}").json()["servers"], 10, "end of the failed start")
    assert api.get("user/session").status_code == 200
    assert admin.api("DELETE", f"users/{person.name}").status_code == 204
    assert problem(api.get("user/session")) == (401, "invalid_token")
    assert admin.api("POST", f"users/{person.name}").status_code == 201
    assert api.get("user/session").status_code == 401
    assert api.post("auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401


def test_a_user_deleted_and_made_again_meanwhile_is_somebody_new(light: Hub) -> None:
    person, admin, api = light.person("bob"), light.admin(), Api(light)
    api.sign_up(person)
    tokens = api.log_in(person)
    # The start that logging in began may begin, and fail, a moment later; until then the hub deletes nobody.
    wait_for(lambda: admin.api("DELETE", f"users/{person.name}").status_code == 204, 10, "the deletion")
    assert admin.api("POST", f"users/{person.name}").status_code == 201
    assert api.post("auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert problem(api.get("user/session")) == (401, "invalid_token")


# Servers


def test_a_session_without_a_server_says_so(light: Hub, ada: Person) -> None:
    api = Api(light)
    api.log_in(ada)
    wait_for(lambda: api.get("user/session").json()["server"] == "stopped", 10, "end of the failed start")
    session = api.get("user/session").json()
    assert session["active"] is False
    assert (session["mcp_port"], session["blender_ui_port"], session["created_at"]) == (None, None, None)
    assert session["mcp"] == {"state": "down", "num_tools": 0}


def test_connect_says_why_a_start_fails(light: Hub, ada: Person) -> None:
    api = Api(light)
    api.log_in(ada)
    for _ in range(2):
        answer = api.post("connect")
        assert answer.status_code == 504
        assert answer.json() == {"connected": False, "reason": "There are no containers today."}


def test_connect_to_others_is_for_administrators(light: Hub, ada: Person) -> None:
    api = Api(light)
    api.log_in(ada)
    for name in ("admin", "nobody-here", "../admin"):
        assert problem(api.post("connect", params={"user_id": name})) == (403, "forbidden")
    admin = Api(light, light.admin().token)
    assert admin.post("connect", params={"user_id": ada.name}).status_code == 504
    for name in ("nobody-here", "../admin", "a/b?c#d"):
        assert problem(admin.post("connect", params={"user_id": name})) == (404, "no_such_user")


def test_administrators_calls_are_theirs_alone(light: Hub, ada: Person) -> None:
    api, admin = Api(light), Api(light)
    api.log_in(ada)
    assert problem(api.get("admin/sessions")) == (403, "forbidden")
    assert problem(api.post("admin/cleanup-idle")) == (403, "forbidden")
    admin.log_in(Person(light, "admin", light.admin_password))
    assert set(admin.get("admin/sessions").json()) == {"sessions", "total"}
    assert admin.post("admin/cleanup-idle").json() == {"stopped": [], "kept": {}}
    for odd in ("idle_minutes=0", "idle_minutes=-5", "idle_minutes=x", "idle_minutes=99999999999999999999"):
        assert problem(admin.post(f"admin/cleanup-idle?{odd}")) == (422, "invalid_request"), odd
    assert admin.get("metrics").status_code == 200, "an administrator may look at the metrics"


# The frame


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nowhere", 404), ("PUT", "auth/login", 405)])
def test_other_addresses_are_refused_in_the_same_shape(light: Hub, method: str, path: str, status: int) -> None:
    assert problem(Api(light).call(method, path))[0] == status


def test_foreign_hosts_and_origins_are_refused(light: Hub) -> None:
    api = Api(light)
    assert problem(api.get("openapi.json", headers={"Origin": "https://evil.example"})) == (403, "foreign_origin")
    assert problem(api.get("openapi.json", headers={"Host": "evil.example"})) == (403, "foreign_host")
    assert api.get("openapi.json", headers={"Origin": light.url}).status_code == 200


def test_the_page_of_the_api_needs_nothing_from_elsewhere(light: Hub) -> None:
    page = Api(light).get("api")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "POST /services/p2m/auth/login" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    style = requests.get(f"{light.url}/hub/p2m/static/api.css", timeout=10)
    assert style.ok


# A hub that is away


def test_a_hub_that_is_away_is_said_with_advice_and_everything_comes_back(
    spare: Hub, spare_admin: tuple[Api, dict[str, Any]]
) -> None:
    api, tokens = spare_admin
    assert spare.process
    os.kill(spare.process.pid, signal.SIGSTOP)  # neither answers nor refuses
    try:
        answer = api.get("user/session")
        assert problem(answer) == (503, "hub_away")
        assert int(answer.headers["Retry-After"]) > 0
        assert api.get("openapi.json").status_code == 200
        unused = api.post("auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert problem(unused) == (503, "hub_away")
    finally:
        os.kill(spare.process.pid, signal.SIGCONT)
    assert api.get("user/session").status_code == 200
    spare.process.terminate()
    spare.process.wait(30)
    spare.start()
    wait_for(lambda: api.get("user/session").status_code == 200, 30, "the gateway after a restart")
    assert api.post("auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 200


# Throttles, last: everybody here has the same address


def test_sign_ups_and_failed_logins_are_throttled_and_an_address_cannot_be_made_up(spare: Hub) -> None:
    api = Api(spare)

    def try_it(call: str, number: int, password: str) -> requests.Response:
        body = {"username": f"user{number}", "password": password}
        return api.post(f"auth/{call}", body, headers={"X-Forwarded-For": f"198.51.100.{number}"})

    codes = [try_it("signup", number, "correct horse battery").status_code for number in range(105)]
    assert codes == sorted(codes)
    assert 98 <= codes.count(201) <= 101
    late = try_it("signup", 200, "correct horse battery")
    assert problem(late) == (429, "throttled")
    assert int(late.headers["Retry-After"]) > 0

    tries = [try_it("login", number, "wrong") for number in range(36)]
    codes = [answer.status_code for answer in tries]
    assert codes == sorted(codes)
    assert 28 <= codes.count(401) <= 32
    assert int(tries[-1].headers["Retry-After"]) > 0


def test_right_logins_in_a_row_are_throttled_too(light: Hub) -> None:
    person, api = light.person("loop"), Api(light)
    api.sign_up(person)
    body = {"username": person.name, "password": person.password}
    codes = [api.post("auth/login", body).status_code for _ in range(40)]
    assert set(codes[:30]) == {200}
    assert 429 in codes
