"""One reader's machine for all pages whose commands are run."""

import secrets
from collections.abc import Iterator

import docker
import pytest

from tests.support.hub import Person

from .sandbox import Sandbox


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A reader's machine, with no hub yet."""
    assets = f"class-assets-{secrets.token_hex(3)}"
    machine = Sandbox(tmp_path_factory.mktemp("reader"), **{"class-assets": assets})
    yield machine
    machine.close()
    for volume in docker.from_env().volumes.list(filters={"name": assets}):
        volume.remove()


def somebody_called_ada(sandbox: Sandbox) -> Person:
    """Who is Ada in the pages from now on; not signed up yet."""
    person = sandbox.hub.person("ada")
    sandbox.replaced |= {"ada": person.name, "p2m-ada": f"p2m-{person.name}"}
    return person


@pytest.fixture
def pupil(sandbox: Sandbox) -> Person:
    """Ada in the teacher's class, whose server has a profile that other hubs do not have."""
    return somebody_called_ada(sandbox)


@pytest.fixture(scope="package")
def ada(sandbox: Sandbox) -> Person:
    """Ada in all other pages."""
    return somebody_called_ada(sandbox)


@pytest.fixture(autouse=True)
def logs_on_failure(request: pytest.FixtureRequest, failed) -> Iterator[None]:
    """Print the log of the hub and of its containers when a test fails."""
    yield
    if failed() and "sandbox" in request.fixturenames:
        request.getfixturevalue("sandbox").hub.print_logs()
