"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Histogram


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
