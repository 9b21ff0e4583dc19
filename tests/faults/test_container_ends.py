"""A container that is killed, removed or out of memory: told at once, swept, and started again with the scene."""

import pytest

from tests.support.hub import Hub, Person
from tests.support.scenes import has_object, run_code
from tests.support.waiting import wait_for

from .conftest import SCENE, host_port, nothing_listens

NOTICED_S = 20
"""The hub polls each 30 s at most: who is sooner has listened to the engine."""

# Offers the Jupyter server, without which the container ends, to the kernel, and then uses all memory.
USE_ALL_MEMORY = """
for process in /proc/[0-9]*; do
    read -r name <$process/comm && [ "$name" = jupyterhub-sing ] && echo 1000 >$process/oom_score_adj
done
exec python3 -c 'x = b"x" * (4 << 30)'
"""


def use_all_memory(person: Person) -> None:
    person.container().exec_run(["sh", "-c", USE_ALL_MEMORY], detach=True)


@pytest.mark.parametrize(
    ("fault", "reason", "exit_code", "words"),
    [
        (lambda person: person.container().kill(), "killed", 137, "Your Blender's container was killed from outside. "),
        (lambda person: person.container().remove(force=True), "removed", None, "container was removed from outside. "),
        (use_all_memory, "out_of_memory", 137, "used more memory than its limit of 2 GB and was ended by the system. "),
    ],
    ids=["killed", "removed", "out-of-memory"],
)
def test_a_container_that_ends(person: Person, hub: Hub, fault, reason: str, exit_code: int | None, words: str):
    port = host_port(person)
    volumes = {mount["Name"] for mount in person.container().attrs["Mounts"] if mount["Type"] == "volume"}
    assert volumes == {person.volume}, "nothing beside the home could be left behind"

    fault(person)

    wait_for(lambda: not person.servers(), NOTICED_S, "the hub notices", interval=0.3)
    ending = person.ending()
    print(ending["message"])
    assert (ending["reason"], ending["started_again"]) == (reason, False)
    assert words in ending["message"]
    assert ending["message"] in person.page()
    assert ending["message"] in person.page("../../hub/home")
    wait_for(lambda: f"Server died: reason={reason}" in hub.output(), 10, "the cause in the hub's log")
    if reason != "removed":
        assert ending["exit_code"] == exit_code
        assert "Your scene was saved" in ending["message"]
        assert 0 < len(ending["log"].splitlines()) <= 200

    assert hub.containers() == []
    assert nothing_listens(port)
    person.start_server()
    assert person.ending()["started_again"]
    assert has_object(person, SCENE)


def test_a_blender_out_of_memory_comes_back_and_says_so(person: Person):
    container = person.container().id

    with pytest.raises(Exception, match=r"(?s)."):  # the MCP client's, of several kinds
        run_code(person, "x = b'x' * (4 << 30)")

    wait_for(lambda: person.status()["blender"]["restarts"], 30, "the restart")
    reason = "killed by SIGKILL: the memory limit of this server was reached"
    code, exits = person.container().exec_run(["cat", "/run/p2m/blender-exits.json"])
    assert code == 0
    assert reason in exits.decode()
    wait_for(lambda: person.status()["ready"], 60, "the next Blender")
    assert has_object(person, SCENE)
    assert person.container().id == container
