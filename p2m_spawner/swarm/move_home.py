"""``python -m p2m_spawner.swarm.move_home VOLUME MACHINE``: take a pinned home to another machine.

Run it where ``docker node ls`` works, with ``DOCKER_HOST`` as the hub has it, while the home's server does not run. The
old machine keeps its copy until the new one has everything.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Sequence

from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from ..docker_engine import DockerEngine
from .cluster import image_reference, list_nodes
from .home_records import HomeRecord, find_home, record_home
from .home_transfer import transfer
from .jobs import JobFailed, removal_of_volume, remove_job, remove_volume, run_job, start_job
from .nodes import Node

LONGEST_S = 3600.0
"""Seconds that a home may take to be copied."""


class MoveRefused(Exception):
    """A move that cannot be made; the text says why and what to do."""


async def move(engine: DockerEngine, volume: str, hostname: str, image: str, socket: str) -> None:
    """Copy a home to another machine, record it there, and remove it from the old one.

    While it goes on, the home's record says so, and no server is started with it.

    Args:
        engine: A manager.
        volume: Name of the home's volume, as ``docker config ls --filter label=p2m.home`` shows it.
        hostname: Name or id of the machine that gets it.
        image: The users' image.
        socket: Path of the engine's socket on the machines.

    Raises:
        MoveRefused: There is no such home or machine, or its server runs.
        JobFailed: It could not be copied; the home is where it was.
        docker.errors.DockerException, OSError: No manager answers.
    """
    record, source, target = await _checked(engine, volume, hostname)
    reference = await engine.run(image_reference, image)
    network = f"p2m-move-{secrets.token_hex(4)}"
    await engine.run(record_home, volume, source.id, source.hostname, record.hub, moving=True)
    try:
        # What a move that was cut off has left there would be mixed with what comes now.
        await remove_volume(engine, removal_of_volume(target, reference, volume, socket))
        await engine.call("create_network", network, driver="overlay", scope="swarm")
        try:
            sender, receiver = transfer(source, target, reference, volume, network)
            receiving = await start_job(engine, receiver)
            try:
                await run_job(engine, sender, LONGEST_S)
            finally:
                await remove_job(engine, receiving)
        finally:
            await _remove_network(engine, network)
    except BaseException:
        await engine.run(record_home, volume, source.id, source.hostname, record.hub)
        raise
    await engine.run(record_home, volume, target.id, target.hostname, record.hub)
    await remove_volume(engine, removal_of_volume(source, reference, volume, socket))


async def _checked(engine: DockerEngine, volume: str, hostname: str) -> tuple[HomeRecord, Node, Node]:
    record = await engine.run(find_home, volume)
    if record is None:
        raise MoveRefused(f"No machine has a home {volume}; `docker config ls --filter label=p2m.home` lists them.")
    nodes = await engine.run(list_nodes)
    source = next((node for node in nodes if node.id == record.node_id), None)
    target = next((node for node in nodes if hostname in (node.id, node.hostname)), None)
    if target is None:
        raise MoveRefused(f"There is no machine {hostname}; `docker node ls` lists them.")
    if source is None or not source.ready:
        raise MoveRefused(f"The machine {record.hostname}, which has the home, does not answer; bring it back first.")
    if not target.ready:
        raise MoveRefused(f"The machine {hostname} does not answer; bring it back first.")
    if source.id == target.id:
        raise MoveRefused(f"The home {volume} is on {hostname} already.")
    for service in await engine.call("services"):
        mounts = service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Mounts") or []
        if any(mount.get("Source") == volume for mount in mounts):
            raise MoveRefused(f"The server with the home {volume} runs; stop it first.")
    return record, source, target


async def _remove_network(engine: DockerEngine, name: str, seconds: float = 30.0) -> None:
    """Remove a network once the jobs have left it."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await engine.call("remove_network", name)
            return
        except APIError:
            if asyncio.get_running_loop().time() > end:
                raise
        await asyncio.sleep(0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Move one home; 1 with a sentence when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m p2m_spawner.swarm.move_home", description=__doc__.split("\n")[0])
    parser.add_argument("volume", help="the home's volume, for example p2m-ada")
    parser.add_argument("machine", help="host name or id of the machine that gets it")
    parser.add_argument("--image", default="p2m/blender-singleuser:latest", help="the users' image")
    parser.add_argument("--socket", default="/var/run/docker.sock", help="the engine's socket on the machines")
    given = parser.parse_args(arguments)

    async def run() -> None:
        engine = DockerEngine(kwargs_from_env(), threads=2)
        try:
            await move(engine, given.volume, given.machine, given.image, given.socket)
        finally:
            engine.executor.shutdown(wait=False)

    try:
        asyncio.run(run())
    except (MoveRefused, JobFailed, DockerException, OSError) as problem:
        print(f"The home was not moved. {problem}", file=sys.stderr)
        return 1
    print(f"The home {given.volume} is on {given.machine} now.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
