"""How servers ended, by the hub's API: for their users and for administrators."""

import pytest
from jupyterhub.tests.mocking import MockHub

from p2m_spawner.endings import ENDINGS, Ending

from .conftest import Browser


@pytest.fixture
async def ada(hub: MockHub) -> Browser:
    """Somebody whose default server was out of memory."""
    browser = Browser(hub)
    await browser.sign_up("ada", "correct horse ada")
    ENDINGS.record("ada", "", Ending(exit_code=137, out_of_memory=True, memory_limit=2**30, log="last words"))
    return browser


async def test_people_read_how_their_own_servers_ended(ada: Browser):
    answer = await ada.api("GET", "p2m/endings/ada/")
    assert answer.status_code == 200
    ending = answer.json()
    assert (ending["reason"], ending["exit_code"], ending["log"]) == ("out_of_memory", 137, "last words")
    assert "its limit of 1 GB" in ending["message"]
    assert (await ada.api("GET", "p2m/endings/ada")).json() == {"": ending}


async def test_a_server_that_has_not_ended_is_not_found(ada: Browser):
    assert (await ada.api("GET", "p2m/endings/ada/film")).status_code == 404


@pytest.mark.parametrize("path", ["p2m/endings/ada/", "p2m/endings/ada"])
async def test_others_do_not_and_administrators_do(ada: Browser, hub: MockHub, path: str):
    bob, boss = Browser(hub), Browser(hub)
    await bob.sign_up("bob", "correct horse bob")
    await boss.log_in("boss", "correct horse boss")
    assert (await bob.api("GET", path)).status_code in (403, 404)
    assert (await Browser(hub).request("GET", f"api/{path}")).status_code == 403
    assert (await boss.api("GET", path)).status_code == 200
