"""A registry that serves one small image, as slowly as a test wants, to a real engine."""

import gzip
import hashlib
import io
import json
import secrets
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LAYER_BYTES = 8_000_000

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class SlowImage:
    """An image of one layer, of which half comes at once and the rest when ``go_on`` is set.

    Attributes:
        name: What the engine pulls.
    """

    def __init__(self, port: int) -> None:
        self.name = f"127.0.0.1:{port}/p2m/slow:latest"
        self.go_on = threading.Event()
        tar = layer()
        self._layer = gzip.compress(tar, 1)
        rootfs = {"type": "layers", "diff_ids": [digest(tar)]}
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["no-such-program"]}, "rootfs": rootfs}
        self._config = json.dumps(config).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(self._config), "digest": digest(self._config)},
                "layers": [{"mediaType": LAYER, "size": len(self._layer), "digest": digest(self._layer)}],
            }
        ).encode()

    def blob(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The size of a blob, and its parts as they may go out."""
        if name == digest(self._config):
            return len(self._config), iter([self._config])
        return len(self._layer), self._halves()

    def _halves(self) -> Iterator[bytes]:
        """In steps, because the engine says how far it is ten times a second at most."""
        step = len(self._layer) // 20
        for number in range(10):
            yield self._layer[number * step : (number + 1) * step]
            self.go_on.wait(0.15)
        self.go_on.wait(60)
        yield self._layer[10 * step :]


def layer() -> bytes:
    """A tar archive with one file that cannot be compressed."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = LAYER_BYTES
        archive.addfile(entry, io.BytesIO(secrets.token_bytes(LAYER_BYTES)))
    return tar.getvalue()


def digest(content: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def slow_image() -> Iterator[SlowImage]:
    """Serve the image on the loopback, where engines take plain HTTP, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            *_, kind, name = self.path.split("/")
            if kind == "manifests":
                headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": digest(image.manifest)}
                self.answer(len(image.manifest), iter([image.manifest]), headers)
            elif kind == "blobs":
                self.answer(*image.blob(name), {"Content-Type": "application/octet-stream"})
            else:
                self.answer(2, iter([b"{}"]), {"Docker-Distribution-Api-Version": "registry/2.0"})

        def answer(self, size: int, parts: Iterator[bytes], headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(size)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                for part in parts:
                    self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        image = SlowImage(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield image
        finally:
            image.go_on.set()
            server.shutdown()
            serving.join(10)
