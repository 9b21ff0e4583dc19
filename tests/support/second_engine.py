"""An engine of the test's own, which it may kill, restart and fill up; the machine's engine is left alone.

A Docker daemon in a network namespace of its own, with its own data, state, socket and containerd. In that namespace it
makes its own docker0 and its own rules, so it shares nothing with the machine's. One pair of virtual interfaces leads
there: a hub that runs inside (:attr:`SecondEngine.inside`) is reached at :attr:`SecondEngine.address`.

Needs root, as the machine's own engine does.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from .hub import is_running
from .waiting import wait_for

START_S = 90.0


class SecondEngine:
    """A Docker daemon of its own.

    Args:
        data: Folder for images, containers and volumes; may be kept for another engine later.
        number: Tells the engines of one machine apart: network 10.213.NUMBER.0/30.
        disk_megabytes: Size of a disk for containers alone, so that a test can fill it; None: they lie in `data`.
    """

    def __init__(self, data: Path, number: int = 1, disk_megabytes: int | None = None) -> None:
        self.data = data
        self.containers = data / "containers"
        self._disk_megabytes = disk_megabytes
        self.name = f"p2m-test-{secrets.token_hex(3)}"
        self.state = Path("/run") / self.name  # a socket's path must be short
        self.outside_address = f"10.213.{number}.1"
        self.address = f"10.213.{number}.2"
        self.log = self.state / "dockerd.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: tuple[str, ...] = ()  # more of the daemon's command line
        self.environment: dict[str, str] = {}  # more of the daemon's environment

    @property
    def url(self) -> str:
        """For ``DOCKER_HOST``."""
        return f"unix://{self.state}/docker.sock"

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command is put behind to run in the engine's network. `ip netns exec` would hide the cgroups."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def client(self) -> docker.DockerClient:
        """A client of this engine."""
        return docker.DockerClient(base_url=self.url)

    def set_up(self) -> None:
        """Make the network; `start` comes next."""
        self.state.mkdir(mode=0o700)
        self.containers.mkdir(parents=True, exist_ok=True)
        # The daemon mounts its data over itself when it is no mount yet, and would hide the disk below.
        run("mount", "--bind", str(self.data), str(self.data))
        run("mount", "--make-private", str(self.data))
        if self._disk_megabytes:
            run("mount", "-t", "tmpfs", "-o", f"size={self._disk_megabytes}m", self.name, str(self.containers))
        outer, inner = f"{self.name[-6:]}-o", f"{self.name[-6:]}-i"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name)
        run("ip", "address", "add", f"{self.outside_address}/30", "dev", outer)
        run("ip", "link", "set", outer, "up")
        for command in (
            ("ip", "address", "add", f"{self.address}/30", "dev", inner),
            ("ip", "link", "set", inner, "up"),
            ("ip", "link", "set", "lo", "up"),
        ):
            run(*self.inside, *command)

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.inside,
                    # With a host name of its own, which nodes of a swarm are known by.
                    *("unshare", "--uts", "sh", "-c", f'hostname {self.name} && exec "$0" "$@"'),
                    "dockerd",
                    f"--data-root={self.data}",
                    f"--exec-root={self.state}/exec",
                    f"--pidfile={self.state}/dockerd.pid",
                    f"--host={self.url}",
                    f"--containerd-namespace={self.name}",
                    f"--containerd-plugins-namespace={self.name}-plugins",
                    *self.options,
                ],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, START_S, f"the engine at {self.url}")

    def is_up(self) -> bool:
        """Whether it runs and answers."""
        return self.process is not None and self.process.poll() is None and self._answers()

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"The engine ended with {self.process.returncode}:\n{self.output()}")
        try:
            with contextlib.closing(self.client()) as client:
                return bool(client.ping())
        except (DockerException, RequestException):
            return False

    def output(self) -> str:
        """What the daemon printed lately."""
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon: by SIGTERM it ends its containers in good order, by SIGKILL it leaves them as they are."""
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, how)
        self.process.wait(60)
        self.process = None
        # Its containerd has ended with it. Where nobody has waited for that process, the next daemon would take it for
        # one that runs, and wait for its socket.
        pid_file = self.state / "exec/containerd/containerd.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text())
            wait_for(lambda: not is_running(pid), 30, "the end of the engine's containerd")
            pid_file.unlink(missing_ok=True)

    def load(self, image: str) -> None:
        """Bring an image from the machine's engine, unless this one has it already."""
        wanted = docker.from_env().images.get(image).id
        with contextlib.closing(self.client()) as client:
            if any(image in found.tags and found.id == wanted for found in client.images.list()):
                return
        saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        subprocess.run(["docker", f"--host={self.url}", "load", "--quiet"], stdin=saved.stdout, check=True, timeout=600)
        assert saved.wait(10) == 0

    def tear_down(self) -> None:
        """Remove its containers, volumes and networks, end it, and take its network away; its images stay in `data`."""
        try:
            if self.is_up():
                with contextlib.closing(self.client()) as client:
                    for container in client.containers.list(all=True):
                        container.remove(force=True, v=True)
                    for volume in client.volumes.list():
                        volume.remove(force=True)
                self.stop()
        finally:
            self._end_the_rest()
            subprocess.run(["ip", "netns", "delete", self.name], check=False)  # not there if the set-up failed early
            shutil.rmtree(self.state, ignore_errors=True)

    def _end_the_rest(self) -> None:
        """End what a daemon that was killed left behind: its containerd, shims and containers, by their ids."""
        end = time.monotonic() + 10
        while (left := self._processes()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            target = mount.split()[1]
            if target == str(self.data) or target.startswith((f"{self.data}/", f"{self.state}/")):
                subprocess.run(["umount", "--lazy", target], check=False)

    def _processes(self) -> list[int]:
        """Processes whose command line names this engine's folders."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    command = (folder / "cmdline").read_bytes()
                    if f"{self.state}/".encode() in command:
                        found.append(int(folder.name))
        return found


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def second_engine(data: Path, *images: str, **options: int) -> Iterator[SecondEngine]:
    """An engine for the time of a ``with``, with images of the machine's engine; `options` as :class:`SecondEngine`."""
    engine = SecondEngine(data, **options)
    try:
        engine.set_up()
        engine.start()
        for image in images:
            engine.load(image)
        yield engine
    except BaseException:
        print(engine.output())
        raise
    finally:
        engine.tear_down()
