"""Debian's nginx with the configuration that a page has, on ports of its own."""

import shutil
import subprocess
from pathlib import Path

from tests.support.hub import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_for

FRAME = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/p2m.conf;
}}
"""
"""What Debian's own nginx.conf has around a site, as far as it matters."""


def program() -> str:
    """The installed nginx, or the one that `deploy/environment test` has unpacked."""
    return shutil.which("nginx") or str(ROOT / ".venv/nginx/usr/sbin/nginx")


class Nginx:
    """A reverse proxy for a hub of the name localhost.

    Args:
        folder: A folder of the test's.

    Attributes:
        etc: What the page calls /etc/p2m.
        replaced: How the page's configuration and commands are written here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc = folder / "etc"
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.replaced = {
            "/etc/p2m": str(self.etc),
            "https://hub.example.org": self.url,
            "hub.example.org": "localhost",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "listen 80": f"listen 127.0.0.1:{self.plain_port}",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> Path:
        """The certificate to trust."""
        return self.etc / "ca.crt"

    def start(self, site: str) -> None:
        """Serve a site until `stop`."""
        (self.folder / "p2m.conf").write_text(site)
        frame = self.folder / "nginx.conf"
        frame.write_text(FRAME.format(folder=self.folder))
        self._process = subprocess.Popen([program(), "-p", str(self.folder), "-c", str(frame)])
        pid = self.folder / "nginx.pid"
        wait_for(lambda: pid.exists() and pid.read_text().strip(), 10, "nginx")

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(30)
