"""What the relay understands of what passes: requests, outcomes in replies of any size and cut, headers, sessions."""

import itertools
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES
from p2m_singleuser.modes import HEADER, MODES, narrowest
from p2m_spawner.gateway.mcp_relay import MAX_BODY, discovery, headers, messages
from p2m_spawner.gateway.mcp_relay.messages import RpcRequest, read_requests
from p2m_spawner.gateway.mcp_relay.outcomes import TAIL, WHOLE, Outcome, Replies
from p2m_spawner.gateway.mcp_relay.sessions import Sessions, UnknownSession
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.tokens import MODE_HEADER, Mode
from tests.unit.singleuser_fakes import serving_mcp

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = st.sampled_from(["id", "method", "params", "result", "error", "name", "_meta", "progressToken", "clientInfo"])
NEARLY_RPC = st.recursive(JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=4) | st.lists(inner, max_size=3))


def body(message: Any) -> bytes:
    return json.dumps(message).encode()


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_tool_call_tells_tool_arguments_progress_token_and_program() -> None:
    meta = {"progressToken": 5, "io.modelcontextprotocol/clientInfo": {"name": "claude-code"}}
    params = {"name": "look", "arguments": {"sides": 2}, "_meta": meta}
    read = read_requests(body({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params}))
    assert read == [RpcRequest("a", "tools/call", "look", {"sides": 2}, 5, "claude-code")]


def test_an_initialize_tells_its_program() -> None:
    params = {"clientInfo": {"name": "Cursor"}}
    read = read_requests(body({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))
    assert read == [RpcRequest(0, "initialize", program="Cursor")]


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": True, "method": "tools/list"},
    ],
)
def test_what_wants_no_answer_is_no_request(message: dict[str, Any]) -> None:
    assert read_requests(body(message)) == []


def test_a_batch_is_its_requests() -> None:
    batch = [{"id": 1, "method": "ping"}, {"method": "notifications/x"}, {"id": 2, "method": "ping"}]
    assert [each.id for each in read_requests(body(batch)) or []] == [1, 2]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b'"x"', b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_rpc_is_none(text: bytes) -> None:
    assert read_requests(text) is None


@given(NEARLY_RPC)
def test_nothing_that_a_client_sends_breaks_the_reading(message: Any) -> None:
    for each in read_requests(body(message)) or []:
        assert len(each.method) <= messages.LONGEST_NAME
        assert len(each.tool or "") <= messages.LONGEST_NAME


def test_a_comment_is_one_line_whatever_is_in_it() -> None:
    assert messages.comment("a\r\n\r\ndata: {}\n") == b": a data: {}\r\n\r\n"


# --- outcomes ---------------------------------------------------------------------------------------------------------


def result(request_id: Any, **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": {"content": [], "structuredContent": None, **fields}}


ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Unknown tool"}}
PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
LIES = 'x"isError": true}} \\"isError\\":true}}'
LARGE = [{"type": "text", "text": "y" * (WHOLE + 10)}]

CASES = [
    (result(1, isError=False), Outcome.OK),
    (result(1, isError=True), Outcome.TOOL_ERROR),
    (result(1, isError=True, resultType="complete"), Outcome.TOOL_ERROR),
    (result(1, resultType="input_required"), Outcome.ASKS),
    (ERROR, Outcome.ERROR),
    (result(1, content=LARGE, isError=False), Outcome.OK),
    (result(1, content=LARGE, isError=True), Outcome.TOOL_ERROR),
    (result(1, content=LARGE, isError=True, resultType="complete"), Outcome.TOOL_ERROR),
    (result(1, content=[*LARGE, {"type": "text", "text": LIES}], isError=False), Outcome.OK),
    (result(1, content=LARGE, isError=False, structuredContent={"isError": True}), Outcome.OK),
]


def watched(ids: list[Any], chunks: list[bytes], *, events: bool) -> dict[Any, Outcome]:
    replies = Replies(ids, events=events)
    for chunk in chunks:
        replies.feed(chunk)
    replies.end()
    return replies.outcomes


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(ends)]


@pytest.mark.parametrize(("message", "outcome"), CASES)
@pytest.mark.parametrize("compact", [True, False])
@given(places=st.lists(st.integers(0, 10**6), max_size=6))
def test_the_outcome_is_the_same_however_a_reply_is_cut(
    message: dict[str, Any], outcome: Outcome, compact: bool, places: list[int]
) -> None:
    text = json.dumps(message, separators=(",", ":") if compact else None).encode()
    assert watched([1], cut(text, places), events=False) == {1: outcome}
    stream = messages.comment("ping") + messages.event(PROGRESS) + b"id: 7\nevent: message\ndata:" + text + b"\n\n"
    assert watched([1], cut(stream, places), events=True) == {1: outcome}


