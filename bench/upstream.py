"""Upstream's own add-on, as those run it who have no p2m-spawner: a VNC desktop, and Blender with the add-on in it.

It runs in the same image, so that Blender, X server and compiled shaders are the same. The add-on is the file
``blender_mcp/bundled/addon.py`` of the PyPI wheel named in `UPSTREAM`.
"""

import contextlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from tests.support.image import IMAGE
from tests.support.waiting import wait_for

UPSTREAM = "mcp-for-blender==2.2.4"
NAME = "upstream 2.2.4"
MEMBER = "blender_mcp/bundled/addon.py"
INSIDE = (Path(__file__).parent / "inside.py").read_text()
START_S = 60.0

UPSTREAM_BLENDER = """
export HOME=/tmp/home DISPLAY=:7 LIBGL_ALWAYS_SOFTWARE=1 MESA_SHADER_CACHE_DIR=/tmp/shaders
mkdir -p "$HOME"
cp -r /opt/p2m/share/mesa-shader-cache "$MESA_SHADER_CACHE_DIR"
Xtigervnc :7 -geometry 1280x800 -depth 24 -SecurityTypes None -rfbport -1 -rfbunixpath /tmp/vnc -nolisten tcp &
until [ -S /tmp/.X11-unix/X7 ]; do sleep 0.1; done
exec blender -noaudio --python /tmp/start_upstream.py
"""

START_UPSTREAM = """
import sys, bpy
sys.path.insert(0, "/tmp/upstream")
import addon
addon.register()

def start():
    if not bpy.context.scene.blendermcp_server_running:
        bpy.ops.blendermcp.start_server()

bpy.app.timers.register(start, first_interval=0.2)
"""


def ask(container: Any, wire: str, what: str, *arguments: object) -> Any:
    """Run `bench.inside` in a container."""
    code, output = container.exec_run(["python3", "-c", INSIDE, wire, what, *map(str, arguments)], demux=True)
    assert code == 0, output
    return json.loads(output[0])


def archive(files: dict[str, bytes]) -> bytes:
    """Pack files as the engine wants them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def upstream_file() -> bytes:
    """Upstream's add-on, from its wheel on PyPI."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, UPSTREAM], check=True, timeout=120)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            return packed.read(MEMBER)


@contextlib.contextmanager
def upstream() -> Iterator[Any]:
    """Run upstream's add-on in a Blender with a window."""
    container = docker.from_env().containers.run(IMAGE, ["sleep", "infinity"], detach=True)
    try:
        files = {"upstream/addon.py": upstream_file(), "start_upstream.py": START_UPSTREAM.encode()}
        container.put_archive("/tmp", archive(files))
        container.exec_run(["bash", "-c", f"({UPSTREAM_BLENDER}) >/tmp/log 2>&1"], detach=True)
        try:
            wait_for(lambda: ask(container, "tcp", "trips", "ping", 1), START_S, "upstream's add-on", interval=0.5)
        except TimeoutError:
            print(container.exec_run(["tail", "-n", "50", "/tmp/log"])[1].decode("utf-8", "replace"))
            raise
        yield container
    finally:
        container.remove(force=True, v=True)
