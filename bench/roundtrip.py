"""Round trips to Blender: our add-on with a window and without, and upstream's own add-on, in one run.

Each Blender runs in a container of the same image and is asked from inside that container, over TCP with upstream's
wire, by the same program; the three take turns, so that a slow minute of the machine hits all. Upstream's add-on is the
file ``blender_mcp/bundled/addon.py`` of the PyPI wheel named in `UPSTREAM`.

    python -m bench.roundtrip [rounds]
"""

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from tests.support.blenders import running_blender
from tests.support.image import IMAGE
from tests.support.waiting import wait_for

UPSTREAM = "mcp-for-blender==2.2.4"
MEMBER = "blender_mcp/bundled/addon.py"
CALLS = 100
"""Round trips a round and command."""

MEGABYTES = (1, 4, 16)
LARGEST_S = 120.0
"""Seconds one large message may take."""

IDLE_S = 5.0
START_S = 60.0

UPSTREAM_BLENDER = """
export HOME=/tmp/home DISPLAY=:7 LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$HOME"
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

bpy.app.timers.register(start, first_interval=1.0)
"""

# Runs inside the container. Arguments: what to measure, then its numbers. Prints JSON.
ASKER = r"""
import json, os, socket, sys, time

def processes():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{name}/comm").read().strip() == "blender":
                yield name
        except OSError:
            pass

def cpu():
    total = 0
    for pid in processes():
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")

def connect(seconds):
    s = socket.create_connection(("127.0.0.1", 9876), timeout=seconds)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s

def call(s, message):
    s.sendall(message)
    reply = b""
    while True:
        data = s.recv(1 << 20)
        if not data:
            raise SystemExit("closed")
        reply += data
        if reply.endswith(b"}"):
            try:
                return json.loads(reply)
            except ValueError:
                pass

what = sys.argv[1]
if what == "idle":
    seconds = float(sys.argv[2])
    before = cpu()
    time.sleep(seconds)
    print(json.dumps(100 * (cpu() - before) / seconds))
elif what == "large":
    code = "x = 1  #" + "y" * (int(sys.argv[2]) << 20)
    message = json.dumps({"type": "execute_code", "params": {"code": code}}).encode()
    s = connect(float(sys.argv[3]))
    began = time.perf_counter()
    try:
        assert call(s, message)["status"] == "success"
        print(json.dumps(time.perf_counter() - began))
    except TimeoutError:
        print(json.dumps(None))
else:
    s = connect(30)
    message = json.dumps({"type": what, "params": {}}).encode()
    times = []
    for _ in range(int(sys.argv[2])):
        time.sleep(0.01)  # as a client that thinks between two commands
        began = time.perf_counter()
        assert call(s, message)["status"] == "success"
        times.append(1000 * (time.perf_counter() - began))
    print(json.dumps(times))
"""


def ask(container: Any, *arguments: object) -> Any:
    """Run the asker inside a container."""
    code, output = container.exec_run(["python3", "-c", ASKER, *map(str, arguments)], demux=True)
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
            wait_for(lambda: ask(container, "ping", 1), START_S, "upstream's add-on", interval=0.5)
        except TimeoutError:
            print(container.exec_run(["tail", "-n", "50", "/tmp/log"])[1].decode("utf-8", "replace"))
            raise
        yield container
    finally:
        container.remove(force=True, v=True)


def run(rounds: int) -> str:
    """Measure, and return the table (Markdown)."""
    with contextlib.ExitStack() as stack:
        blenders = {
            "p2m, with window": stack.enter_context(running_blender()).container,
            "p2m, headless": stack.enter_context(running_blender(P2M_BLENDER_MODE="headless")).container,
            "upstream 2.2.4": stack.enter_context(upstream()),
        }
        trips: dict[str, dict[str, list[float]]] = {name: {"ping": [], "get_scene_info": []} for name in blenders}
        for _ in range(rounds):
            for name, container in blenders.items():
                for command, times in trips[name].items():
                    times.extend(ask(container, command, CALLS))
        idle = {name: ask(container, "idle", IDLE_S) for name, container in blenders.items()}
        large = {
            name: [ask(container, "large", size, LARGEST_S) for size in MEGABYTES]
            for name, container in blenders.items()
        }
    return table(trips, idle, large)


def table(
    trips: dict[str, dict[str, list[float]]], idle: dict[str, float], large: dict[str, list[float | None]]
) -> str:
    """The measurements as Markdown; the ratio says how many times slower upstream is."""
    names = list(trips)
    base = names[-1]
    rows: list[tuple[str, dict[str, float | None]]] = []
    for command in ("ping", "get_scene_info"):
        rows.append((f"{command}, p50, ms", {name: statistics.median(trips[name][command]) for name in names}))
        rows.append(
            (f"{command}, p95, ms", {name: statistics.quantiles(trips[name][command], n=20)[-1] for name in names})
        )
    for index, size in enumerate(MEGABYTES):
        rows.append((f"message of {size} MB, s", {name: large[name][index] for name in names}))
    rows.append(("CPU when idle, % of one core", dict(idle)))
    lines = [f"| | {' | '.join(names)} | ratio |", "|---" * (len(names) + 2) + "|"]
    for title, values in rows:
        ours, theirs = values[names[0]], values[base]
        ratio = f"{theirs / ours:.1f}" if ours and theirs else "–"
        cells = [f"over {LARGEST_S:g}" if value is None else f"{value:.2f}" for value in values.values()]
        lines.append(f"| {title} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
