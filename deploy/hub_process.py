"""The hub as a process: ``deploy/hub check``, ``deploy/hub up`` in the foreground, ``deploy/hub down``.

Standard library and the project's settings only, so that ``make down`` works without the virtual environment; what
``check`` asks of profiles needs more.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from hub_config.settings import SettingError, Settings

ROOT = Path(__file__).resolve().parent.parent
CONFIG_FILE = ROOT / "jupyterhub_config.py"

FREE_MEGABYTES = 200  # in the state folder
START_SECONDS = 90.0  # until the hub answers
STOP_SECONDS = 20.0  # until a hub that was asked to stop is killed
REMOVE_SECONDS = 20.0  # until the engine has removed them
GRACE_SECONDS = 10  # for a user's container: Blender saves its work in it
POLL_SECONDS = 0.1


class ProblemError(Exception):
    """What keeps the hub from running; the text is one sentence that says how to mend it."""


def say(text: str) -> None:
    """Print one line about the hub."""
    print(f"==> hub: {text}", flush=True)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


class PidFile:
    """A file with the id of a process, which counts as running only while its command line has the given word."""

    def __init__(self, path: Path, word: str):
        self.path = path
        self.word = word

    def running(self) -> int | None:
        """Id of the running process, or None."""
        try:
            pid = int(self.path.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if self.word.encode() in command else None

    def stop(self, seconds: float) -> bool:
        """Stop the process, by force when it takes too long, and remove the file; whether there was a process."""
        pid = self.running()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                if not wait_until(lambda: self.running() != pid, seconds):
                    os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: self.running() != pid, 5.0)
        self.path.unlink(missing_ok=True)
        return pid is not None


def hub_pid_file(settings: Settings) -> PidFile:
    """The hub of this state folder."""
    return PidFile(settings.state_dir / "hub.pid", str(CONFIG_FILE))


def proxy_pid_file(settings: Settings) -> PidFile:
    """The hub's proxy, which survives a hub that was killed; JupyterHub writes the file."""
    return PidFile(settings.state_dir / "proxy.pid", "configurable-http-proxy")


def gateway_pid_file(settings: Settings) -> PidFile:
    """The gateway, which survives a hub that was killed; it writes the file itself."""
    return PidFile(settings.state_dir / "gateway.pid", "p2m_spawner.gateway")


def stop_orphans(settings: Settings) -> None:
    """End what a hub that was killed has left running."""
    for pid_file in (proxy_pid_file(settings), gateway_pid_file(settings)):
        pid_file.stop(5.0)


# Checks


def check(settings: Settings) -> None:
    """Raise ``ProblemError`` unless a hub can start; leaves no trace when it cannot."""
    check_profiles(settings.profiles)
    check_state_dir(settings.state_dir)
    pid = hub_pid_file(settings).running()
    if pid is not None:
        raise ProblemError(
            f"a hub with the state {settings.state_dir} runs already (process {pid}); use it, "
            "stop it with `make down`, or set P2M_STATE and P2M_PORT for a second one."
        )
    stop_orphans(settings)
    check_port(settings.bind, settings.port, "P2M_PORT")
    check_port(hub_address(settings), settings.hub_port, "P2M_HUB_PORT")
    check_port("127.0.0.1", settings.proxy_api_port, "P2M_PROXY_API_PORT")
    check_port("127.0.0.1", settings.gateway_port, "P2M_GATEWAY_PORT")


def check_profiles(path: Path | None) -> None:
    """The file of profiles, if there is one, can be used."""
    if path is None:
        return
    from p2m_spawner.profiles import ProfileError
    from p2m_spawner.profiles_file import read_profiles

    try:
        read_profiles(path)
    except ProfileError as error:
        raise ProblemError(f"P2M_PROFILES: {error}") from None


