"""``python -m p2m_spawner.gateway`` serves, as the hub starts it; with ``rotate-keys`` tokens are signed anew.

The process that the hub starts supervises another that serves, which it starts with ``serve``. Each imports what it
needs.
"""

import logging
import os
import socket
import sys
from pathlib import Path

from p2m_spawner.gateway import supervisor
from p2m_spawner.gateway.settings import GatewaySettings, SettingError

PID_FILE = "gateway.pid"
"""Where the supervisor's process id is kept, in the state folder: ``deploy/hub`` ends it when its hub was killed."""


def main() -> int:
    """Run one command; 1 with a sentence when it cannot be done."""
    try:
        match sys.argv[1:]:
            case []:
                return supervise(GatewaySettings.from_environment(os.environ))
            case ["serve", descriptor] if descriptor.isdecimal():
                return serve(int(descriptor))
            case ["rotate-keys"]:
                return rotate_keys()
    except (SettingError, OSError) as problem:
        print(f"gateway: {problem}", file=sys.stderr)
        return 1
    print("usage: python -m p2m_spawner.gateway [rotate-keys]", file=sys.stderr)
    return 2


def supervise(settings: GatewaySettings) -> int:
    """Keep the gateway running until SIGTERM or SIGINT."""
    write_log()
    pid_file = settings.state_dir / PID_FILE
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        command = [sys.executable, "-m", "p2m_spawner.gateway", "serve"]
        return supervisor.run(settings.host, settings.port, command)
    finally:
        pid_file.unlink(missing_ok=True)


def serve(descriptor: int) -> int:
    """Serve on a socket that the supervisor has opened."""
    from p2m_spawner.gateway import keys, serving
    from p2m_spawner.schema import WrongSchema

    write_log()
    try:
        serving.serve(GatewaySettings.from_environment(os.environ), socket.socket(fileno=descriptor))
    except (keys.KeyFileError, WrongSchema) as problem:
        print(f"gateway: {problem}", file=sys.stderr)
        return 1
    return 0


def rotate_keys() -> int:
    """Make the key that signs tokens from now on."""
    from p2m_spawner.gateway import keys, parts

    try:
        key = parts.key_ring(Path(os.environ.get("P2M_STATE") or ".p2m")).rotate()
    except keys.KeyFileError as problem:
        print(f"gateway: {problem}", file=sys.stderr)
        return 1
    print(f"Tokens are signed with key {key.kid} from now on; those signed before stay good until they expire.")
    return 0


def write_log() -> None:
    """Write log lines to standard error, which is the hub's log."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname).1s %(asctime)s gateway] %(message)s")


if __name__ == "__main__":
    sys.exit(main())
