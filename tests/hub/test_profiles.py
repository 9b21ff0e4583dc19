"""Profiles in a real hub: who gets which, by page and by REST, and what becomes of hostile options.

The engine is JupyterHub's own test spawner, which starts a process on this machine: what is tested here is the same on
every engine.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from jupyterhub import orm
from jupyterhub.tests.mocking import MockHub, MockSpawner
from jupyterhub.tests.utils import add_user, api_request, async_requests, auth_header, get_page, public_url
from traitlets import Unicode

from p2m_spawner.profile_options import ProfileOptionsMixin
from tests.support.waiting import wait_for_async

PROFILES = [
    {"name": "standard", "title": "Standard", "description": "For <everybody> & more", "memory": "4G", "cpus": 2},
    {"name": "light", "memory": "1G", "blender_mode": "headless", "mcp_mode": "no-code", "default": True},
    {"name": "gpu", "gpus": 1, "image": "p2m/with-cuda:12", "groups": ["artists"]},
]


class ProcessSpawner(ProfileOptionsMixin, MockSpawner):
    """Notes what it was asked to start."""

    image = Unicode("p2m/blender-singleuser:latest")
    engine_options = frozenset({"image"})
    started: ClassVar[list[dict[str, Any]]] = []

    async def start(self) -> Any:
        address = await super().start()
        environment = self.get_env()
        self.started.append(
            {
                "profile": self.profile and self.profile.name,
                "memory": self.mem_limit,
                "cpus": self.cpu_limit,
                "image": self.image,
                "gpus": self.gpus,
                "modes": (environment["P2M_BLENDER_MODE"], environment["P2M_MCP_MODE"]),
                "options": self.user_options,
            }
        )
        return address


ProfilesHub = Callable[..., Awaitable[MockHub]]


@pytest.fixture
def profiles_hub(hub_app: Any, tmp_path: Path) -> ProfilesHub:
    """A function that starts a hub with our options on another engine; keyword arguments are the spawner's traits."""
    ProcessSpawner.started.clear()

    async def start(**traits: Any) -> MockHub:
        config = {
            "JupyterHub": {"spawner_class": ProcessSpawner, "cookie_secret_file": str(tmp_path / "cookie_secret")},
            "ConfigurableHTTPProxy": {"pid_file": str(tmp_path / "proxy.pid")},
            "ProcessSpawner": traits,
        }
        hub = await hub_app(config)
        for name, groups in {"ada": [], "vincent": ["artists"]}.items():
            user = add_user(hub.db, hub, name=name)
            for group in groups:
                made = orm.Group(name=group)
                hub.db.add(made)
                user.groups.append(made)
        hub.db.commit()
        return hub

    return start


async def start(hub: MockHub, name: str, options: Any = None) -> requests.Response:
    """Ask for somebody's server by REST, with a token of their own."""
    body = {} if options is None else {"data": json.dumps(options)}
    return await api_request(
        hub, "users", name, "server", method="post", headers=auth_header(hub.db, name), timeout=60, **body
    )


async def stop(hub: MockHub, name: str) -> None:
    answer = await api_request(hub, "users", name, "server", method="delete", headers=auth_header(hub.db, name))
    assert answer.status_code in (204, 202), answer.text

    async def is_gone() -> bool:  # a slow stop goes on after its answer, 202
        return not (await api_request(hub, "users", name, headers=auth_header(hub.db, name))).json()["servers"]

    await wait_for_async(is_gone, 60, "the end of the server")


async def test_a_start_gets_what_its_profile_says_and_the_next_one_remembers(profiles_hub: ProfilesHub):
    agents = {"ada": "full", "vincent": "read-only"}
    hub = await profiles_hub(
        profiles=PROFILES,
        mem_limit="3G",
        cpu_limit=1,
        environment={"P2M_MCP_MODE": lambda spawner: agents.get(spawner.user.name, ""), "P2M_BLENDER_MODE": "x"},
    )
    assert (await start(hub, "ada")).status_code == 201
    assert ProcessSpawner.started[-1] == {
        "profile": "light",
        "memory": 1024**3,
        "cpus": 1,
        "image": "p2m/blender-singleuser:latest",
        "gpus": 0,
        "modes": ("headless", "no-code"),  # not widened by the environment
        "options": {},
    }
    await stop(hub, "ada")
    assert (await start(hub, "ada", {"profile": "standard"})).status_code == 201
    assert ProcessSpawner.started[-1]["profile"] == "standard"
    assert ProcessSpawner.started[-1]["modes"] == ("desktop", "full")
    await stop(hub, "ada")
    assert (await start(hub, "ada")).status_code == 201
    assert ProcessSpawner.started[-1]["profile"] == "standard", "remembered"

    assert (await start(hub, "vincent", {"profile": "gpu"})).status_code == 201
    made = ProcessSpawner.started[-1]
    assert made["modes"] == ("desktop", "read-only"), "the environment narrows"
    assert (made["gpus"], made["image"], made["memory"]) == (1, "p2m/with-cuda:12", 3 * 1024**3)
    state = orm.User.find(hub.db, "vincent").orm_spawners[""].state
    add_user(hub.db, hub, name="boss", admin=True)
    assert (await start(hub, "boss", {"profile": "gpu"})).status_code == 201, "administrators use every profile"

    restored = ProcessSpawner()
    restored.load_state(state)
    assert restored.profile and restored.profile.name == "gpu"
    assert restored.image == "p2m/with-cuda:12", "what runs is known to a hub that comes back"


