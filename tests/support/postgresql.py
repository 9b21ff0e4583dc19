"""Debian's PostgreSQL as a plain user in a temporary directory, on a unix socket and the loopback."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from .ports import free_port
from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]

PASSWORD = "s3cret:with\\special@characters"
"""Of everybody who comes over the network."""


def programs() -> Path:
    """The folder of the installed server's programs, or of the one that `deploy/environment test` has unpacked."""
    places = (Path("/"), ROOT / ".venv/postgresql")
    return max(found for place in places for found in place.glob("usr/lib/postgresql/*/bin"))


class PostgreSQL:
    """A server with a superuser ``p2m``, who comes without a password by the socket and with one by the loopback.

    Attributes:
        folder: Where it keeps everything.
        port: On the loopback, and of the socket's name.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="p2m-postgresql-"))
        self.port = free_port()
        # It refuses to run as root.
        self._user = {"user": "nobody", "extra_groups": ()} if os.getuid() == 0 else {}
        if self._user:
            shutil.chown(self.folder, "nobody")
        unpacked = sorted(str(each) for each in (ROOT / ".venv/postgresql").glob("usr/lib/*-linux-gnu"))
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": ":".join(unpacked)}
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "--pgdata", "data", "--username", "p2m", "--pwfile", "password", "--auth-local", "trust",
            "--auth-host", "scram-sha-256", "--encoding", "UTF8", "--no-sync",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False,
            **self._user,
        )  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == 0, done.stderr

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "log"

    def url(self, database: str = "postgres") -> str:
        """A URL by the socket."""
        return f"postgresql://p2m@/{database}?host={self.folder}&port={self.port}"

    def network_url(self, database: str = "postgres", password: str = "") -> str:
        """A URL by the loopback."""
        return f"postgresql://p2m{f':{password}' if password else ''}@127.0.0.1:{self.port}/{database}"

    def start(self) -> "PostgreSQL":
        """Start it and wait until it answers. Times are shown in a zone that is not UTC, as on many servers."""
        options = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "fsync": "off",
            "timezone": "Asia/Kathmandu", "shared_buffers": "16MB",
        }  # fmt: skip
        command = [str(programs() / "postgres"), "-D", "data"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, **self._user
            )  # type: ignore[call-overload]
        wait_for(self._answers, 20, f"PostgreSQL in {self.folder}")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.log.read_text())
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def new_database(self, name: str) -> str:
        """Make an empty database; its URL by the socket."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        return self.url(name)

    def stop(self) -> None:
        """Stop it; what it has stays."""
        if self._process is not None:
            self._process.send_signal(2)  # ends connections (fast shutdown)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop it and remove everything."""
        self.stop()
        shutil.rmtree(self.folder)
