"""One container for the tests of what MCP's authors test with; its log is printed when one fails."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.standalone import Standalone, standalone


@pytest.fixture(scope="package")
def _container() -> Iterator[Standalone]:
    with standalone() as running:
        yield running


@pytest.fixture
def endpoint(_container: Standalone, failed: Callable[[], bool]) -> Iterator[Standalone]:
    """A user's MCP endpoint, with the real relay, MCP server and Blender."""
    yield _container
    if failed():
        print(_container.log())