HOSTILE: list[tuple[Any, int, str]] = [
    ({"profile": "gpu"}, 403, "The profile 'gpu' is for the group artists."),
    ({"profile": "giant"}, 400, "There is no profile 'giant'. Yours are: standard, light."),
    ({"profile": "../../etc/passwd"}, 400, "There is no profile '../../etc/passwd'."),
    ({"profile": "standard\0"}, 400, "must be a text of 1 to 255 characters."),
    ({"profile": "standard\n"}, 400, "must be a text of 1 to 255 characters."),
    ({"profile": ""}, 400, "must be a text of 1 to 255 characters."),
    ({"profile": "x" * 1_000_000}, 400, "must be a text of 1 to 255 characters."),
    ({"profile": ["standard"]}, 400, "The option profile is ['standard']; it must be a text"),
    ({"profile": {"name": "standard", "memory": "64G"}}, 400, "must be a text"),
    ({"profile": {"$ne": None}}, 400, "must be a text"),
    ({"profile": None}, 400, "must be a text"),
    ({"profile": True}, 400, "must be a text"),
    ({"profile": 0}, 400, "must be a text"),
    ({"memory": "64G"}, 400, "There is no option 'memory'. Options are: image, profile."),
    ({"profile": "standard", "mem_limit": "64G"}, 400, "There is no option 'mem_limit'."),
    ({"profile": "standard", "environment": {"P2M_MCP_MODE": "full"}}, 400, "There is no option 'environment'."),
    ({"profile": "standard", "volumes": {"/": "/host"}}, 400, "There is no option 'volumes'."),
    ({"x" * 1_000_000: "y"}, 400, "There is no option 'xxx"),
    ({"__class__": "x", "\0": 1}, 400, "There is no option '__class__'."),
    ({"image": ["a", "b"]}, 400, "must be a text"),
    ({"image": {"a": "b"}}, 400, "must be a text"),
    ({"user_options": {"profile": "gpu"}}, 403, "The profile 'gpu' is for the group artists."),
    ({"user_options": ["gpu"]}, 400, "user_options"),
    (["standard"], 400, "object"),
    ("standard", 400, "object"),
    (7, 400, "object"),
]


async def test_hostile_options_are_refused_with_a_sentence_start_nothing_and_are_forgotten(profiles_hub: ProfilesHub):
    hub = await profiles_hub(profiles=PROFILES)
    for options, status, sentence in HOSTILE:
        answer = await start(hub, "ada", options)
        assert answer.status_code == status, (str(options)[:80], answer.text[:500])
        said = answer.json()["message"]
        assert sentence in said
        assert len(said) < 300
        assert ProcessSpawner.started == []
        model = (await api_request(hub, "users/ada", headers=auth_header(hub.db, "ada"))).json()
        assert not model["servers"], "nothing is started"
    assert hub.tornado_settings.get("failure_count", 0) == 0, "a refusal is no failure of the hub"
    assert (await start(hub, "ada")).status_code == 201, "what was refused is not tried again"
    assert ProcessSpawner.started[-1]["profile"] == "light"

    await stop(hub, "ada")
    put_away = {"data": json.dumps({"user_options": {"profile": "gpu"}}), "headers": auth_header(hub.db, "ada")}
    assert (await api_request(hub, "users/ada/servers/", method="patch", **put_away)).status_code == 200
    answer = await start(hub, "ada")
    assert answer.status_code == 403, "options put away for later are checked when they are used"
    assert "is for the group artists" in answer.json()["message"]


