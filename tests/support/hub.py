"""A real hub, started as `make up` starts it, with its own state folder and ports."""

import contextlib
import html
import os
import re
import secrets
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import docker
import requests

from .image import IMAGE
from .ports import free_port
from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


class Hub:
    """A hub in a process of its own.

    Args:
        state_dir: Its state folder; also where its log goes.
        settings: More ``P2M_*`` settings.
        command: What starts it in the project's folder.
        address: Where it listens.
    """

    def __init__(
        self,
        state_dir: Path,
        command: tuple[str, ...] = ("deploy/hub", "up"),
        address: str = "127.0.0.1",
        **settings: str,
    ) -> None:
        self.state_dir = state_dir
        self.command = command
        self.folder = ROOT
        self.log = state_dir.parent / f"{state_dir.name}-output.log"
        self.port = free_port()
        self.url = f"http://{address}:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("P2M_")},
            "P2M_BIND": address,
            "P2M_SIGNUP": "open",
            "P2M_PORT": str(self.port),
            "P2M_HUB_PORT": str(free_port()),
            "P2M_PROXY_API_PORT": str(free_port()),
            "P2M_GATEWAY_PORT": str(free_port()),
            "P2M_STATE": str(state_dir),
            "P2M_IMAGE": IMAGE,
            "P2M_IDLE_TIMEOUT": "0",  # no culler beside hubs whose tests do not wait for it
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.people: list[Person] = []

    def start(self, seconds: float = 60) -> "Hub":
        """Start it and wait until it answers."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, seconds, f"hub at {self.url}")
        except (TimeoutError, RuntimeError):
            print(self.output())
            self.down()
            raise
        return self

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"The hub ended with {self.process.returncode}")
        try:
            return requests.get(f"{self.url}/hub/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    def output(self) -> str:
        """What it printed."""
        return self.log.read_text(errors="replace")

    def interrupt(self, seconds: float = 30) -> int:
        """Press Ctrl-C: SIGINT to its whole process group, as a terminal does. Returns its exit code."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it by SIGKILL: what started it first, so that nobody tidies up behind it. Its proxy goes on."""
        assert self.process
        hub = int((self.state_dir / "hub.pid").read_text())
        self.process.kill()
        self.process.wait(30)
        os.kill(hub, signal.SIGKILL)
        wait_for(lambda: not is_running(hub), 10, "the end of the hub")

    @property
    def engine(self) -> docker.DockerClient:
        """Its engine: the machine's, unless ``DOCKER_HOST`` is among its settings."""
        return docker.from_env(environment=self.environment)

    def down(self) -> None:
        """Stop the hub as `make down` does, and remove its containers and the volumes of the people of this test."""
        for container in self.containers():  # nobody waits for what they would save
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)
        self.end()
        for person in self.people:
            with contextlib.suppress(docker.errors.NotFound):
                self.engine.volumes.get(person.volume).remove()

    def end(self) -> None:
        """Stop hub and containers as `make down` does."""
        try:
            subprocess.run(["deploy/hub", "down"], cwd=ROOT, env=self.environment, check=True, timeout=120)
        finally:
            if self.process:
                self.process.terminate()  # a hub that deploy/hub did not start
                self.process.wait(30)

    def print_logs(self) -> None:
        """Print its log and those of its containers: shown by pytest with a failed test."""
        print("=== hub\n", self.output()[-8000:])
        for container in self.containers():
            print(f"=== container {container.name}\n", container.logs(tail=80).decode(errors="replace"))

    @property
    def admin_password(self) -> str:
        """The generated password of the administrator."""
        return (self.state_dir / "admin-password").read_text().strip()

    def person(self, stem: str = "user") -> "Person":
        """Somebody who has not signed up yet, with a name that no other run has used."""
        someone = Person(self, f"{stem}{secrets.token_hex(3)}", f"correct horse {secrets.token_hex(4)}")
        self.people.append(someone)
        return someone

    def admin(self) -> "Person":
        """The administrator, logged in."""
        admin = Person(self, "admin", self.admin_password)
        admin.log_in()
        return admin

    def containers(self) -> list[Any]:
        """The user containers of this hub, running or not."""
        found: list[Any] = self.engine.containers.list(all=True, filters={"label": f"p2m.hub={self.state_dir}"})
        return found

    def container_of(self, person: "Person") -> Any:
        """A person's container."""
        return self.engine.containers.get(f"p2m-{person.name}")


