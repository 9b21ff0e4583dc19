"""Knocks at TCP ports: ``python3 - HOST PORT… <knock.py`` prints as JSON how each answered. Standard library only.

``open``: a connection; ``refused``: the host answers and nobody listens; ``silent``: not even the host answers.
"""

import asyncio
import json
import sys

SECONDS = 3.0


async def knock(host: str, port: int, at_once: asyncio.Semaphore) -> str:
    async with at_once:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), SECONDS)
        except ConnectionRefusedError:
            return "refused"
        except (TimeoutError, OSError):
            return "silent"
        writer.close()
        return "open"


async def main(host: str, ports: list[int]) -> dict[int, str]:
    at_once = asyncio.Semaphore(400)  # descriptors
    answers = await asyncio.gather(*(knock(host, port, at_once) for port in ports))
    return dict(zip(ports, answers, strict=True))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], [int(port) for port in sys.argv[2:]]))))
