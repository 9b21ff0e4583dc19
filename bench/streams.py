"""Other ways to show the desktop of one of our containers: plain websockify with noVNC, and Selkies.

Both run in the same container, beside our own way, on the same X server and in front of the same Blender.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from tests.support.blenders import RunningBlender
from tests.support.waiting import wait_for

SELKIES = "selkies==2.1.0"
WHEELS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
WEBSOCKIFY_PORT, SELKIES_PORT = 6080, 8082
START_S = 60.0


def address(blender: RunningBlender, port: int) -> str:
    """Where a port of the container is that is not published: the engine's bridge leads there from this machine."""
    return f"http://{blender.container.attrs['NetworkSettings']['IPAddress']}:{port}"


def install_websockify(blender: RunningBlender) -> None:
    """Install Debian's packages websockify and novnc, and let them serve the X server's RFB socket."""
    install = "apt-get update -qq && apt-get install -qq --yes --no-install-recommends websockify novnc"
    code, output = blender.container.exec_run(["sh", "-c", install], user="root")
    assert code == 0, output
    serve = ["websockify", "--web", "/usr/share/novnc", "--unix-target=/run/p2m/vnc.sock", f"0.0.0.0:{WEBSOCKIFY_PORT}"]
    blender.container.exec_run(serve, detach=True)
    wait_until_served(address(blender, WEBSOCKIFY_PORT))


def install_selkies(blender: RunningBlender) -> None:
    """Put Selkies and what it needs, as wheels of PyPI for the container's Python, into /opt/selkies."""
    python = blender.exec("python3", "-c", "import sys; print('{}.{}'.format(*sys.version_info))").strip()
    platforms = [argument for wheel in WHEELS for argument in ("--platform", wheel)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "selkies"
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--only-binary=:all:", "--python-version", python]
        subprocess.run([*pip, *platforms, "--target", target, SELKIES], check=True, timeout=300)
        inside = f"{blender.container.id}:/opt/selkies"
        subprocess.run(["docker", "cp", "--quiet", target, inside], check=True, timeout=60)


def start_selkies(blender: RunningBlender, *options: str) -> None:
    """Serve the display by Selkies with these options, in the place of one that does so already."""
    blender.container.exec_run(["pkill", "-f", "selkies"])
    serve = ["python3", "-m", "selkies", "--addr=0.0.0.0", f"--port={SELKIES_PORT}", "--mode=websockets"]
    serve += ["--enable-basic-auth=false", *options]  # a container's address is this machine's only
    environment = {"DISPLAY": ":1", "PYTHONPATH": "/opt/selkies"}
    command = f"exec {' '.join(serve)} >/tmp/selkies.log 2>&1"
    blender.container.exec_run(["sh", "-c", command], environment=environment, detach=True)
    try:
        wait_until_served(address(blender, SELKIES_PORT))
    except TimeoutError:
        print(blender.exec("cat", "/tmp/selkies.log"))
        raise


def wait_until_served(url: str) -> None:
    """Wait until a page is there."""

    def is_served() -> bool:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_for(is_served, START_S, f"page at {url}", interval=0.2)