def test_each_call_of_a_batch_has_its_own_outcome() -> None:
    stream = messages.event(result("b", isError=True)) + messages.event(result("a", content=LARGE, isError=False))
    assert watched(["a", "b"], [stream], events=True) == {"a": Outcome.OK, "b": Outcome.TOOL_ERROR}
    assert watched([1, 2], [body([result(1), ERROR | {"id": 2}])], events=False) == {1: Outcome.OK, 2: Outcome.ERROR}


def test_what_concerns_nobody_is_no_outcome() -> None:
    stream = messages.event(PROGRESS) + messages.event(result(2)) + messages.event(result("1"))
    assert watched([1], [stream, b"data: {\n\n", b"data: " + b"[" * 100_000 + b"\n\n"], events=True) == {}


def test_memory_is_bounded_whatever_passes() -> None:
    replies = Replies([1], events=True)
    for _ in range(200):
        replies.feed(b"data: " + b"x" * WHOLE)
    held = replies._message
    assert len(held.head) <= WHOLE
    assert len(held.tail) <= TAIL


# --- headers ----------------------------------------------------------------------------------------------------------


def test_only_what_belongs_to_mcp_passes() -> None:
    given_headers = [
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
        ("origin", "http://x"),
        ("host", "x"),
        ("accept", "text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-session-id", "outer"),
        ("x-p2m-mode", "full"),
    ]
    assert headers.inward(given_headers, Mode.READ_ONLY, "inner") == [
        ("accept", "text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-session-id", "inner"),
        ("x-p2m-mode", "read-only"),
        ("accept-encoding", "identity"),
    ]
    answer = [("Set-Cookie", "a=b"), ("WWW-Authenticate", "Bearer"), ("Mcp-Session-Id", "s")]
    safe = ("x-content-type-options", "nosniff")
    assert headers.outward([*answer, ("Content-Type", "text/html")]) == [("mcp-session-id", "s"), safe]
    kind = ("content-type", "text/event-stream; charset=utf-8")
    assert headers.outward([*answer, kind]) == [("mcp-session-id", "s"), kind, safe]


@given(own=st.sampled_from(Mode), asked=st.lists(st.sampled_from(Mode), max_size=3))
def test_a_client_narrows_and_never_widens(own: Mode, asked: list[Mode]) -> None:
    rank = list(Mode).index
    mode = headers.narrowed(own, [", ".join(asked)] if asked else [])
    assert rank(mode) == max(map(rank, [own, *asked]))
    assert narrowest([mode.value]) == mode.value, "the container knows this mode"


@pytest.mark.parametrize("asked", ["", "Full", "full,", "root", "full read-only"])
def test_a_word_that_is_no_mode_is_refused(asked: str) -> None:
    with pytest.raises(Refusal) as refused:
        headers.narrowed(Mode.FULL, [asked])
    assert refused.value.status == 400


def test_gateway_and_container_agree_on_names_and_limits() -> None:
    assert HEADER.lower() == MODE_HEADER
    assert tuple(Mode) == MODES
    assert MAX_BODY == MAX_REQUEST_BYTES


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("application/json, text/event-stream", True),
        ("Text/Event-Stream;q=0.9", True),
        ("*/*", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_who_takes_events(accept: str, takes: bool) -> None:
    assert headers.takes_events(accept) is takes


# --- discovery --------------------------------------------------------------------------------------------------------


async def test_the_stand_in_promises_what_the_server_in_the_container_does(tmp_path: Path) -> None:
    params = {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": discovery.METHOD, "params": params}
    more = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": discovery.METHOD,
    }
    transport = httpx2.AsyncHTTPTransport(uds=str(tmp_path / "mcp.sock"))
    async with serving_mcp(tmp_path), httpx2.AsyncClient(transport=transport) as http:
        real = (await http.post("http://localhost/mcp", json=request, headers=more)).json()["result"]
    mine = discovery.stand_in(1)["result"]
    assert set(mine) == set(real) - {"_meta"}
    assert {name: value for name, value in mine.items() if name != "instructions"}.items() <= real.items()


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_is_only_its_users_and_only_while_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2m_spawner.gateway.mcp_relay.sessions.MOST", 2)
    sessions = Sessions()
    mine, others = sessions.new(), [sessions.new() for _ in range(2)]
    sessions.name(mine, "ada", "inner")
    assert sessions.inner(mine, "ada") == "inner"
    with pytest.raises(UnknownSession):
        sessions.inner(mine, "bob")
    for other in others:
        sessions.name(other, "bob", None)
        assert sessions.inner(other, "bob") is None
    with pytest.raises(UnknownSession):
        sessions.inner(mine, "ada")
    assert sessions.inner("a-session-of-the-endpoint-itself", "ada") == "a-session-of-the-endpoint-itself"