def is_running(pid: int) -> bool:
    """Whether there is a process of this id that has not ended; one that nobody has waited for has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Person:
    """Somebody at a browser: a session with cookies that fills in the hub's forms and uses its API."""

    def __init__(self, hub: Hub, name: str, password: str) -> None:
        self.hub = hub
        self.name = name
        self.password = password
        self.session = requests.Session()
        self.token = ""

    @property
    def volume(self) -> str:
        """Name of the volume of the home."""
        return f"p2m-{self.name}"

    @property
    def mcp_url(self) -> str:
        """The person's own MCP endpoint."""
        return self.server_url("p2m/mcp")

    def server_url(self, path: str = "") -> str:
        """A URL below the person's server."""
        return f"{self.hub.url}/user/{self.name}/{path}"

    def post_form(self, page: str, **fields: str) -> requests.Response:
        """Open a page of the hub and send its form, with the XSRF token that the page set."""
        # Without redirects: the login page sends somebody who is logged in on to their server, and so starts it.
        self.session.get(f"{self.hub.url}/hub/{page}", timeout=30, allow_redirects=False)
        return self.session.post(
            f"{self.hub.url}/hub/{page}", data={"_xsrf": self.session.cookies.get("_xsrf", path="/hub/"), **fields},
            timeout=30, allow_redirects=False,
        )  # fmt: skip

    def sign_up(self) -> "Person":
        """Sign up; with open sign-up the person is logged in afterwards."""
        answer = self.post_form(
            "signup", username=self.name, password=self.password, password_confirmation=self.password
        )
        assert answer.status_code in (200, 201, 302), answer.text
        return self

    def log_in(self) -> "Person":
        """Log in and make an API token of all the person's rights."""
        answer = self.post_form("login", username=self.name, password=self.password)
        assert answer.status_code == 302, answer.text
        self.session.get(f"{self.hub.url}/hub/home", timeout=30)
        made = self.session.post(
            f"{self.hub.url}/hub/api/users/{self.name}/tokens",
            json={"note": "test", "expires_in": 3600},
            headers={"X-XSRFToken": self.session.cookies.get("_xsrf", path="/hub/") or ""},
            timeout=30,
        )
        made.raise_for_status()
        self.token = made.json()["token"]
        return self

    def api(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the hub's REST API with the person's token."""
        return requests.request(
            method,
            f"{self.hub.url}/hub/api/{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=kwargs.pop("timeout", 60),
            **kwargs,
        )

    def request_server(self, **options: str) -> None:
        """Ask for the server, with a user's options if there are any; returns before it is ready."""
        answer = self.api("POST", f"users/{self.name}/server", json=options or None)
        assert answer.status_code in (201, 202), answer.text

    def request_server_soon(self) -> None:
        """Ask for the server from another thread: the hub may answer late, or not at all if it is killed."""

        def ask() -> None:
            with contextlib.suppress(requests.RequestException):
                self.api("POST", f"users/{self.name}/server")

        threading.Thread(target=ask, daemon=True).start()

    def start_and_follow(self) -> list[str]:
        """Ask for the server and follow its start to the end; the messages in order.

        The hub answers the request itself only after up to 10 s, so it is sent from another thread.
        """
        asking = threading.Thread(target=self.api, args=("POST", f"users/{self.name}/server"))
        asking.start()

        def follow() -> list[str]:
            with self.api("GET", f"users/{self.name}/server/progress", stream=True) as events:
                if not events.ok:  # not asked for yet
                    return []
                return re.findall(r'"message": "([^"]*)"', "\n".join(events.iter_lines(decode_unicode=True)))

        try:
            return wait_for(follow, 10, "start of the server", interval=0.01)
        finally:
            asking.join(60)

    def start_server(self, **options: str) -> "Person":
        """Start the server, with a user's options if there are any, and wait until it is ready."""
        self.request_server(**options)
        wait_for(self.is_ready, 180, f"server of {self.name}")
        return self

    def is_ready(self) -> bool:
        """Whether the hub says that the server is ready; an assertion tells when the start has failed."""
        server = self.servers().get("")
        if server is None:
            raise RuntimeError(f"The server of {self.name} did not start:\n{self.hub.output()[-6000:]}")
        return bool(server["ready"])

    def servers(self) -> dict[str, Any]:
        """The hub's models of the person's servers that run or are starting, by their names."""
        return dict(self.api("GET", f"users/{self.name}").json()["servers"])

    def ending(self) -> dict[str, Any]:
        """How the server ended last, by the hub's API."""
        answer = self.api("GET", f"p2m/endings/{self.name}/")
        answer.raise_for_status()
        return dict(answer.json())

    def status(self) -> dict[str, Any]:
        """The status document of the person's server."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return dict(requests.get(self.server_url("p2m/status"), headers=headers, timeout=10).json())

    def page(self, path: str = "lab") -> str:
        """What the person reads at an address of their server."""
        return html.unescape(self.session.get(self.server_url(path), timeout=60).text)

    def stop_server(self) -> None:
        """Stop the server and wait until it is gone."""
        self.api("DELETE", f"users/{self.name}/server")
        wait_for(lambda: not self.servers(), 60, f"stop of {self.name}")

    def container(self) -> Any:
        """The person's container."""
        return self.hub.container_of(self)
