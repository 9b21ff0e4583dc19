"""Hubs whose servers end soon, or whose rules differ from the defaults."""

import contextlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.hub import Hub, Person
from tests.support.image import IMAGE

QUICK = (".venv/bin/jupyterhub", "-f", str(Path(__file__).with_name("quick_hub_config.py")))
"""What starts a hub that looks at its servers each 2 s."""


@dataclass(frozen=True)
class Upgrade:
    """An image name that can begin to mean another image.

    Attributes:
        name: The name; at first it means the image of all tests.
    """

    name: str

    def publish(self) -> str:
        """Let the name mean a new image, as a pull or a build does; returns its id."""
        dockerfile = f"FROM {IMAGE}\nLABEL p2m.test={secrets.token_hex(4)}\n"
        made, _ = docker.from_env().images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=self.name, rm=True)
        return str(made.id)


@pytest.fixture(scope="session")
def upgrade() -> Iterator[Upgrade]:
    """The image of the hub below."""
    engine = docker.from_env()
    made = Upgrade(f"p2m/test-upgrade-{secrets.token_hex(3)}:latest")
    engine.images.get(IMAGE).tag(made.name)
    yield made
    engine.images.remove(made.name, force=True)


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, upgrade: Upgrade) -> Iterator[Hub]:
    """A hub with named servers that stops servers on logout, removes homes, and whose image gets newer."""
    running = Hub(
        tmp_path_factory.mktemp("lifecycle") / "state",
        command=QUICK,
        P2M_MCP_TIMEOUT="90",
        P2M_BLENDER_MODE="headless",  # starts in half the time
        P2M_NAMED_SERVERS="1",
        P2M_STOP_ON_LOGOUT="1",
        P2M_DELETE_HOMES="1",
        P2M_LOG_FORMAT="json",
        P2M_PREPULL="1",
        P2M_IMAGE=upgrade.name,
    ).start()
    yield running
    running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(request: pytest.FixtureRequest, failed: Any) -> Iterator[None]:
    """Print the log of the hub and of its containers when a test fails."""
    yield
    for name in {"hub", "culling_hub"} & set(request.fixturenames):
        if failed():
            running: Hub = request.getfixturevalue(name)
            print(f"=== {name}\n", running.output()[-12000:])
            for container in running.containers():
                with contextlib.suppress(docker.errors.APIError):
                    print(f"=== container {container.name}\n", container.logs(tail=40).decode(errors="replace"))


@pytest.fixture
def person(hub: Hub) -> Person:
    """Somebody signed up and logged in, without a server."""
    return hub.person().sign_up().log_in()
