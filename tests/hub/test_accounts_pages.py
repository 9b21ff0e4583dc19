"""Accounts on the real hub: what people and administrators do on the pages, and what strangers try."""

import re
import statistics
import time
from html import unescape
from typing import Any

import pytest
import requests
from jupyterhub import orm
from jupyterhub.tests.mocking import MockHub

from .conftest import AccountsHub, Browser

GOOD = "correct horse battery"


def text_of(answer: requests.Response) -> str:
    """The page as a reader sees it, roughly."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


async def administrator(hub: MockHub) -> Browser:
    browser = Browser(hub)
    assert (await browser.log_in("boss", "correct horse boss")).status_code == 302
    return browser


async def person(hub: MockHub, name: str = "ada", password: str = GOOD) -> Browser:
    browser = Browser(hub)
    assert (await browser.sign_up(name, password)).status_code == 302
    return browser


def rows(hub: MockHub) -> dict[str, str]:
    """The accounts and their state, read from the database itself."""
    from p2m_spawner.accounts.model import AccountStore

    store = AccountStore(hub.authenticator.db_url)
    try:
        return {account.name: account.state for account in store.page(limit=1000)[0]}
    finally:
        store.close()


# sign-up, login, logout


async def test_sign_up_signs_in_and_the_password_works_after_logout(hub: MockHub) -> None:
    browser = Browser(hub)
    assert "Sign up" in text_of(await browser.get("login"))
    answer = await browser.sign_up("ada", GOOD)
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/hub/spawn")
    assert await browser.is_logged_in()
    await browser.get("logout")
    assert not await browser.is_logged_in()
    assert (await browser.log_in("ada", GOOD)).status_code == 302
    assert await browser.is_logged_in()


async def test_any_spelling_of_the_name_signs_in(hub: MockHub) -> None:
    await person(hub)
    for spelling in ("ADA", "  Ada ", "ａｄａ"):
        browser = Browser(hub)
        assert (await browser.log_in(spelling, GOOD)).status_code == 302
        assert await browser.is_logged_in()


@pytest.mark.parametrize("twin", ["ada", "ADA", "Ada", "ａｄａ", " ada "])
async def test_sign_up_of_a_twin_says_that_the_name_is_taken(hub: MockHub, twin: str) -> None:
    await person(hub)
    answer = await Browser(hub).sign_up(twin, GOOD)
    assert answer.status_code == 409
    assert "taken" in text_of(answer)


BAD_SIGN_UPS = {
    "path": ("../x", GOOD, "User names are made of"),
    "percent path": ("..%2fx", GOOD, "User names are made of"),
    "300 characters": ("a" * 300, GOOD, "at most 32 characters"),
    "emoji": ("🦊🦊", GOOD, "User names are made of"),
    "markup": ("<b>x</b>", GOOD, "User names are made of"),
    "space inside": ("a b", GOOD, "User names are made of"),
    "nul": ("a\x00b", GOOD, "User names are made of"),
    "dot at the end": ("ada.", GOOD, "User names are made of"),
    "homoglyph": ("аda", GOOD, "User names are made of"),
    "empty": ("", GOOD, "Choose a user name"),
    "reserved": ("Root", GOOD, "reserved"),
    "the administrator": ("boss", GOOD, "reserved"),
    "no password": ("ada", "", "Choose a password"),
    "short": ("ada", "x7-q", "at least 8 characters"),
    "common": ("ada", "Password1!", "too easy to guess"),
    "own name": ("adalovelace", "adalovelace1", "too close to your user name"),
    "1 MB password": ("ada", "x7" * 500_000, "too long"),
    "1025 bytes": ("ada", "äb" * 342, "too long"),
}


async def test_bad_sign_ups_get_a_sentence_and_make_no_account(hub: MockHub) -> None:
    before = rows(hub)
    for case, (name, password, sentence) in BAD_SIGN_UPS.items():
        answer = await Browser(hub).sign_up(name, password)
        assert answer.status_code == 422, case
        assert sentence in text_of(answer), case
        if len(password) > 3:
            assert password[:200] not in answer.text, f"{case}: the page repeats the password"
        assert 'id="signup_form"' in answer.text, case
    assert rows(hub) == before


async def test_markup_in_a_name_is_shown_as_text(hub: MockHub) -> None:
    answer = await Browser(hub).sign_up('"><script>x</script>', GOOD)
    assert "<script>x" not in answer.text


async def test_a_refused_sign_up_keeps_the_name_and_says_that_passwords_differ(hub: MockHub) -> None:
    answer = await Browser(hub).sign_up("grace", GOOD, again="something else")
    assert answer.status_code == 422
    assert "not the same" in text_of(answer)
    assert 'value="grace"' in answer.text
    assert "grace" not in rows(hub)


async def test_bytes_that_are_not_utf8_are_refused_with_a_sentence(hub: MockHub) -> None:
    answer = await Browser(hub).submit("signup", username=b"\xff\xfe", password=GOOD)
    assert answer.status_code == 422
    answer = await Browser(hub).submit("login", username=b"\xff\xfe", password=b"\xff")
    assert answer.status_code == 403


async def test_wrong_logins_get_one_sentence_whether_or_not_the_user_exists(hub: MockHub) -> None:
    await person(hub)
    answers = [
        await Browser(hub).log_in(name, password)
        for name, password in [
            ("ada", "wrong"), ("nobody-here", "wrong"), ("../x", GOOD), ("ada", ""), ("ada", "x7" * 500_000),
        ]
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {403}
    assert all("Invalid username or password." in text_of(answer) for answer in answers)


async def test_login_without_fields_is_an_ordinary_wrong_login(hub: MockHub) -> None:
    assert (await Browser(hub).submit("login")).status_code == 403


async def test_next_is_followed_after_sign_up_but_never_off_this_hub(hub: MockHub) -> None:
    answer = await Browser(hub).submit("signup", username="ada", password=GOOD, next=f"{hub.hub.base_url}token")
    assert answer.headers["Location"] == f"{hub.hub.base_url}token"
    answer = await Browser(hub).submit("signup", username="eve", password=GOOD, next="https://example.org/")
    assert answer.headers["Location"].endswith("/hub/spawn")


# XSRF, methods


@pytest.mark.parametrize("page", ["signup", "login", "change-password", "accounts"])
async def test_a_post_without_xsrf_token_is_refused_and_changes_nothing(hub: MockHub, page: str) -> None:
    browser = await administrator(hub) if page in ("change-password", "accounts") else Browser(hub)
    before = rows(hub)
    fields = {
        "username": "ada",
        "password": GOOD,
        "old_password": "correct horse boss",
        "name": "boss",
        "action": "reset",
    }
    answer = await browser.request("POST", page, data=fields)
    assert answer.status_code == 403
    answer = await browser.request("POST", page, data={**fields, "_xsrf": "forged"})
    assert answer.status_code == 403
    assert rows(hub) == before
    assert (await Browser(hub).log_in("boss", "correct horse boss")).status_code == 302


async def test_get_never_changes_anything(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(signup="approval")
    await Browser(hub).sign_up("ada", GOOD)
    admin = await administrator(hub)
    before = rows(hub)
    for query in (
        "signup?username=eve&password=correct+horse+battery&password_confirmation=correct+horse+battery",
        "accounts?action=approve&name=ada",
        "accounts?action=reject&name=ada",
        "accounts?action=reset&name=ada",
        "change-password?old_password=correct+horse+boss&password=other+horse+boss",
    ):
        await admin.get(query)
    await Browser(hub).get("signup?username=eve&password=correct+horse+battery")
    assert rows(hub) == before
    assert (await Browser(hub).log_in("boss", "correct horse boss")).status_code == 302


# approval, closed


async def test_approval_waits_for_an_administrator(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(signup="approval")
    ada = Browser(hub)
    answer = await ada.sign_up("ada", GOOD)
    assert answer.status_code == 201
    assert "awaiting approval" in text_of(answer)
    assert not await ada.is_logged_in()

    assert "awaiting approval" not in text_of(await ada.log_in("ada", "wrong password"))
    answer = await ada.log_in("ada", GOOD)
    assert answer.status_code == 403
    assert "awaiting approval" in text_of(answer)

    admin = await administrator(hub)
    assert "awaiting approval" in text_of(await admin.get("accounts"))
    answer = await admin.submit("accounts", action="approve", name="ada")
    assert answer.status_code == 200
    assert "ada can sign in now" in text_of(answer)
    assert orm.User.find(hub.db, "ada") is not None
    assert (await ada.log_in("ada", GOOD)).status_code == 302


async def test_a_rejected_name_is_free_again(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(signup="approval")
    await Browser(hub).sign_up("ada", GOOD)
    admin = await administrator(hub)
    assert "rejected" in text_of(await admin.submit("accounts", action="reject", name="ada"))
    assert "ada" not in rows(hub)
    assert (await admin.submit("accounts", action="reject", name="ada")).status_code == 404
    assert (await Browser(hub).sign_up("ada", GOOD)).status_code == 201


async def test_an_active_account_cannot_be_rejected(hub: MockHub) -> None:
    await person(hub)
    admin = await administrator(hub)
    assert (await admin.submit("accounts", action="reject", name="ada")).status_code == 404
    assert "ada" in rows(hub)


async def test_closed_sign_up_says_so_and_is_not_linked(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(signup="closed")
    browser = Browser(hub)
    assert "signup" not in (await browser.get("login")).text
    page = await browser.get("signup")
    assert "Sign-up is closed" in text_of(page)
    answer = await browser.sign_up("ada", GOOD)
    assert answer.status_code == 403
    assert "Sign-up is closed" in text_of(answer)
    assert "ada" not in rows(hub)


# throttle


async def test_wrong_passwords_for_one_name_are_throttled(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(failed_logins_per_name=3)
    await person(hub)
    browser = Browser(hub)
    for _ in range(3):
        assert (await browser.log_in("ada", "wrong")).status_code == 403
    answer = await browser.log_in("Ada", GOOD)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert "Too many attempts. Try again in" in text_of(answer)
    assert (await browser.log_in("boss", "correct horse boss")).status_code == 302, "other names still sign in"


async def test_names_that_do_not_exist_are_throttled_alike(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(failed_logins_per_name=2)
    browser = Browser(hub)
    codes = [(await browser.log_in("nobody-here", "wrong")).status_code for _ in range(3)]
    assert codes == [403, 403, 429]


async def test_one_address_trying_many_names_is_throttled(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(failed_logins_per_address=4)
    browser = Browser(hub)
    codes = [(await browser.log_in(f"name{number}", "wrong")).status_code for number in range(5)]
    assert codes == [403, 403, 403, 403, 429]


async def test_a_right_password_forgets_the_wrong_ones_before(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(failed_logins_per_name=2)
    await person(hub)
    for _ in range(3):
        browser = Browser(hub)
        assert (await browser.log_in("ada", "wrong")).status_code == 403
        assert (await browser.log_in("ada", GOOD)).status_code == 302


async def test_sign_ups_of_one_address_are_throttled(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(signups_per_hour=2)
    answers = [await Browser(hub).sign_up(f"user{number}", GOOD) for number in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 429]
    assert int(answers[2].headers["Retry-After"]) > 60
    assert "user2" not in rows(hub)


async def test_unknown_names_take_as_long_as_known_ones(accounts_hub: AccountsHub) -> None:
    limits = {"failed_logins_per_name": 1000, "failed_logins_per_address": 1000}
    hub = await accounts_hub(hash_memory=32768, hash_passes=3, **limits)
    await person(hub)
    browser = Browser(hub)

    async def seconds(name: str) -> float:
        await browser.get("login")
        start = time.perf_counter()
        fields = {"_xsrf": browser.xsrf, "username": name, "password": "wrong"}
        await browser.request("POST", "login", data=fields)
        return time.perf_counter() - start

    times: dict[str, list[float]] = {"ada": [], "nobody-here": [], "../x": []}
    for _ in range(7):
        for name, taken in times.items():
            taken.append(await seconds(name))
    medians = [statistics.median(taken) for taken in times.values()]
    assert max(medians) < 2.5 * min(medians), times


# changing and resetting passwords


async def test_changing_the_password_keeps_this_browser_and_signs_out_the_others(hub: MockHub) -> None:
    here = await person(hub)
    elsewhere = Browser(hub)
    await elsewhere.log_in("ada", GOOD)
    user = orm.User.find(hub.db, "ada")
    sessions = {browser: browser.session.cookies["jupyterhub-session-id"] for browser in (here, elsewhere)}
    for note, session in {"here": sessions[here], "elsewhere": sessions[elsewhere], "program": None}.items():
        user.new_api_token(note=note, session_id=session)

    new = "another horse battery"
    answer = await here.submit("change-password", old_password=GOOD, password=new, password_confirmation=new)
    assert answer.status_code == 302
    assert "Your password is changed" in text_of(await here.get("change-password?changed=1"))
    assert await here.is_logged_in()
    assert not await elsewhere.is_logged_in()
    hub.db.expire_all()
    assert {token.note for token in orm.User.find(hub.db, "ada").api_tokens} == {"here", "program"}
    assert (await elsewhere.log_in("ada", GOOD)).status_code == 403
    assert (await elsewhere.log_in("ada", new)).status_code == 302
    # the forms of the browser that stayed still work
    answer = await here.submit("change-password", old_password=new, password=GOOD, password_confirmation=GOOD)
    assert answer.status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "sentence"),
    [
        ("wrong", "another horse battery", None, 403, "The current password is not right"),
        (GOOD, "short", None, 422, "at least 8 characters"),
        (GOOD, "x7" * 500_000, None, 422, "too long"),
        (GOOD, "another horse battery", "different", 422, "not the same"),
        ("x7" * 500_000, "another horse battery", None, 403, "The current password is not right"),
    ],
    ids=["wrong", "short", "1 MB", "different", "1 MB old"],
)
async def test_a_refused_change_says_why_and_keeps_the_password(
    hub: MockHub, old: str, new: str, again: str | None, status: int, sentence: str
) -> None:
    browser = await person(hub)
    answer = await browser.submit(
        "change-password", old_password=old, password=new, password_confirmation=new if again is None else again
    )
    assert answer.status_code == status
    assert sentence in text_of(answer)
    assert (await Browser(hub).log_in("ada", GOOD)).status_code == 302


async def test_guessing_the_old_password_is_throttled(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(failed_logins_per_name=2)
    browser = await person(hub)
    fields = {"old_password": "wrong", "password": "another horse battery"}
    codes = [(await browser.submit("change-password", **fields)).status_code for _ in range(3)]
    assert codes == [403, 403, 429]


async def test_change_password_needs_a_login(hub: MockHub) -> None:
    answer = await Browser(hub).get("change-password")
    assert answer.status_code == 302
    assert "/hub/login" in answer.headers["Location"]
    browser = Browser(hub)
    await browser.get("login")
    answer = await browser.request("POST", "change-password", data={"_xsrf": browser.xsrf, "password": GOOD})
    assert answer.status_code == 403


async def test_a_reset_password_works_once_shown_and_asks_to_be_changed(hub: MockHub) -> None:
    ada = await person(hub)
    admin = await administrator(hub)
    page = await admin.submit("accounts", action="reset", name="ada")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    temporary = re.search(r'id="temporary_password">([^<]+)<', page.text)[1]
    assert temporary not in (await admin.get("accounts")).text
    assert not await ada.is_logged_in()
    assert (await ada.log_in("ada", GOOD)).status_code == 403

    answer = await ada.log_in("ada", temporary)
    assert "change-password" in answer.headers["Location"]
    assert "temporary password" in text_of(await ada.get("change-password"))
    answer = await ada.submit("change-password", old_password=temporary, password=GOOD)
    assert answer.status_code == 302
    assert "change-password" not in (await Browser(hub).log_in("ada", GOOD)).headers["Location"]


# administration


async def test_the_list_is_for_administrators_only(hub: MockHub) -> None:
    ada = await person(hub)
    assert (await Browser(hub).get("accounts")).status_code == 302
    assert (await ada.get("accounts")).status_code == 403
    for action in ("approve", "reject", "reset"):
        assert (await ada.submit("accounts", action=action, name="boss")).status_code == 403
    answer = await ada.request("POST", "accounts", data={"action": "reset", "name": "boss"})
    assert answer.status_code == 403
    assert "boss" not in text_of(answer)
    assert (await Browser(hub).log_in("boss", "correct horse boss")).status_code == 302


async def test_the_list_can_be_searched_and_paged(hub: MockHub) -> None:
    service = hub.authenticator.accounts
    for number in range(60):
        await service.ensure(f"student-{number:02}")
    admin = await administrator(hub)
    first = await admin.get("accounts?q=STUDENT")
    assert "1–50 of 60" in text_of(first)
    assert "51–60 of 60" in text_of(await admin.get("accounts?q=student&offset=50"))
    assert "1–1 of 1" in text_of(await admin.get("accounts?q=student-07"))
    for odd in (
        "offset=-1",
        "offset=x",
        "offset=99999999999999999999",
        "offset=9999",
        "q=%25",
        "q=%00",
        "q=" + "x" * 5000,
    ):
        assert (await admin.get(f"accounts?{odd}")).status_code == 200, odd


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "approve", "name": "nobody-here"}, 404),
        ({"action": "reset", "name": "nobody-here"}, 404),
        ({"action": "explode", "name": "boss"}, 400),
        ({}, 400),
    ],
)
async def test_odd_administration_is_refused(hub: MockHub, fields: dict[str, str], status: int) -> None:
    admin = await administrator(hub)
    assert (await admin.submit("accounts", **fields)).status_code == status


async def test_a_deleted_user_cannot_sign_in_and_nobody_gets_the_name_with_their_files(hub: MockHub) -> None:
    ada = await person(hub)
    admin = await administrator(hub)
    assert (await admin.api("DELETE", "users/ada")).status_code == 204
    assert not await ada.is_logged_in()
    assert (await Browser(hub).log_in("ada", GOOD)).status_code == 403
    assert (await Browser(hub).sign_up("ada", GOOD)).status_code == 409


async def test_a_user_added_by_an_administrator_gets_a_password_from_them_only(hub: MockHub) -> None:
    admin = await administrator(hub)
    assert (await admin.api("POST", "users", json={"usernames": ["Grace"]})).status_code == 201
    assert (await Browser(hub).sign_up("grace", GOOD)).status_code == 409
    assert (await Browser(hub).log_in("grace", "")).status_code == 403
    assert "no password" in text_of(await admin.get("accounts?q=grace"))
    page = await admin.submit("accounts", action="reset", name="grace")
    temporary = re.search(r'id="temporary_password">([^<]+)<', page.text)[1]
    assert (await Browser(hub).log_in("grace", temporary)).status_code == 302


async def test_bad_names_cannot_be_added_by_an_administrator_either(hub: MockHub) -> None:
    admin = await administrator(hub)
    for name in ("a b", "x" * 33, "..", "🦊"):
        assert (await admin.api("POST", "users", json={"usernames": [name]})).status_code == 400, name
    assert (await admin.api("POST", "users/Grace")).status_code == 400


async def test_users_cannot_be_renamed_but_otherwise_changed(hub: MockHub) -> None:
    await person(hub)
    admin = await administrator(hub)
    answer = await admin.api("PATCH", "users/ada", json={"name": "lovelace"})
    assert answer.status_code == 400
    assert "cannot be renamed" in answer.json()["message"]
    assert (await admin.api("PATCH", "users/ada", json={"admin": True, "name": "ada"})).status_code == 200


async def test_blocked_and_admin_names_cannot_be_signed_up(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub(blocked_users={"mallory"}, reserved_names={"Teacher"})
    for name in ("mallory", "teacher", "boss"):
        assert (await Browser(hub).sign_up(name, GOOD)).status_code == 422, name


# when things break


async def test_a_broken_database_is_a_sentence_and_no_stack_trace(hub: MockHub, monkeypatch: Any) -> None:
    admin = await administrator(hub)

    def broken(*args: Any) -> None:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    store = hub.authenticator.accounts._store
    for method in ("find", "page"):
        monkeypatch.setattr(store, method, broken)
    for answer in (await Browser(hub).sign_up("ada", GOOD), await Browser(hub).log_in("boss", "x")):
        assert answer.status_code == 503
        assert "Accounts cannot be reached right now" in text_of(answer)
        assert "Retry-After" in answer.headers
    for page in ("accounts", "change-password"):
        answer = await admin.get(page)
        assert answer.status_code == 503, page
        assert "Accounts cannot be reached right now" in text_of(answer)


async def test_an_initial_password_never_replaces_a_chosen_one(accounts_hub: AccountsHub) -> None:
    hub = await accounts_hub()
    admin = await administrator(hub)
    new = "chosen by the boss"
    assert (await admin.submit("change-password", old_password="correct horse boss", password=new)).status_code == 302
    await hub.authenticator.add_user(orm.User.find(hub.db, "boss"))  # what happens at every start
    assert (await Browser(hub).log_in("boss", new)).status_code == 302
