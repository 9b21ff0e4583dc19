"""Settings by environment: defaults, and a sentence for each bad one."""

from pathlib import Path

import pytest

from hub_config.settings import SettingError, Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104


def test_an_empty_environment_gives_a_hub_on_the_loopback_with_open_sign_up():
    settings = Settings.from_environment({}, base=Path("/srv"))
    assert (settings.public_url, settings.signup, settings.auth) == ("http://127.0.0.1:8000", "open", "accounts")
    assert settings.state_dir == Path("/srv/.p2m")
    assert settings.admin_password_file == Path("/srv/.p2m/admin-password")
    assert settings.publish_mcp is False


def test_a_public_bind_asks_for_approval_unless_told_otherwise():
    assert Settings.from_environment({"P2M_BIND": EVERYWHERE}).signup == "approval"
    assert Settings.from_environment({"P2M_BIND": EVERYWHERE, "P2M_SIGNUP": "open"}).signup == "open"
    assert Settings.from_environment({"P2M_BIND": "::1"}).signup == "open"


def test_urls_of_a_bind_to_every_address_and_of_ipv6():
    everywhere = Settings.from_environment({"P2M_BIND": EVERYWHERE, "P2M_PORT": "80"})
    assert (everywhere.bind_url, everywhere.public_url) == (f"http://{EVERYWHERE}:80", "http://127.0.0.1:80")
    assert Settings.from_environment({"P2M_BIND": "::1"}).bind_url == "http://[::1]:8000"


def test_a_public_url_is_told_to_people_and_not_used_by_the_hub_itself():
    named = Settings.from_environment({"P2M_PUBLIC_URL": "https://hub.example.org/"})
    assert (named.public_url, named.local_url) == ("https://hub.example.org", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("P2M_PORT", "eighty", "P2M_PORT is 'eighty'; it must be a number from 1 to 65535."),
        ("P2M_PORT", "70000", "P2M_PORT is '70000'"),
        ("P2M_BIND", "everywhere", "P2M_BIND is 'everywhere'; it must be an IP address"),
        ("P2M_SIGNUP", "maybe", "one of: open, approval, closed"),
        ("P2M_AUTH", "ldap", "one of: accounts, oauth"),
        ("P2M_PUBLISH_MCP", "yes", "one of: 0, 1"),
        ("P2M_MEMORY", "lots", "P2M_MEMORY is 'lots'"),
        ("P2M_CPUS", "0", "P2M_CPUS is '0'"),
        ("P2M_PUBLIC_URL", "hub.example.org", "it must be scheme, host and port"),
        ("P2M_PUBLIC_URL", "https://hub.example.org/path", "it must be scheme, host and port"),
    ],
)
def test_a_bad_setting_is_named_with_what_would_be_right(name, value, sentence):
    with pytest.raises(SettingError) as caught:
        Settings.from_environment({name: value})
    assert sentence in str(caught.value)
