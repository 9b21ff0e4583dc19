"""For all tests: reports are kept, so that fixtures can print logs of what failed."""

from collections.abc import Generator
from typing import Any

import pytest

REPORTS = pytest.StashKey[dict[str, pytest.TestReport]]()


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
