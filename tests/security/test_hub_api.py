"""What the hub lets a user's container do with the one token that it is given, and what the user's own token opens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.hub import Hub, Person

from . import inside


@pytest.fixture(scope="module")
def given(ada: Person) -> dict[str, str]:
    """What is in the environment of Ada's container."""
    return dict(line.split("=", 1) for line in ada.container().attrs["Config"]["Env"])


@pytest.fixture(scope="module")
def by_container(hub: Hub, given: dict[str, str]) -> Iterator[requests.Session]:
    """A session with the container's token."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {given['JUPYTERHUB_API_TOKEN']}"
        yield session


def call(session: requests.Session, hub: Hub, method: str, path: str, body: Any = None) -> requests.Response:
    return session.request(method, f"{hub.url}/hub/api/{path}", json=body, timeout=30)


def test_the_containers_token_reports_activity_and_opens_its_own_server(hub: Hub, ada: Person, by_container):
    me = call(by_container, hub, "GET", "user").json()
    assert me["name"] == ada.name
    assert set(me["scopes"]) == {
        f"access:servers!server={ada.name}/",
        f"users:activity!user={ada.name}",
        *(f"read:users:{what}!user={ada.name}" for what in ("activity", "groups", "name")),
    }
    seen = {"name", "kind", "admin", "groups", "last_activity", "user_info"}
    assert set(call(by_container, hub, "GET", f"users/{ada.name}").json()) == seen
    activity = {"last_activity": "2020-01-01T00:00:00Z"}
    assert call(by_container, hub, "POST", f"users/{ada.name}/activity", activity).ok
    assert by_container.get(ada.server_url("p2m/status"), timeout=30).ok


REFUSED = [
    ("GET", "users", None),
    ("POST", "users", {"usernames": ["mallory"]}),
    ("PATCH", "users/{ada}", {"admin": True}),
    ("GET", "users/{ada}/tokens", None),
    ("POST", "users/{ada}/tokens", {}),
    ("POST", "users/{ada}/tokens", {"scopes": ["inherit"]}),
    ("POST", "users/{ada}/tokens", {"roles": ["admin"]}),
    ("POST", "users/{ada}/server", {"image": "debian:trixie-slim"}),
    ("DELETE", "users/{ada}/server", None),
    ("POST", "users/{ada}/shares", {}),
    ("GET", "users/{ben}", None),
    ("DELETE", "users/{ben}", None),
    ("POST", "users/{ben}/activity", {"last_activity": "2020-01-01T00:00:00Z"}),
    ("POST", "users/{ben}/server", None),
    ("DELETE", "users/{ben}/server", None),
    ("GET", "users/{ben}/server/progress", None),
    ("GET", "users/{ben}/tokens", None),
    ("POST", "users/{ben}/tokens", {}),
    ("GET", "groups", None),
    ("POST", "groups/teachers", None),
    ("GET", "services", None),
    ("GET", "proxy", None),
    ("POST", "proxy", None),
    ("GET", "info", None),
    ("POST", "shutdown", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=[f"{method} {path}" for method, path, _ in REFUSED])
def test_the_containers_token_does_nothing_else(hub: Hub, two: list[Person], by_container, method, path, body):
    ada, ben = two
    answer = call(by_container, hub, method, path.format(ada=ada.name, ben=ben.name), body)
    assert answer.status_code in {403, 404}, answer.text


AT_BENS = [(method, path, body) for method, path, body in REFUSED if "{ada}" not in path]


@pytest.mark.parametrize(("method", "path", "body"), AT_BENS, ids=[f"{method} {path}" for method, path, _ in AT_BENS])
def test_a_users_own_token_does_nothing_to_others_or_to_the_hub(hub: Hub, two: list[Person], method, path, body):
    ada, ben = two
    answer = ada.api(method, path.format(ada=ada.name, ben=ben.name), json=body)
    assert answer.status_code in {403, 404}, answer.text


def test_a_user_makes_no_token_with_rights_that_the_user_has_not(ada: Person):
    for more in ({"scopes": ["admin:users"]}, {"roles": ["admin"]}, {"scopes": ["access:servers"]}):
        assert ada.api("POST", f"users/{ada.name}/tokens", json=more).status_code in {400, 403}


def test_a_user_chooses_no_image(ada: Person, hub: Hub):
    """Ada's server runs, so a stranger asks: options by REST are as hostile as those of the form."""
    stranger = hub.person("eve").sign_up().log_in()
    answer = stranger.api("POST", f"users/{stranger.name}/server", json={"image": "debian:trixie-slim"})
    assert answer.status_code == 400, answer.text
    assert "not allowed" in answer.text


