"""The add-on's framing: whatever the bytes and however they are cut, the same requests come out, or a clear error."""

import contextlib
import itertools
import json
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_blender.wire import Failure, FrameStream, ObjectStream, RequestError, StreamError, Success

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
REQUESTS = st.lists(st.tuples(st.text(min_size=1), st.dictionaries(st.text(), VALUES)), max_size=5)
BLANKS = st.text(alphabet=" \t\r\n", max_size=3)


def everything(stream, chunks):
    """All (type, params) and error texts a stream gives for these chunks, in order."""
    seen = []
    for chunk in chunks:
        stream.feed(chunk)
        while True:
            try:
                request = stream.next_request()
            except RequestError as error:
                seen.append(str(error))
                continue
            if request is None:
                break
            seen.append((request.type, request.params))
    return seen


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


@given(REQUESTS, BLANKS, st.booleans(), st.lists(st.integers(min_value=0), max_size=20))
def test_any_cut_of_an_object_stream_gives_the_same_requests(requests, blanks, ascii_only, places):
    texts = [json.dumps({"type": name, "params": params}, ensure_ascii=ascii_only) for name, params in requests]
    data = blanks.join(texts).encode("utf-8", "surrogatepass" if ascii_only else "replace")
    expected = everything(ObjectStream(), [data])
    assert everything(ObjectStream(), cut(data, places)) == expected
    assert len(expected) == len(requests)


@given(REQUESTS, st.lists(st.integers(min_value=0), max_size=20))
def test_any_cut_of_a_frame_stream_gives_the_same_requests(requests, places):
    bodies = [json.dumps({"type": name, "params": params}).encode() for name, params in requests]
    data = b"".join(struct.pack(">I", len(body)) + body for body in bodies)
    assert everything(FrameStream(), cut(data, places)) == requests


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_no_bytes_whatsoever_raise_anything_but_wire_errors(chunks):
    for stream in (ObjectStream(), FrameStream()):
        with contextlib.suppress(StreamError):
            everything(stream, chunks)


@given(st.text() | VALUES)
def test_replies_are_ascii_json_and_come_back_whole(value):
    body = ObjectStream().encode(None, Success(value))
    assert json.loads(body.decode("ascii")) == {"status": "success", "result": value}
    frame = FrameStream().encode(7, Success(value))
    assert struct.unpack(">I", frame[:4])[0] == len(frame) - 4
    assert json.loads(frame[4:]) == {"id": 7, "status": "success", "result": value}


@pytest.mark.parametrize("data", [b"[1,2]", b"hello{}", b"GET / HTTP/1.1\r\n\r\n{}", b'"text"', b"\xff{}", b"}"])
def test_bytes_outside_an_object_end_the_stream(data):
    stream = ObjectStream()
    stream.feed(data)
    with pytest.raises(StreamError, match="Expected a JSON object"):
        stream.next_request()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"type": }', "not JSON"),
        (b"{]}", "not JSON"),
        (b'{"type": "\xff\xfe"}', "not UTF-8"),
        (b"{}", 'needs "type"'),
        (b'{"type": 5}', 'needs "type"'),
        (b'{"type": "ping", "params": [1]}', '"params" must be an object'),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "not JSON"),
    ],
)
def test_a_wrong_object_is_refused_and_the_next_one_served(data, words):
    stream = ObjectStream()
    first, second = everything(stream, [data + b'{"type": "ping"}'])
    assert words in first
    assert second == ("ping", {})


def test_braces_and_escapes_inside_strings_do_not_count():
    code = '}{"\\"{{ \\\\'
    data = json.dumps({"type": "execute_code", "params": {"code": code}}).encode()
    assert everything(ObjectStream(), [data[i : i + 1] for i in range(len(data))]) == [("execute_code", {"code": code})]


def test_a_message_is_pending_until_its_last_byte():
    stream = ObjectStream()
    assert not stream.pending
    assert everything(stream, [b' {"type": "pi']) == []
    assert stream.pending
    assert everything(stream, [b'ng"}\n']) == [("ping", {})]
    assert not stream.pending


@pytest.mark.parametrize("stream", [ObjectStream(max_bytes=100), FrameStream(max_bytes=100)])
def test_a_message_beyond_the_limit_ends_the_stream(stream):
    body = json.dumps({"type": "x", "params": {"code": "y" * 200}}).encode()
    stream.feed(body if isinstance(stream, ObjectStream) else struct.pack(">I", len(body)))
    with pytest.raises(StreamError, match="too large"):
        stream.next_request()


def test_sixteen_megabytes_in_small_pieces_take_about_a_second():
    data = json.dumps({"type": "execute_code", "params": {"code": 'a\n"b' * 2_700_000}}).encode()
    assert len(data) > 16_000_000
    started = time.perf_counter()
    ((_, params),) = everything(ObjectStream(), [data[i : i + 65536] for i in range(0, len(data), 65536)])
    assert time.perf_counter() - started < 5  # alone it takes 0.3 s; the old way took 44
    assert len(params["code"]) == 10_800_000


def test_results_that_json_cannot_carry_become_errors():
    for result in (float("nan"), object(), {1, 2}):
        reply = json.loads(ObjectStream().encode(None, Success(result)))
        assert reply["status"] == "error"
        assert "cannot be sent" in reply["message"]
    assert json.loads(FrameStream(max_bytes=50).encode(1, Success("x" * 100))[4:])["error"]["type"] == "ResultError"


def test_failures_of_code_carry_the_traceback_on_both_wires():
    failure = Failure("'x'", type="KeyError", traceback="Traceback…", output="before")
    upstream = json.loads(ObjectStream().encode(None, failure))
    assert json.loads(upstream["message"]) == {
        "exception_type": "KeyError",
        "message": "'x'",
        "traceback": "Traceback…",
    }
    ours = json.loads(FrameStream().encode("a", failure)[4:])
    assert ours["message"] == "'x'"
    assert ours["error"] == {"type": "KeyError", "traceback": "Traceback…", "output": "before"}


@pytest.mark.parametrize("deadline", [0, -1, 1e9, "5", True, [1]])
def test_a_deadline_that_makes_no_sense_is_refused_with_the_requests_id(deadline):
    body = json.dumps({"id": 9, "type": "ping", "deadline_s": deadline}).encode()
    stream = FrameStream()
    stream.feed(struct.pack(">I", len(body)) + body)
    with pytest.raises(RequestError, match="deadline_s") as caught:
        stream.next_request()
    assert caught.value.request_id == 9