async def test_the_page_shows_what_somebody_may_choose_and_a_choice_is_remembered(profiles_hub: ProfilesHub):
    hub = await profiles_hub(profiles=PROFILES)
    cookies = await hub.login_user("ada")
    page = await get_page("spawn", hub, cookies=cookies)
    assert page.status_code == 200
    assert 'value="standard"' in page.text
    assert 'value="gpu"' not in page.text
    assert "For &lt;everybody&gt; &amp; more" in page.text
    assert checked(page.text) == "light"

    async def submit(fields: Any) -> requests.Response:
        return await async_requests.post(
            public_url(hub) + "hub/spawn",
            params={"_xsrf": cookies["_xsrf"]},
            data=fields,
            cookies=cookies,
            allow_redirects=False,
        )

    for fields, sentence in (
        ({"profile": "gpu"}, "The profile &#39;gpu&#39; is for the group artists."),
        ({"profile": ["standard", "light"]}, "must be a text"),
        ({"profile": "<script>alert(1)</script>"}, "There is no profile &#39;&lt;script&gt;"),
        ({"profile": "standard", "mem_limit": "64G"}, "There is no option &#39;mem_limit&#39;"),
    ):
        refused = await submit(fields)
        assert refused.status_code in (400, 403), refused.text
        assert sentence in refused.text
        assert "<script>alert" not in refused.text
        assert "SpawnException" not in refused.text
        assert checked(refused.text) == "light", "the page is there again"
    assert ProcessSpawner.started == []

    assert (await submit({"profile": "standard"})).status_code == 302
    await wait_for_async(lambda: hub.users["ada"].spawner.ready, 60, "the server of ada")
    assert ProcessSpawner.started[-1]["options"] == {"profile": "standard"}
    await stop(hub, "ada")
    assert checked((await get_page("spawn", hub, cookies=cookies)).text) == "standard"


def checked(page: str) -> str:
    """Which profile is chosen on a page."""
    chosen = [part for part in page.split("<input")[1:] if "checked" in part.split(">", 1)[0]]
    assert len(chosen) == 1, page
    return chosen[0].split('value="', 1)[1].split('"', 1)[0]


@pytest.mark.parametrize("profiles", [[], PROFILES[:1]], ids=["none", "one"])
async def test_without_a_choice_there_is_no_page(profiles_hub: ProfilesHub, profiles: list[dict[str, Any]]):
    hub = await profiles_hub(profiles=profiles)
    assert not hub.users["ada"].spawner.options_form
    cookies = await hub.login_user("ada")
    page = await get_page("spawn", hub, cookies=cookies, allow_redirects=False)
    assert page.status_code == 302
    assert [made["profile"] for made in ProcessSpawner.started] == [profile["name"] for profile in profiles] or [None]


async def test_profiles_of_a_function_and_of_a_file_come_together(profiles_hub: ProfilesHub, tmp_path: Path):
    file = tmp_path / "profiles.yaml"
    file.write_text("profiles:\n- name: from-file\n  memory: 2G\n")

    async def profiles(spawner: Any) -> list[dict[str, Any]]:
        return [{"name": f"for-{spawner.user.name}"}]

    hub = await profiles_hub(profiles=profiles, profiles_file=str(file))
    page = await get_page("spawn", hub, cookies=await hub.login_user("ada"))
    assert 'value="for-ada"' in page.text
    assert 'value="from-file"' in page.text
    assert (await start(hub, "ada", {"profile": "from-file"})).status_code == 201
    assert ProcessSpawner.started[-1]["memory"] == 2 * 1024**3


async def test_a_list_that_cannot_be_used_is_told_to_user_and_operator_apart(
    profiles_hub: ProfilesHub, caplog: pytest.LogCaptureFixture
):
    hub = await profiles_hub(profiles=[{"name": "gpu", "memory": "16 apples"}])
    answer = await start(hub, "ada")
    assert answer.status_code == 503
    assert answer.json()["message"] == "The profiles of this hub cannot be used right now. Tell the administrator."
    assert "profile 'gpu': memory is '16 apples'; it must be a number" in caplog.text
    assert ProcessSpawner.started == []


async def test_an_operators_own_hook_has_its_options_and_the_profile_is_used_all_the_same(profiles_hub: ProfilesHub):
    seen: list[Any] = []
    hub = await profiles_hub(profiles=PROFILES, apply_user_options=lambda spawner, options: seen.append(dict(options)))
    assert (await start(hub, "ada", {"colour": "red", "profile": "standard"})).status_code == 201
    assert seen == [{"colour": "red", "profile": "standard"}]
    assert ProcessSpawner.started[-1]["profile"] == "standard"
    assert ProcessSpawner.started[-1]["options"] == {"colour": "red", "profile": "standard"}
    assert (await start(hub, "vincent", {"colour": "red"})).status_code == 201
    assert ProcessSpawner.started[-1]["profile"] == "light"
    await stop(hub, "ada")
    assert (await start(hub, "ada", {"profile": "gpu"})).status_code == 403
