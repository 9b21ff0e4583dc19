"""One container of the user image, with a Jupyter server and no hub, for all tests of this folder."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from tests.support.kernel import Kernel, kernel_in
from tests.support.standalone import Standalone, standalone


@pytest.fixture(scope="package")
def server() -> Iterator[Standalone]:
    """The container."""
    with standalone() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel(server: Standalone) -> AsyncIterator[Kernel]:
    """A kernel with a connection in ``blender`` and the magics."""
    async with kernel_in(server) as started:
        await started.run("from p2m_singleuser.notebook import connect\nblender = await connect()")
        await started.run("%load_ext p2m_singleuser.notebook")
        yield started


@pytest.fixture(autouse=True)
def log_of_a_failure(server: Standalone, failed: Callable[[], bool]) -> Iterator[None]:
    """Print the container's log with a failed test."""
    yield
    if failed():
        print(server.log())
