"""An HTTP server that speaks just enough of the Docker Engine API to be as slow, or as broken, as a test wants."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .waiting import wait_for

RUNNING = {"Id": "0123456789abcdef", "State": {"Running": True}, "HostConfig": {}, "Config": {"Cmd": [], "Env": []}}


class Registry:
    """What a pull of one image meets: words of the engine, in the order in which the test lets them out."""

    def __init__(self) -> None:
        self.pulls = 0
        self.hung_up = threading.Event()
        self._said: list[bytes] = []
        self._changed = threading.Condition()
        self._ended = False
        self.refusal = ""

    def say(self, *messages: dict[str, Any]) -> None:
        """Send messages to every pull of the image."""
        with self._changed:
            self._said += [json.dumps(message).encode() + b"\r\n" for message in messages]
            self._changed.notify_all()

    def end(self) -> None:
        """End every pull of the image."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def words(self, seconds: float) -> Iterator[bytes]:
        """Yield what is said until the end; an empty word each time that nothing was said for a while."""
        number = 0
        while True:
            with self._changed:
                if number == len(self._said) and not self._ended:
                    self._changed.wait(seconds)
                said, ended = self._said[number:], self._ended
            number += len(said)
            yield from said
            if ended and number == len(self._said):
                return
            yield b""


class EngineEdge:
    """The engine; ``base_url`` is what docker-py connects to.

    Attributes:
        calls: Paths of the requests, in the order in which they came.
        held: Clear it, and every call but a pull waits until it is set again.
        images: Images that are on this engine.
        at_once: How many calls are being made now.
    """

    def __init__(self, port: int) -> None:
        self.base_url = f"tcp://127.0.0.1:{port}"
        self.calls: list[str] = []
        self.held = threading.Event()
        self.held.set()
        self.at_once = 0
        self.images: set[str] = set()
        self._registries: dict[str, Registry] = {}
        self._lock = threading.Lock()

    def registry(self, image: str) -> Registry:
        """What a pull of an image, with its tag, meets."""
        with self._lock:
            return self._registries.setdefault(image, Registry())

    def wait_for_calls(self, count: int) -> None:
        """Wait until so many calls are being made at the same time."""
        wait_for(lambda: self.at_once == count, 10, f"{count} calls at once", interval=0.01)

    def note(self, path: str, change: int) -> None:
        """Count a call that begins (1) or ends (-1)."""
        with self._lock:
            self.at_once += change
            if change > 0:
                self.calls.append(path)


@contextmanager
def engine_edge() -> Iterator[EngineEdge]:
    """Run the server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer_call()

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            if url.path.endswith("/images/create"):
                query = parse_qs(url.query)
                self.answer_pull(edge.registry(f"{query['fromImage'][0]}:{query['tag'][0]}"))
            else:
                self.answer_call()

        def answer_call(self) -> None:
            path = urlsplit(self.path).path
            edge.note(path, 1)
            try:
                edge.held.wait(30)
            finally:
                edge.note(path, -1)
            missing = "/images/" in path and not any(image in path for image in edge.images)
            if missing:
                self.answer(404, {"message": "No such image"})
            elif path.endswith("/version"):
                self.answer(200, {"ApiVersion": "1.41"})
            elif path.endswith("/info"):
                self.answer(200, {"NCPU": 2})
            elif path.endswith("/json"):
                self.answer(200, RUNNING)
            else:
                self.answer(204)

        def answer(self, code: int, document: object = None) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(code)
            if code != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer_pull(self, registry: Registry) -> None:
            """As the engine: the head of the answer comes with the first word."""
            registry.pulls += 1
            if registry.refusal:
                self.answer(500, {"message": registry.refusal})
                return
            begun = False
            try:
                for word in registry.words(0.05):
                    if word and not begun:
                        self.send_response(200)
                        self.send_header("Transfer-Encoding", "chunked")
                        self.end_headers()
                        begun = True
                    if word:
                        self.wfile.write(f"{len(word):x}\r\n".encode() + word + b"\r\n")
                    self.raise_if_hung_up()
                if not begun:
                    self.answer(200, {})
                else:
                    self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:
                registry.hung_up.set()
                self.close_connection = True

        def raise_if_hung_up(self) -> None:
            with suppress(BlockingIOError):
                if self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                    raise ConnectionResetError

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        edge = EngineEdge(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield edge
        finally:
            edge.held.set()
            for registry in list(edge._registries.values()):
                registry.end()
            server.shutdown()
            serving.join(10)
