"""Reference of the Prometheus metrics: names, types, labels and help from the metrics themselves.

prometheus_client shows labels and buckets only of what has been counted: both are read from where it keeps them.
"""

import math
from collections.abc import Iterable

from prometheus_client.metrics import MetricWrapperBase

from p2m_spawner import metrics as hub_metrics
from p2m_spawner.gateway.metrics import Metrics

from .markdown import attributes, code, table


def of_the_hub() -> str:
    """A table of what the hub's page ``/hub/metrics`` has of ours."""
    found = [value for value in vars(hub_metrics).values() if isinstance(value, MetricWrapperBase)]
    return _table((metric, "") for metric in found)


def of_the_gateway() -> str:
    """A table of what the gateway's own page has, with what its docstring says beside."""
    described = attributes(Metrics)
    found = [(name, value) for name, value in vars(Metrics()).items() if isinstance(value, MetricWrapperBase)]
    return _table((metric, described[name]) for name, metric in found)


def _table(metrics: Iterable[tuple[MetricWrapperBase, str]]) -> str:
    return table(["metric", "type", "labels", "meaning"], (_row(metric, more) for metric, more in metrics))


def _row(metric: MetricWrapperBase, more: str) -> list[str]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return [
        code(name),
        family.type,
        ", ".join(code(label) for label in metric._labelnames) or "–",
        f"{more or f'{family.documentation}.'}{_buckets(metric)}",
    ]


def _buckets(metric: MetricWrapperBase) -> str:
    bounds = [f"{bound:g}" for bound in metric._kwargs.get("buckets", ()) if bound < math.inf]
    return f" Buckets end at {', '.join(bounds)}." if bounds else ""