def check_state_dir(state_dir: Path) -> None:
    """The state folder can be written, and there is room in it."""
    existing = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    free = shutil.disk_usage(existing).free // 2**20
    if free < FREE_MEGABYTES:
        raise ProblemError(
            f"the disk of {state_dir} has {free} MB free and the hub needs {FREE_MEGABYTES} MB; free some space, "
            "or set P2M_STATE to a folder on another disk."
        )
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ProblemError(
            f"{user_name()} cannot write to {existing}; grant the right to, or set P2M_STATE to another folder."
        )


def user_name() -> str:
    """Name or number of the user that runs this."""
    return os.environ.get("USER") or f"user {os.getuid()}"


def check_port(address: str, port: int, setting: str) -> None:
    """The port can be listened on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen()
        except OSError as error:
            reasons = {
                errno.EADDRINUSE: f"port {port} on {address} is taken; stop the program that uses it",
                errno.EACCES: f"{user_name()} may not listen on port {port}; ports below 1024 need root",
                errno.EADDRNOTAVAIL: f"this machine has no address {address}; correct P2M_BIND",
            }
            reason = reasons.get(error.errno or 0, f"cannot listen on {address} port {port} ({error.strerror})")
            raise ProblemError(f"{reason}, or choose another port: `{setting}={port + 10} make up`.") from None


def hub_address(settings: Settings) -> str:
    """Address on which the hub will listen for containers; every address while it is not known yet."""
    if settings.engine == "swarm":
        question = ["info", "--format", "{{.Swarm.NodeAddr}}"]
    else:
        template = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
        question = ["network", "inspect", "--format", template, settings.network]
    with suppress(ProblemError):
        for word in docker(*question).split():
            return word
    return "0.0.0.0"  # noqa: S104 - only probed, not listened on


# Up


class Stopper:
    """Remembers that somebody asked this process to stop (Ctrl-C, ``kill``, a closed terminal)."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def up(settings: Settings) -> None:
    """Run the hub until it ends or is asked to stop."""
    stopper = Stopper()
    check(settings)
    log = hub_log(settings)
    with hub_process(settings, log) as hub, log.open("rb") as lines:
        say("starting")
        in_time = wait_until(lambda: hub.poll() is not None or stopper.asked or hub_answers(settings), START_SECONDS)
        if hub.poll() is not None and not stopper.asked:
            raise ProblemError(f"the hub ended while it started; mend what its log says.\n{end_of(log)}")
        if not in_time:
            raise ProblemError(f"the hub did not answer within {START_SECONDS:.0f} seconds.\n{end_of(log)}")
        if not stopper.asked:
            lines.seek(0, os.SEEK_END)
            print_banner(settings, log)
        while hub.poll() is None and not stopper.asked:
            copy_lines(lines)
            time.sleep(POLL_SECONDS)
        if not stopper.asked:
            copy_lines(lines)
            if hub.returncode:
                raise ProblemError(f"the hub ended unexpectedly (status {hub.returncode}); its log says why: {log}")
    say("stopped; users' containers go on (`make down` stops them)")


