"""Only a volume that is one server's own is ever removed."""

import pytest

from p2m_spawner.docker_homes import HOME, own_home

NAMED = "p2m-{username}--{servername}"


@pytest.mark.parametrize(
    ("volumes", "default_servers", "named_servers"),
    [
        ({"p2m-{username}": HOME}, "p2m-{username}", None),  # an operator who lets a user's servers share their home
        ({NAMED: HOME}, NAMED, NAMED),
        ({"data-{raw_username}": {"bind": HOME, "mode": "rw"}}, "data-{raw_username}", None),
        ({"assets-{username}": "/assets", "p2m-{username}": HOME}, "p2m-{username}", None),
        ({"everybodys": HOME}, None, None),
        ({"home-of-{servername}": HOME}, None, None),  # Ada's "second" and Bob's "second"
        ({"/srv/homes/{username}": HOME}, None, None),  # a folder of the host
        ({"p2m-{username}": "/elsewhere"}, None, None),
        ({}, None, None),
    ],
)
def test_a_home_is_found_where_it_belongs_to_nobody_else(volumes, default_servers, named_servers):
    assert own_home(volumes, of_named_server=False) == default_servers
    assert own_home(volumes, of_named_server=True) == named_servers
