"""A real engine pulls from a real registry, and the spawn page says how far it is."""

import contextlib
import re
import threading
from pathlib import Path

import docker

from tests.support.hub import Hub
from tests.support.registry import slow_image
from tests.support.waiting import wait_for


def test_two_people_see_how_far_the_pull_of_their_image_is(tmp_path: Path):
    with slow_image() as image:
        hub = Hub(tmp_path / "state", P2M_IMAGE=image.name).start()
        try:
            told: dict[str, list[str]] = {}
            people = [hub.person().sign_up().log_in() for _ in range(2)]
            following = [
                threading.Thread(target=lambda p=person: told.update({p.name: p.start_and_follow()}))
                for person in people
            ]
            for thread in following:
                thread.start()
            for person in people:
                half = rf"user={person.name} .*Pulling the Blender image: [1-4] of 8 MB \(\d\d %\)"
                wait_for(lambda half=half: re.search(half, hub.output()), 60, f"the pull for {person.name}")
            image.go_on.set()
            for thread in following:
                thread.join(60)
            for person in people:
                print(*told[person.name], sep="\n")
                assert any(message.startswith("Pulling the Blender image: ") for message in told[person.name])
                assert "could not be started" in told[person.name][-1]  # there is no program in that image
            assert hub.containers() == []
        finally:
            hub.down()
            with contextlib.suppress(docker.errors.ImageNotFound):
                docker.from_env().images.remove(image.name, force=True)
