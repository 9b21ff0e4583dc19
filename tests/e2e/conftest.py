"""One hub for the end-to-end tests, with the real engine, image and browser."""

from collections.abc import Iterator

import pytest

from tests.support.hub import Hub, Person


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with open sign-up and published raw sockets."""
    running = Hub(tmp_path_factory.mktemp("e2e") / "state", P2M_PUBLISH_MCP="1", P2M_MCP_TIMEOUT="90").start()
    yield running
    running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(request: pytest.FixtureRequest, failed) -> Iterator[None]:
    """Print the log of the hub and of its containers when a test fails."""
    yield
    if failed() and "hub" in request.fixturenames:
        request.getfixturevalue("hub").print_logs()


@pytest.fixture(scope="session")
def someone(hub: Hub) -> Person:
    """Somebody whose server runs, for tests that leave it running."""
    return hub.person("someone").sign_up().log_in().start_server()


@pytest.fixture
def person(hub: Hub) -> Iterator[Person]:
    """Somebody signed up and logged in, without a server; stopped afterwards."""
    someone = hub.person().sign_up().log_in()
    yield someone
    someone.stop_server()
