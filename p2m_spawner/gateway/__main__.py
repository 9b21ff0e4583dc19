"""``python -m p2m_spawner.gateway`` serves, as the hub starts it; with ``rotate-keys`` tokens are signed anew."""

import logging
import os
import sys
from pathlib import Path

import uvicorn

from p2m_spawner.gateway.app import create_app
from p2m_spawner.gateway.keys import KeyFileError
from p2m_spawner.gateway.parts import Gateway, key_ring
from p2m_spawner.gateway.settings import GatewaySettings, SettingError

PID_FILE = "gateway.pid"
"""Where the process id is kept, in the state folder: ``deploy/hub`` ends a gateway whose hub was killed."""

GRACE_SECONDS = 3
"""Until open streams are cut when the gateway is asked to stop."""


def main() -> int:
    """Run one command; 1 with a sentence when it cannot be done."""
    if sys.argv[1:] not in ([], ["rotate-keys"]):
        print("usage: python -m p2m_spawner.gateway [rotate-keys]", file=sys.stderr)
        return 2
    try:
        if sys.argv[1:]:
            key = key_ring(Path(os.environ.get("P2M_STATE") or ".p2m")).rotate()
            print(f"Tokens are signed with key {key.kid} from now on; those signed before stay good until they expire.")
        else:
            serve(GatewaySettings.from_environment(os.environ))
    except (SettingError, KeyFileError, OSError) as problem:
        print(f"gateway: {problem}", file=sys.stderr)
        return 1
    return 0


def serve(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname).1s %(asctime)s gateway] %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line per request to the hub
    pid_file = settings.state_dir / PID_FILE
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        uvicorn.run(
            create_app(Gateway.from_settings(settings)),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            # The client's address is for the hub to find out, which gets the header as it comes.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    finally:
        pid_file.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
