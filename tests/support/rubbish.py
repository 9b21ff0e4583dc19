"""What a broken or hostile client could send, as hypothesis strategies."""

import json
import socket
import struct
from collections.abc import Sequence

from hypothesis import strategies as st

VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**70,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        [],
        [[]],
        {},
        {"limit": "x"},
        {"": 0},
    ]
) | st.text(max_size=8)
NAMES = st.sampled_from(["ping", "get_scene_info", "get_object_info", "get_status", "nonsense"]) | VALUES
FIELDS = st.sampled_from(["id", "params", "deadline_s", "mode", "client", "status"])
REQUESTS = st.builds(
    lambda name, more: json.dumps({"type": name, **more}).encode(),
    NAMES,
    st.dictionaries(FIELDS, VALUES, max_size=3),
)
FRAMES = st.builds(
    lambda body, by: struct.pack(">I", max(0, len(body) + by)) + body,
    REQUESTS,
    st.sampled_from([0, 0, 0, 0, 0, -1, 1, 1000]),
)
BITS = [b"{", b"}", b'"', b"\\", b"\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"[]", b"GET / HTTP/1.1"]
PIECES = st.one_of(
    REQUESTS,
    FRAMES,
    st.binary(max_size=40),
    st.builds(lambda request, cut: request[: cut % (len(request) + 1)], REQUESTS, st.integers(0, 80)),
    st.sampled_from(BITS),
)
CONVERSATION = st.lists(PIECES, max_size=5)
"""What one connection carries, in the pieces in which it is sent."""

TOGETHER = 10
CONVERSATIONS = st.lists(CONVERSATION, min_size=TOGETHER, max_size=TOGETHER)
"""Some connections, one after the other: hypothesis makes ten at once in half the time of ten times one."""


def send_in_pieces(connection: socket.socket, pieces: Sequence[bytes]) -> bytes:
    """Send pieces, close the sending side, and return everything that comes back."""
    received = bytearray()
    try:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionError:
        pass
    return bytes(received)
