"""Keeps one serving process running, on a socket that stays open while another takes its place.

JupyterHub looks after a service every 30 s only, and until then connections would be refused. Here they wait in the
socket's queue for the second or two that the next process takes to start. So this process imports no more than it
needs, and knows nothing of what is served.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Sequence

log = logging.getLogger(__name__)

STEADY_AFTER = 10.0
"""Seconds of service after which the end of a process is an accident and not a failed start."""

LONGEST_PAUSE = 30.0
"""Seconds between two starts at most, when process after process is killed at its start."""

QUEUE = 2048
"""Connections that wait at most."""


def run(host: str, port: int, command: Sequence[str]) -> int:
    """Listen, and keep a process serving until SIGTERM or SIGINT.

    Args:
        host: Address to listen on.
        port: Its port.
        command: The process. It gets the number of the listening socket as one more argument, and should stop by itself
            when its standard input ends, which happens when this process is killed.

    Returns:
        Exit status: 0 after a signal; that of a process that could not start, for the same would happen again.

    Raises:
        OSError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=QUEUE) as listener:
        return asyncio.run(_keep_serving(listener, command))


async def _keep_serving(listener: socket.socket, command: Sequence[str]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pause = 0.0
    while True:
        began = time.monotonic()
        status = await _serve_once(listener, command, stop)
        if stop.is_set():
            return 0
        is_steady = time.monotonic() - began > STEADY_AFTER
        if status > 0 and not is_steady:
            return status
        log.error("The serving process has ended (%s); another one starts", _ending(status))
        pause = 0.0 if is_steady else min(max(1.0, 2 * pause), LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
                return 0
        except TimeoutError:
            pass


async def _serve_once(listener: socket.socket, command: Sequence[str], stop: asyncio.Event) -> int:
    """Run one process until it ends, which it is asked to when this one is; its exit status."""
    process = await asyncio.create_subprocess_exec(
        *command, str(listener.fileno()), pass_fds=[listener.fileno()], stdin=asyncio.subprocess.PIPE
    )
    stopping = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(process.wait())
    await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        process.terminate()
    stopping.cancel()
    return await ended


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"
