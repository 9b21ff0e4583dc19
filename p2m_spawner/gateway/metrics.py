"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The gateway's counters, in a registry of their own.

    Attributes:
        registry: Others may add theirs.
        requests: REST calls by ``call`` and ``status``.
        sign_ins: Logins by ``outcome``: ``ok`` or the code of the refusal.
        refused_tokens: Tokens refused, by ``reason``: the code of the refusal.
        oauth: What OAuth clients do, by ``step`` (``register``, ``consent``, ``token``, ``revoke``) and ``outcome``.
        connects: Answers of `POST …/connect` by ``outcome``: ``connected`` or ``failed``.
        connect_seconds: Seconds until `POST …/connect` had its answer.
        tool_calls: Tool calls through the MCP address by ``outcome`` and ``mode``. Not by tool: a client may name any.
        tool_seconds: Seconds that they took, a start of the server included.
        wakes: Requests at the MCP address that had to wait for a start, by ``outcome``: ``ready`` or ``failed``.
        wake_seconds: Seconds that they waited.
        mcp_streams: Requests at the MCP address that are open now.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "p2m_gateway_requests", "Calls of the REST API", ["call", "status"], registry=self.registry
        )
        self.sign_ins = Counter(
            "p2m_gateway_sign_ins", "Logins through the REST API", ["outcome"], registry=self.registry
        )
        self.refused_tokens = Counter(
            "p2m_gateway_refused_tokens", "Tokens that were not accepted", ["reason"], registry=self.registry
        )
        self.oauth = Counter("p2m_gateway_oauth", "Steps of OAuth clients", ["step", "outcome"], registry=self.registry)
        self.connects = Counter(
            "p2m_gateway_connects", "Answers of the connect call", ["outcome"], registry=self.registry
        )
        self.connect_seconds = Histogram(
            "p2m_gateway_connect_seconds",
            "Seconds until a connect call had its tools",
            buckets=(0.1, 0.5, 1, 2.5, 5, 10, 15, 20, 30),
            registry=self.registry,
        )
        self.tool_calls = Counter(
            "p2m_gateway_tool_calls", "Tool calls through the MCP address", ["outcome", "mode"], registry=self.registry
        )
        self.tool_seconds = Histogram(
            "p2m_gateway_tool_seconds",
            "Seconds that tool calls took",
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 180, 600),
            registry=self.registry,
        )
        self.wakes = Counter(
            "p2m_gateway_wakes", "MCP requests that waited for a start", ["outcome"], registry=self.registry
        )
        self.wake_seconds = Histogram(
            "p2m_gateway_wake_seconds",
            "Seconds that MCP requests waited for a start",
            buckets=(0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120),
            registry=self.registry,
        )
        self.mcp_streams = Gauge("p2m_gateway_mcp_streams", "Open requests at the MCP address", registry=self.registry)
