"""A Docker engine that runs nothing, for a hub with thousands of servers on one machine.

It speaks the part of the Docker Engine API that the hub uses, over HTTP, and keeps containers as dictionaries. A
container that is started is a listening port: there a few fixed answers stand for JupyterHub's single-user server, the
status document and the MCP endpoint. It is ready at once. As a real server it asks for the hub's version when it
starts and reports its activity every five minutes. So the hub, docker-py, the database, the proxy and the gateway are
real; engine, JupyterLab and Blender are not, and cost the hub's machine nothing but this process.

    python -m bench.fake_engine PORT CONTAINERS ACTIVITY_URL

ACTIVITY_URL has `{name}` where a user's name goes; the first CONTAINERS are running from the beginning.
"""

import asyncio
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any

import jupyterhub
from aiohttp import ClientError, ClientSession, web

NETWORK, IMAGE_ID = "p2m-scale", "sha256:" + 64 * "1"
PROCESSORS = 32
"""What the engine says its machine has, so that the hub's queue of starts lets as many go at the same time."""

HOST, FIRST_PORT = "127.0.0.2", 13000
"""Where the containers' ports are published: not where those of a real hub on this machine are."""

REPORT_S = 300.0
"""Seconds between two reports of one server's activity: JupyterHub's default."""

Document = dict[str, Any]

STATUS = {
    "ready": True,
    "blender": {"state": "ready", "version": "4.3.2", "pid": 1, "file": None, "restarts": 0, "reason": None},
    "mcp": {"state": "ready", "num_tools": 40},
    "ui": {"state": "ready"},
    "jobs": [],
}
TOOLS = {
    "resultType": "complete",
    "tools": [
        {"name": f"tool_{number}", "description": 20 * "what it does ", "inputSchema": {"type": "object"}}
        for number in range(40)
    ],
}


def user_name(number: int) -> str:
    """Name of the user of one of the first containers."""
    return f"u{number:05}"


def container_id(number: int) -> str:
    """Id of one of the first containers."""
    return f"{number:064x}"


def server_token(number: int) -> str:
    """The hub token of one of the first containers."""
    # Tokens differ from their first letters on, as real ones: the hub finds them by their beginning.
    return sha256(user_name(number).encode()).hexdigest()[:32]


def first_container(number: int, activity_url: str) -> Document:
    """As the hub's `create` would have made it."""
    name = user_name(number)
    environment = {
        "JUPYTERHUB_USER": name,
        "JUPYTERHUB_API_TOKEN": server_token(number),
        "JUPYTERHUB_ACTIVITY_URL": activity_url.format(name=name),
    }
    return {
        "Image": "p2m/fake:latest",
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Labels": {"p2m.user": name, "p2m.server": "", "p2m.image-setting": "p2m/fake:latest"},
        "HostConfig": {"PortBindings": {"8888/tcp": [{"HostIp": HOST, "HostPort": str(FIRST_PORT + number)}]}},
    }


class Engine:
    """The containers, by id and by name."""

    def __init__(self) -> None:
        self.containers: dict[str, Document] = {}
        self.names: dict[str, str] = {}
        self.sites: dict[str, web.TCPSite] = {}
        self.servers: web.AppRunner
        self.http: ClientSession

    def create(self, name: str, given: Document, identity: str) -> None:
        """Keep a container that does not run."""
        ports = given["HostConfig"]["PortBindings"]
        self.names[name] = identity
        self.containers[identity] = {
            "Id": identity,
            "Name": f"/{name}",
            "Image": IMAGE_ID,
            "Created": "2026-01-01T00:00:00.000000000Z",
            "State": {
                "Running": False,
                "Status": "created",
                "ExitCode": 0,
                "Error": "",
                "FinishedAt": "0001-01-01T00:00:00Z",
            },
            "Config": {key: given.get(key) for key in ("Image", "Env", "Labels", "Cmd")},
            "HostConfig": given["HostConfig"],
            "NetworkSettings": {"Ports": ports, "Networks": {NETWORK: {"IPAddress": HOST}}},
        }

    async def start(self, identity: str) -> None:
        """Open its port."""
        container = self.containers[identity]
        (binding,) = container["HostConfig"]["PortBindings"]["8888/tcp"]
        self.sites[identity] = web.TCPSite(self.servers, binding["HostIp"], int(binding["HostPort"]))
        await self.sites[identity].start()
        container["State"] |= {"Running": True, "Status": "running"}

    async def remove(self, identity: str) -> None:
        """Close its port and forget it."""
        container = self.containers.pop(identity)
        self.names.pop(container["Name"].removeprefix("/"))
        if site := self.sites.pop(identity, None):
            await site.stop()

    def find(self, key: str) -> str:
        """Id of a container that is known by this id or name."""
        identity = key if key in self.containers else self.names.get(key)
        if identity is None:
            raise web.HTTPNotFound(text=json.dumps({"message": f"No such container: {key}"}))
        return identity

    # What servers tell the hub

    def environment(self, identity: str) -> dict[str, str]:
        """The environment that a container was given."""
        return dict(line.split("=", 1) for line in self.containers[identity]["Config"]["Env"])

    async def ask_version(self, identity: str) -> None:
        """As a single-user server that starts."""
        environment = self.environment(identity)
        with suppress(ClientError, OSError):
            async with self.http.get(environment["JUPYTERHUB_API_URL"]) as answer:
                await answer.read()

    async def report(self, identity: str) -> None:
        """Report activity, as a single-user server."""
        environment = self.environment(identity)
        now = datetime.now(UTC).isoformat()
        with suppress(ClientError, OSError):
            async with self.http.post(
                environment["JUPYTERHUB_ACTIVITY_URL"],
                headers={"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"},
                json={"servers": {"": {"last_activity": now}}, "last_activity": now},
            ) as answer:
                await answer.read()

    async def report_in_turns(self) -> None:
        """Let all servers report, each once in `REPORT_S`."""
        reporting: set[asyncio.Task[None]] = set()
        while True:
            for identity in list(self.sites):
                await asyncio.sleep(REPORT_S / max(1, len(self.sites)))
                if identity in self.sites:
                    task = asyncio.create_task(self.report(identity))
                    reporting.add(task)
                    task.add_done_callback(reporting.discard)
            if not self.sites:
                await asyncio.sleep(1)


