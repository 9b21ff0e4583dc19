"""``python -m p2m_singleuser.mcp_server``: serve on ``$P2M_RUNTIME_DIR/mcp.sock`` until SIGTERM."""

from __future__ import annotations

import gc
import logging
import os
import socket
from pathlib import Path

from p2m_singleuser.link import BlenderLink, runtime_dir

STOP_GRACE_S = 2
"""Seconds that open streams get at a stop before they are cut."""


def listen(path: Path) -> socket.socket:
    """Bind a unix socket that only its owner may open, replacing what an earlier run left.

    Args:
        path: Where the socket appears.

    Returns:
        The bound socket.

    Raises:
        OSError: The directory is missing or not writable.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        server.bind(os.fspath(path))
    finally:
        os.umask(before)
    return server


def main() -> None:
    """Run the server in the foreground.

    A user's start waits for this, so the imports run with the garbage collector off: nothing they build is garbage,
    and looking through the SDK's models again and again took a fifth of the time (0.77 s of CPU with, 0.63 without).
    """
    gc.disable()
    import uvicorn

    from p2m_singleuser.jobs import JobStore
    from p2m_singleuser.mcp_server.app import build_app
    from p2m_singleuser.render_queue import QueueStarter

    logging.basicConfig(level=logging.INFO, format="mcp %(levelname)s %(name)s: %(message)s")
    logging.getLogger("mcp").setLevel(logging.WARNING)
    app = build_app(BlenderLink())
    gc.freeze()
    gc.enable()
    QueueStarter(JobStore()).watch()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[listen(runtime_dir() / "mcp.sock")])


if __name__ == "__main__":
    main()