def hub_log(settings: Settings) -> Path:
    """A fresh log; the one before is kept beside it."""
    log = settings.state_dir / "logs" / "hub.log"
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.parent.mkdir(exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
    return log


@contextmanager
def hub_process(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """JupyterHub for the time of a ``with``, and its pid file.

    It runs in a session of its own: a Ctrl-C reaches this process, which asks the hub once.
    """
    command = [str(ROOT / ".venv/bin/jupyterhub"), "-f", str(CONFIG_FILE)]
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with log.open("ab") as output:
        hub = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    pid_file = hub_pid_file(settings)
    try:
        pid_file.path.write_text(f"{hub.pid}\n")
        yield hub
    finally:
        if hub.poll() is None:
            say("stopping")
            hub.terminate()
            try:
                hub.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                hub.kill()
                hub.wait()
        stop_orphans(settings)
        pid_file.path.unlink(missing_ok=True)


def hub_answers(settings: Settings) -> bool:
    """Whether the hub answers itself, then the gateway, then the hub's proxy, which logs early questions as errors."""
    hub = f"http://{hub_address(settings)}:{settings.hub_port}/hub/health"
    gateway = f"http://127.0.0.1:{settings.gateway_port}/services/p2m/health"
    return all(answers(url) for url in (hub, gateway, f"{settings.local_url}/hub/health"))


def answers(url: str) -> bool:
    """Whether a GET of the URL gives 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy of the environment
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def print_banner(settings: Settings, log: Path) -> None:
    """Say where the hub is and who may administrate it."""
    if settings.auth != "accounts":
        password = "asked for by the sign-in provider"  # noqa: S105
    elif settings.admin_password_file.exists():
        password = f"in {settings.admin_password_file}"
    else:
        password = "the one given as P2M_ADMIN_PASSWORD at the first start"  # noqa: S105
    say("ready")
    print(f"    Address         {settings.public_url}")
    print(f"    Administrator   {settings.admin_user}")
    print(f"    Password        {password}")
    print(f"    Log             {log}")
    print("    Ctrl-C stops the hub and leaves users' containers running; `make down` stops all.", flush=True)


def copy_lines(lines: BinaryIO) -> None:
    """Print what the log got since the last call."""
    if text := lines.read():
        sys.stdout.buffer.write(text)
        sys.stdout.flush()


def end_of(log: Path) -> str:
    """The last lines of a log, indented, and where it is."""
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join([*(f"    {line}" for line in lines), f"    The whole log: {log}"])


# Down


def down(settings: Settings) -> None:
    """Stop the hub, its proxy and its users' containers; volumes stay."""
    if hub_pid_file(settings).stop(STOP_SECONDS):
        say("stopped")
    else:
        say("was not running")
    stop_orphans(settings)
    if shutil.which("docker") is None:
        say("no Docker here, so no users' containers")
        return
    remove_containers(settings)


def remove_containers(settings: Settings) -> None:
    """Remove the users' containers, or on a swarm their services; Blender saves first."""
    containers = user_containers(settings)
    if not containers:
        say("no users' containers were left")
        return
    say(f"stopping {len(containers)} of its users' containers (up to {GRACE_SECONDS} s)")
    if settings.engine == "swarm":
        actions = [["service", "rm"]]
    else:
        actions = [["stop", "--time", str(GRACE_SECONDS)], ["rm", "--force"]]
    for action in actions:
        with suppress(ProblemError):  # a container may remove itself meanwhile; what is left is looked at below
            docker(*action, *containers)
    if not wait_until(lambda: not user_containers(settings), REMOVE_SECONDS):
        left = " ".join(user_containers(settings))
        raise ProblemError(f"Docker could not remove these containers: {left}; try `docker rm --force` on them.")
    say("users' containers are removed; their volumes stay")


def user_containers(settings: Settings) -> list[str]:
    """Ids of the containers of this hub's users, running or not; on a swarm of their services."""
    what = ["service", "ls"] if settings.engine == "swarm" else ["ps", "--all"]
    return docker(*what, "--quiet", "--filter", f"label=p2m.hub={settings.state_dir}").split()


def docker(*arguments: str) -> str:
    """Output of one call of the docker command.

    Raises:
        ProblemError: It failed or took over a minute.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise ProblemError("there is no `docker` command; run `deploy/engine`.") from None
    except subprocess.TimeoutExpired:
        raise ProblemError("Docker did not answer within a minute; look at its engine and try again.") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or [f"status {error.returncode}"]
        raise ProblemError(f"Docker refused ({reason[0]}); check that its engine runs and try again.") from None
    return done.stdout


def main() -> int:
    """Run one command; 1 with a sentence when it cannot be done."""
    commands = {"check": check, "up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("usage: deploy/hub check | up | down", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]](Settings.from_environment(os.environ))
    except (ProblemError, SettingError) as problem:
        print(f"==> hub: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"==> hub: {error}; mend that and run it again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
