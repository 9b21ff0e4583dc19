"""A hub that is killed while people work, start and lose their containers; then it is started again."""

import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support.hub import Hub, Person, is_running
from tests.support.image import IMAGE
from tests.support.scenes import has_object
from tests.support.waiting import wait_for

from .conftest import SCENE, go_on


@dataclass
class Scenario:
    """What was so before the hub was killed.

    Attributes:
        at_work: Whose server runs, and who has a scene.
        containers: Ids, by names of people.
        starting: Whose server is being started.
        lost: Whose server is being started and whose container goes while there is no hub.
        ended: Whose server runs, and whose container is killed while there is no hub.
    """

    at_work: Person
    starting: Person
    lost: Person
    ended: Person
    containers: dict[str, str]
    answered_meanwhile: bool


@pytest.fixture(scope="module")
def scenario(hub: Hub, somebody: Person) -> Scenario:
    """A hub killed in the middle of two starts, and started again."""
    go_on(somebody)
    starting, lost, ended = (hub.person(stem).sign_up().log_in() for stem in ("starting", "lost", "ended"))
    ended.start_server()
    for person in (starting, lost):
        person.request_server_soon()

    def both_run() -> bool:
        return {container.name for container in hub.containers() if container.status == "running"} >= {
            f"p2m-{starting.name}",
            f"p2m-{lost.name}",
        }

    wait_for(both_run, 30, "containers of both", interval=0.02)
    hub.kill()
    containers = {container.labels["p2m.user"]: container.id for container in hub.containers()}
    lost.container().remove(force=True)
    ended.container().kill()
    hub.engine.containers.run(
        IMAGE, ["sleep", "600"], detach=True, labels={"p2m.hub": str(hub.state_dir), "p2m.user": "nobody"}
    )
    # Its proxy has not been killed, and people go on working.
    answered = requests.get(
        somebody.server_url("p2m/status"), headers={"Authorization": f"Bearer {somebody.token}"}, timeout=10
    )
    hub.start()
    return Scenario(somebody, starting, lost, ended, containers, answered.status_code < 500)


def test_who_is_at_work_stays_so(scenario: Scenario):
    person = scenario.at_work
    wait_for(person.is_ready, 60, "the server")
    assert person.container().id == scenario.containers[person.name]
    assert has_object(person, SCENE)


def test_a_start_in_the_middle_is_brought_to_its_end(scenario: Scenario, hub: Hub):
    person = scenario.starting
    wait_for(person.is_ready, 180, "the server")
    assert person.container().id == scenario.containers[person.name]
    assert has_object(person, "Cube")
    # With its port and its token as if nothing had been: nobody else gets the port, and the stop leaves nothing.
    ports = {container.ports["8888/tcp"][0]["HostPort"] for container in hub.containers() if container.ports}
    assert len(ports) == len([container for container in hub.containers() if container.ports])
    person.stop_server()
    assert f"p2m-{person.name}" not in {container.name for container in hub.containers()}


def test_a_start_that_cannot_be_is_told_and_can_be_repeated(scenario: Scenario):
    person = scenario.lost
    wait_for(lambda: not person.servers(), 60, "the hub gives it up")
    assert person.ending()["reason"] == "start_interrupted"
    assert "The hub was restarted while your Blender was being started. Start it again." in person.page()
    person.start_server()
    person.stop_server()


def test_a_container_that_ended_without_a_hub_is_told(scenario: Scenario, hub: Hub):
    person = scenario.ended
    wait_for(lambda: not person.servers(), 60, "the hub notices")
    assert person.ending()["reason"] == "killed"
    assert "Your Blender's container was killed from outside." in person.page()
    assert f"p2m-{person.name}" not in {container.name for container in hub.containers()}


def test_containers_of_nobody_are_swept(scenario: Scenario, hub: Hub):
    def owners() -> set[str]:
        return {container.labels["p2m.user"] for container in hub.containers()}

    wait_for(lambda: "nobody" not in owners(), 60, "the sweep")
    assert scenario.at_work.name in owners()


def test_a_proxy_that_ends_comes_back_with_all_routes(person: Person, hub: Hub):
    pid = int((hub.state_dir / "proxy.pid").read_text())
    container = person.container().id
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), 10, "the end of the proxy")

    def answers() -> Any:
        url, headers = person.server_url("p2m/status"), {"Authorization": f"Bearer {person.token}"}
        return requests.get(url, headers=headers, timeout=5).ok

    wait_for(answers, 60, "the person's server by the next proxy", interval=0.3)
    assert int((hub.state_dir / "proxy.pid").read_text()) != pid
    assert person.container().id == container
    assert has_object(person, SCENE)
