"""Called by s6 after each exit of a service: counts, explains, sets the back-off, gives up after too many failures.

service_exited.py NAME EXIT_CODE SIGNAL [--give-up-after N]; s6 passes EXIT_CODE 256 for a death by SIGNAL.
Standard library only: it runs in the system's Python.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

WINDOW = 120.0  # seconds in which failures are counted
LONGEST_DELAY = 15
GIVE_UP = 125  # s6: do not start the service again
# Counters of this container's memory limit, by cgroup version 2 and 1: lines of "name number".
OOM_FILES = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


def last_line(log: Path) -> str:
    """Return the last meaningful line of a log, or nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    words = [line.strip() for line in lines if any(c.isalnum() for c in line)]
    return words[-1][:300] if words else ""


def wait_for_log(pid_file: Path, deadline: float = 0.5) -> None:
    """Wait until the logger has written what the dead service still said."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    end = time.monotonic() + deadline
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)


def memory_kills() -> int:
    """Return how many processes of the container the system has ended because of its memory limit."""
    for file in OOM_FILES:
        try:
            counters = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
            return int(counters["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def explain(code: int, signal_number: int, said: str, out_of_memory: bool = False) -> str:
    """Say in one sentence why the service ended."""
    if code == 0:
        return "quit"
    if code == 256 and signal_number == signal.SIGKILL and out_of_memory:
        return "killed by SIGKILL: the memory limit of this server was reached"
    if code == 256:
        try:
            how = f"killed by {signal.Signals(signal_number).name}"
        except ValueError:
            how = f"killed by signal {signal_number}"
    else:
        how = f"exit code {code}"
    return f"{how}: {said}" if said else how


def read_json(path: Path, default: Any) -> Any:
    """Return a file's JSON, or the default when there is none yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return default


def write(path: Path, text: str) -> None:
    """Replace a file in one step: readers never see half of it."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def record(
    runtime: Path, name: str, code: int, signal_number: int, give_up_after: int | None, now: float, kills: int = 0
) -> bool:
    """Write NAME-exits.json and NAME-delay; return whether the service is given up. `kills`: of `memory_kills`."""
    requested = runtime / f"{name}-restart-requested"
    exits = runtime / f"{name}-exits.json"
    times = runtime / f"{name}-failures.json"
    on_purpose = requested.exists()
    requested.unlink(missing_ok=True)
    known_kills = runtime / "memory-kills.json"
    out_of_memory = kills > read_json(known_kills, 0)
    write(known_kills, json.dumps(kills))

    recent = [t for t in read_json(times, []) if now - t < WINDOW]
    if on_purpose:
        recent = []
        reason = "restart requested"
    else:
        if code != 0:
            recent.append(now)
        reason = explain(code, signal_number, last_line(runtime / f"{name}.log"), out_of_memory)

    failed = give_up_after is not None and len(recent) >= give_up_after
    restarts = read_json(exits, {}).get("restarts", 0) + 1
    write(times, json.dumps(recent))
    delay = min(2 ** (len(recent) - 2), LONGEST_DELAY) if len(recent) > 1 else 0  # the first costs nobody a wait
    write(runtime / f"{name}-delay", f"{delay}\n")
    write(exits, json.dumps({"restarts": restarts, "failed": failed, "reason": reason}))
    print(f"p2m: {name} ended ({reason}); {'given up' if failed else f'starting again in {delay} s'}", flush=True)
    return failed


def main() -> int:
    """Record one exit of a service."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("code", type=int)
    parser.add_argument("signal", type=int)
    parser.add_argument("--give-up-after", type=int)
    args = parser.parse_args()
    runtime = Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m"))
    wait_for_log(runtime / f"{args.name}-log.pid")
    failed = record(runtime, args.name, args.code, args.signal, args.give_up_after, time.monotonic(), memory_kills())
    return GIVE_UP if failed else 0


if __name__ == "__main__":
    sys.exit(main())
