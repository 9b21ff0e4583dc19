"""What a user does inside the own container: programs there, in the three ways that people get in."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.support.hub import Person
from tests.support.mcp_client import mcp_client, text_of

HERE = Path(__file__).parent


def run(person: Person, *command: str) -> str:
    """Run a program in a person's container as the person; what it printed on its standard output."""
    code, (output, errors) = person.container().exec_run(list(command), demux=True)
    assert code == 0, errors
    return (output or b"").decode()


def run_file(person: Person, name: str, *arguments: str) -> Any:
    """Run one of the programs of this folder in a person's container; the JSON that it printed."""
    return json.loads(run(person, "python3", "-c", (HERE / name).read_text(), *arguments))


def knock(person: Person, host: str, *ports: int) -> dict[int, str]:
    """How TCP ports of a host answer the person's container (knock.py)."""
    answers = run_file(person, "knock.py", host, *map(str, ports))
    return {int(port): answer for port, answer in answers.items()}


def network_of(person: Person) -> dict[str, str]:
    """Address, gateway and so on of the person's container."""
    (network,) = person.container().attrs["NetworkSettings"]["Networks"].values()
    return dict(network)


def address(person: Person) -> str:
    """Where the person's container is on the containers' network."""
    return network_of(person)["IPAddress"]


def gateway(person: Person) -> str:
    """The host, as the person's container sees it."""
    return network_of(person)["Gateway"]


async def by_agent(person: Person, *command: str) -> str:
    """Run a program as an agent does: from Python in Blender."""
    code = f"import subprocess; print(subprocess.run({command!r}, capture_output=True, text=True).stdout)"
    async with mcp_client(person.mcp_url, person.token) as client:
        return str(json.loads(text_of(await client.call_tool("execute_blender_code", {"code": code})))["result"])


async def by_terminal(person: Person, command: str) -> str:
    """Run a shell command in a terminal of JupyterLab; everything that the terminal showed."""
    headers = {"Authorization": f"Bearer {person.token}"}
    made = requests.post(person.server_url("api/terminals"), headers=headers, timeout=30)
    made.raise_for_status()
    url = person.server_url(f"terminals/websocket/{made.json()['name']}").replace("http", "ws", 1)
    socket = await websocket_connect(HTTPRequest(url, headers=headers))
    mark = secrets.token_hex(4)
    shown = ""
    try:
        await socket.write_message(json.dumps(["stdin", f"{command}; echo done-{mark[:4]}''{mark[4:]}\r"]))
        async with asyncio.timeout(30):
            while f"done-{mark}" not in shown:
                message = await socket.read_message()
                assert message is not None, f"the terminal closed after {shown!r}"
                kind, *rest = json.loads(message)
                if kind == "stdout":
                    shown += rest[0]
    finally:
        socket.close()
    return shown