WITHOUT_TOKEN = """
import json, os, urllib.error, urllib.request
answers = {}
for path in ("users", "user", "proxy", "users/admin"):
    try:
        answers[path] = urllib.request.urlopen(os.environ["JUPYTERHUB_API_URL"] + "/" + path).status
    except urllib.error.HTTPError as error:
        answers[path] = error.code
print(json.dumps(answers))
"""


def test_from_inside_the_hub_answers_nobody_without_a_token(ada: Person):
    answers = json.loads(inside.run(ada, "python3", "-c", WITHOUT_TOKEN))
    assert set(answers.values()) == {403}, answers


# One user's server and another user's browser


def authorize(by: Person, server_of: Person, given: dict[str, str], **changed: str) -> requests.Response:
    """Ask the hub as a browser that a hostile server has sent there to sign in at it."""
    parameters = {
        "client_id": given["JUPYTERHUB_CLIENT_ID"],
        "redirect_uri": f"/user/{server_of.name}/oauth_callback",
        "response_type": "code",
        "state": "x",
        **changed,
    }
    url = f"{by.hub.url}/hub/api/oauth2/authorize"
    return by.session.get(url, params=parameters, timeout=30, allow_redirects=False)


def test_a_server_gets_no_sign_in_of_somebody_who_may_not_open_it(ada: Person, ben: Person, given: dict[str, str]):
    assert authorize(ada, ada, given).status_code == 302  # the question itself is right
    assert authorize(ben, ada, given).status_code == 403


@pytest.mark.parametrize("elsewhere", ["/user/mallory/oauth_callback", "http://evil.example/oauth_callback", "//evil"])
def test_a_sign_in_goes_to_the_server_that_asked_and_nowhere_else(ada: Person, given: dict[str, str], elsewhere: str):
    answer = authorize(ada, ada, given, redirect_uri=elsewhere)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_an_administrator_is_asked_before_a_users_server_learns_who_it_is(hub: Hub, ada: Person, given: dict[str, str]):
    answer = authorize(hub.admin(), ada, given)
    assert answer.status_code == 200
    assert "Authorize" in answer.text
    # What the server would get opens this server and tells the name, no more.
    assert json.loads(given["JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES"]) == []


def test_a_browser_signed_in_as_one_user_does_not_open_the_others_pages(ada: Person, ben: Person):
    for path in ("lab", "blender/", "api/contents"):
        answer = ada.session.get(ben.server_url(path), timeout=30)
        assert answer.status_code == 403, path


HUB_PAGES = ("hub/home", "hub/login", "hub/signup", "hub/token", "hub/spawn", "hub/nowhere")


@pytest.mark.parametrize("page", HUB_PAGES)
def test_no_page_of_the_hub_may_be_framed(hub: Hub, ben: Person, page: str):
    answer = ben.session.get(f"{hub.url}/{page}", timeout=30, allow_redirects=False)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_the_pages_of_a_server_may_be_framed_by_themselves_at_most(ben: Person):
    for page in ("lab", "blender/"):
        policy = ben.session.get(ben.server_url(page), timeout=30).headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy or "frame-ancestors 'self'" in policy, page


@pytest.mark.parametrize(("method", "path"), [("GET", "api/user"), ("POST", "api/users/{}/tokens")])
def test_a_script_without_the_hubs_xsrf_token_gets_nothing_from_its_api(hub: Hub, ben: Person, method: str, path: str):
    """`fetch()` by a page of the same origin: the cookies go along, and are not enough."""
    answer = ben.session.request(
        method,
        f"{hub.url}/hub/{path.format(ben.name)}",
        headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
        timeout=30,
    )
    assert answer.status_code == 403


def test_cookies_of_sign_in_are_out_of_reach_of_scripts(hub: Hub):
    person = hub.person("dan").sign_up().log_in()
    cookies = {cookie.name: cookie for cookie in person.session.cookies}
    login = cookies["jupyterhub-hub-login"]
    assert login.has_nonstandard_attr("HttpOnly")
    assert login.path == "/hub/"
    assert cookies["jupyterhub-session-id"].has_nonstandard_attr("HttpOnly")
