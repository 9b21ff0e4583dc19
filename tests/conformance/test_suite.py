"""The conformance suites against a user's MCP endpoint: relay, MCP server and Blender as they are."""

import re
from pathlib import Path

import pytest

from tests.conformance.forwarder import forwarder
from tests.conformance.suites import EVERYTHING_RELEASED, HERE, REQUIRED_BY_2026_07_28, Suite
from tests.support.standalone import Standalone

BASELINES = (HERE / "baseline.yml", HERE / "baseline-2026-07-28.yml")


@pytest.mark.parametrize(
    ("suite", "baseline", "passes"),
    [
        pytest.param(
            EVERYTHING_RELEASED,
            BASELINES[0],
            {
                "server-initialize",
                "ping",
                "tools-list",
                "resources-list",
                "prompts-list",
                "server-sse-multiple-streams",
            },
            id="up-to-2025-11-25",
        ),
        pytest.param(
            REQUIRED_BY_2026_07_28,
            BASELINES[1],
            {"tools-list", "resources-list", "prompts-list", "caching", "http-header-validation"},
            id="2026-07-28",
        ),
    ],
)
async def test_every_scenario_that_applies_passes(endpoint: Standalone, suite: Suite, baseline: Path, passes: set[str]):
    async with forwarder(endpoint.mcp_url, endpoint.token) as url:
        said = await suite.run(url, baseline)
    passed = set(re.findall(r"^✓ ([\w-]+): [1-9]", said, re.MULTILINE))
    assert passes <= passed, said


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda path: path.name)
def test_every_exception_has_its_reason(baseline: Path):
    entries = [line for line in baseline.read_text().splitlines() if line.lstrip().startswith("- ")]
    assert entries
    assert not [line for line in entries if not re.search(r"\S +# \w.{10}", line)]
