"""What the hub's log lines look like."""

from typing import Any

from .settings import Settings

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure(c: Any, settings: Settings) -> None:
    """Write JSON objects, one a line, when asked to; lines of the proxy and of services stay as they are."""
    if settings.log_format == "json":
        c.JupyterHub.logging_config = {
            "formatters": {
                "json": {
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "fmt": FIELDS,
                    "datefmt": "%Y-%m-%dT%H:%M:%S%z",
                    "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                }
            },
            "handlers": {"console": {"formatter": "json"}},
        }