def engine_api(engine: Engine) -> web.Application:
    """What docker-py asks, with and without the version of the API before the path."""
    tasks: set[asyncio.Task[None]] = set()
    identities = map(container_id, count(1_000_000))

    async def create(request: web.Request) -> web.Response:
        identity = next(identities)
        engine.create(request.query["name"], await request.json(), identity)
        return web.json_response({"Id": identity, "Warnings": []}, status=201)

    async def start(request: web.Request) -> web.Response:
        identity = engine.find(request.match_info["key"])
        await engine.start(identity)
        task = asyncio.create_task(engine.ask_version(identity))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return web.Response(status=204)

    async def remove(request: web.Request) -> web.Response:
        await engine.remove(engine.find(request.match_info["key"]))
        return web.Response(status=204)

    async def inspect(request: web.Request) -> web.Response:
        return web.json_response(engine.containers[engine.find(request.match_info["key"])])

    async def listed(_: web.Request) -> web.Response:
        return web.json_response(
            [
                {"Id": identity, "Labels": container["Config"]["Labels"]}
                for identity, container in engine.containers.items()
            ]
        )

    async def events(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await asyncio.Event().wait()  # nothing ends here by itself
        return stream

    def always(document: object) -> Any:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(document)

        return answer

    network = {
        "Name": NETWORK,
        "Id": NETWORK,
        "IPAM": {"Config": [{"Gateway": "127.0.0.1"}]},
        "Options": {"com.docker.network.bridge.enable_icc": "false"},
    }
    app = web.Application()
    for prefix in ("", "/v{version:[0-9.]+}"):
        app.add_routes(
            [
                web.get(f"{prefix}/version", always({"ApiVersion": "1.41", "Version": "fake"})),
                web.get(f"{prefix}/info", always({"NCPU": PROCESSORS})),
                web.get(f"{prefix}/networks", always([network])),
                web.get(f"{prefix}/networks/{{key}}", always(network)),
                web.get(f"{prefix}/images/{{key:.+}}/json", always({"Id": IMAGE_ID, "Config": {"Cmd": ["start-p2m"]}})),
                web.get(f"{prefix}/events", events),
                web.get(f"{prefix}/containers/json", listed),
                web.post(f"{prefix}/containers/create", create),
                web.get(f"{prefix}/containers/{{key}}/json", inspect),
                web.post(f"{prefix}/containers/{{key}}/start", start),
                web.post(f"{prefix}/containers/{{key}}/stop", remove),  # as with auto_remove
                web.delete(f"{prefix}/containers/{{key}}", remove),
            ]
        )
    return app


def server_pages() -> web.Application:
    """What the hub and the gateway ask of a user's server."""
    headers = {"X-JupyterHub-Version": jupyterhub.__version__}

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": jupyterhub.__version__}, headers=headers)

    async def status(_: web.Request) -> web.Response:
        return web.json_response(STATUS)

    async def mcp(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": TOOLS})

    app = web.Application()
    app.add_routes(
        [
            web.get("/user/{name}/api", version),
            web.get("/user/{name}/p2m/status", status),
            web.post("/user/{name}/p2m/mcp", mcp),
        ]
    )
    return app


async def serve(port: int, containers: int, activity_url: str) -> None:
    """Serve until the process is ended."""
    engine = Engine()
    engine.servers = web.AppRunner(server_pages(), access_log=None)
    await engine.servers.setup()
    for number in range(containers):
        engine.create(f"p2m-{user_name(number)}", first_container(number, activity_url), container_id(number))
        await engine.start(container_id(number))
    async with ClientSession(trust_env=False) as engine.http:
        api = web.AppRunner(engine_api(engine), access_log=None)
        await api.setup()
        await web.TCPSite(api, "127.0.0.1", port).start()
        await engine.report_in_turns()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
