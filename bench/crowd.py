"""A hub with thousands of active servers on the fake engine (`bench.fake_engine`), as after a restart of the hub.

Starting thousands one by one takes minutes. So the hub makes its empty database, and a server in it for each of the
engine's first containers is written as the hub itself writes it; then the hub starts and finds them.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
from jupyterhub import orm
from jupyterhub.utils import hash_token

from bench import fake_engine
from tests.support.hub import ROOT, Hub
from tests.support.ports import free_port
from tests.support.waiting import wait_for

HUB = (".venv/bin/jupyterhub", "-f", "bench/scale_hub_config.py")
KNOWN_WITHIN_S = 300.0


@dataclass(frozen=True)
class Crowd:
    """What runs.

    Attributes:
        hub: The hub.
        admin: A token of its administrator.
        known_after: Seconds from the start of the hub's process until it has found all servers running.
    """

    hub: Hub
    admin: str
    known_after: float

    def api(self, method: str, path: str, **options: object) -> requests.Response:
        """Call the hub's REST API as its administrator."""
        answer = requests.request(
            method, f"{self.hub.url}/hub/api/{path}", headers={"Authorization": f"Bearer {self.admin}"},
            timeout=120, **options,  # type: ignore[arg-type]
        )  # fmt: skip
        answer.raise_for_status()
        return answer

    def metric(self, name: str) -> float:
        """One of the hub's metrics, which has no labels."""
        token = (self.hub.state_dir / "metrics-token").read_text().strip()
        metrics = requests.get(f"{self.hub.url}/hub/metrics", headers={"Authorization": f"token {token}"}, timeout=60)
        metrics.raise_for_status()
        (line,) = (line for line in metrics.text.splitlines() if line.startswith(f"{name} "))
        return float(line.split()[1])


@contextlib.contextmanager
def crowd(folder: Path, servers: int, *, sweep: bool) -> Iterator[Crowd]:
    """Run engine and hub until the block ends.

    Args:
        folder: Where the hub keeps its state; empty.
        servers: How many are active.
        sweep: Whether the hub looks for containers that nobody owns when it starts, as it does unless `hub_id` is the
            default.
    """
    port = free_port()
    hub = Hub(folder / "state", command=HUB, P2M_NETWORK=fake_engine.NETWORK, P2M_IMAGE="p2m/fake:latest",
              DOCKER_HOST=f"tcp://127.0.0.1:{port}")  # fmt: skip
    if not sweep:
        hub.environment["BENCH_NO_SWEEP"] = "1"
    activity = f"http://127.0.0.1:{hub.environment['P2M_HUB_PORT']}/hub/api/users/{{name}}/activity"
    with engine(port, 0, activity):
        hub.start()
        admin = hub.admin().token
        hub.interrupt(60)
    fill(hub.state_dir / "jupyterhub.sqlite", servers)
    with engine(port, servers, activity):
        began = time.monotonic()
        hub.start(KNOWN_WITHIN_S)
        running = Crowd(hub, admin, 0.0)
        try:
            wait_for(lambda: known(running) == servers, KNOWN_WITHIN_S, f"{servers} servers", interval=0.2)
            yield Crowd(hub, admin, time.monotonic() - began)
        except BaseException:
            print(hub.output()[-8000:])
            raise
        finally:
            hub.interrupt(60)


@contextlib.contextmanager
def engine(port: int, containers: int, activity_url: str) -> Iterator[None]:
    """Run the fake engine in a process of its own until the block ends."""
    command = [sys.executable, "-m", "bench.fake_engine", str(port), str(containers), activity_url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/version"), 60, "the fake engine")
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def known(running: Crowd) -> float:
    """How many servers the hub has found running; none before it is through with all of them."""
    return running.metric("jupyterhub_running_servers")


def fill(database: Path, servers: int) -> None:
    """Write users whose servers run into the database of a hub that does not run."""
    session = orm.new_session_factory(f"sqlite:///{database}")()
    default = orm.Role.find(session, "user")
    server_scopes = sorted(orm.Role.find(session, "server").scopes)
    secret = hash_token("secret")  # of an OAuth client; hashing is slow on purpose
    now = datetime.now(UTC).replace(tzinfo=None)
    for number in range(servers):
        name = fake_engine.user_name(number)
        user = orm.User(name=name, created=now, last_activity=now)
        session.add(user)
        user.roles.append(default)
        identity = fake_engine.container_id(number)
        ports = {"ui": fake_engine.FIRST_PORT + number, "mcp": fake_engine.FIRST_PORT + 20_000 + number}
        client = orm.OAuthClient(
            identifier=f"jupyterhub-user-{name}", description=f"Server at /user/{name}/", secret=secret,
            redirect_uri=f"/user/{name}/oauth_callback", allowed_scopes=[f"access:servers!server={name}/"],
        )  # fmt: skip
        server = orm.Server(proto="http", ip=fake_engine.HOST, port=ports["ui"], base_url=f"/user/{name}/")
        state = {"object_id": identity, "object_name": f"p2m-{name}", "ports": ports, "ready": True}
        spawner = orm.Spawner(user=user, name="", server=server, oauth_client=client, state=state)
        spawner.started = spawner.last_activity = now
        session.add(spawner)
        token = orm.APIToken(user=user, client_id="jupyterhub", note=f"Server at /user/{name}/", generated=True,
                             scopes=server_scopes)  # fmt: skip
        session.add(token)
        token.token = fake_engine.server_token(number)
    session.commit()
    session.close()
