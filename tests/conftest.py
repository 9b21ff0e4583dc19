"""For all tests: which run in the same process, and reports, so that fixtures can print logs of what failed."""

import signal
from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.browser import browser, context, page, pictures

__all__ = ["browser", "context", "page", "pictures"]

# Shells start what runs in the background with SIGINT ignored, and all that tests start would inherit it: what they end
# by Ctrl-C, as people do, would go on until it is ended in another way.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPORTS = pytest.StashKey[dict[str, pytest.TestReport]]()

TOGETHER = (
    "tests/conformance",
    "tests/e2e",
    "tests/faults",
    "tests/gateway",
    "tests/notebook",
    "tests/security",
    "tests/swarm",
)
"""Folders whose files share hubs, people with running servers or a container; two processes would start them twice."""


class ByWhatIsShared(LoadScopeScheduling):
    """A process takes a file after the other, and of some folders all files."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatIsShared:
    return ByWhatIsShared(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests with a browser run in its event loop."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    item.stash.setdefault(REPORTS, {})[report.when] = report
    return report


@pytest.fixture
def failed(request: pytest.FixtureRequest):
    """A function that says, in the tear-down of another fixture, whether the test has failed."""

    def has_failed() -> bool:
        report = request.node.stash.get(REPORTS, {}).get("call")
        return report is not None and report.failed

    return has_failed
