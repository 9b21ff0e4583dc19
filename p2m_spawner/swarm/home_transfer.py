"""How a home goes from one machine to another: as a tar archive from job to job, on an overlay network of their own.

The two programs run in containers of the users' image, as the user's uid and without any capability.
"""

import secrets

from docker.types import Mount

from ..docker_options import HOME
from .jobs import Job
from .nodes import Node

PORT = 7000

CONNECT_S = 120
"""Seconds that the two have to find each other."""

_COMMON = """
import os, socket, sys, tarfile, time
home, port, ticket = os.environ["P2M_HOME"], int(os.environ["P2M_PORT"]), os.environ["P2M_TICKET"].encode()
limit = float(os.environ["P2M_CONNECT_S"])
"""

RECEIVE = (
    _COMMON
    + """
listener = socket.create_server(("", port))
listener.settimeout(limit)
connection, _ = listener.accept()
with connection, connection.makefile("rb") as stream:
    if stream.read(len(ticket)) != ticket:
        sys.exit("somebody else connected")
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        archive.extractall(home, filter="fully_trusted")
    connection.sendall(b"done")
"""
)

SEND = (
    _COMMON
    + """
end = time.monotonic() + limit
while True:
    try:
        connection = socket.create_connection((os.environ["P2M_RECEIVER"], port), 5)
        break
    except OSError as error:
        if time.monotonic() > end:
            sys.exit(f"the receiver does not answer: {error}")
        time.sleep(0.2)
connection.settimeout(None)
with connection:
    with connection.makefile("wb") as stream:
        stream.write(ticket)
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            for name in sorted(os.listdir(home)):
                archive.add(os.path.join(home, name), name)
    connection.shutdown(socket.SHUT_WR)
    if connection.recv(4) != b"done":
        sys.exit("the receiver did not get everything")
"""
)


def transfer(source: Node, target: Node, image: str, volume: str, network: str) -> tuple[Job, Job]:
    """The two jobs that copy a home: who sends, and who receives; the receiver begins first.

    Args:
        source: The machine that has the home.
        target: The one that gets it.
        image: The users' image, as nodes understand it.
        volume: Name of the home's volume on both.
        network: Name of an overlay network on which nobody else is.
    """
    common = {
        "P2M_HOME": HOME,
        "P2M_PORT": str(PORT),
        "P2M_CONNECT_S": str(CONNECT_S),
        "P2M_TICKET": secrets.token_hex(32),
    }
    python = "/opt/p2m/bin/python3"
    receiver = Job(
        target, image, [python, "-c", RECEIVE], [Mount(HOME, volume)], environment=common, networks=[network]
    )
    sender = Job(
        source,
        image,
        [python, "-c", SEND],
        [Mount(HOME, volume, read_only=True)],
        environment={**common, "P2M_RECEIVER": receiver.name},
        networks=[network],
    )
    return sender, receiver
