"""The conformance suite through our relay, in front of a server that has all of the suite's fixtures.

Without exceptions: also what test_suite.py has to leave out passes here. The released suite's two pending scenarios
run in the preview only: the released one asks for resumable streams under a protocol version that had none.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.fixture_server import fixture_app
from tests.conformance.forwarder import forwarder
from tests.conformance.suites import ACTIVE_RELEASED, REQUIRED_BY_2025_11_25, Suite
from tests.support.ports import free_port
from tests.unit.singleuser_fakes import serving
from tests.unit.test_server_extension import Jupyter, running

TOKEN = "token-of-the-relay-tests"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A Jupyter server on the loopback, with our extension."""
    port = free_port()
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser", "--allow-root"]
    with running(tmp_path_factory.mktemp("relay"), "/", port, ["jupyter_server", *options]) as server:
        yield server


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("suite", [ACTIVE_RELEASED, REQUIRED_BY_2025_11_25], ids=["released", "preview"])
async def test_the_relay_carries_all_that_the_protocol_can_say(jupyter: Jupyter, tmp_path: Path, suite: Suite):
    nothing = tmp_path / "baseline.yml"
    nothing.write_text("server: []\n")
    async with serving(jupyter.runtime, fixture_app()), forwarder(jupyter.mcp, TOKEN) as url:
        said = await suite.run(url, nothing)
    assert said.count("\n✓ ") >= 30, said
