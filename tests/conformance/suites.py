"""The conformance suites of the protocol's authors, as they are run here.

0.1.16 is the latest release and knows the protocol up to 2025-11-25. What it will be next is in a preview, which alone
knows 2026-07-28, the generation without sessions that our server speaks as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.support.hub import ROOT

HERE = Path(__file__).parent
DEADLINE_S = 240.0


@dataclass(frozen=True)
class Suite:
    """One of them.

    Attributes:
        package: Folder in node_modules; package.json says which versions these are.
        options: Which of its scenarios to run.
    """

    package: str
    options: tuple[str, ...]

    async def run(self, url: str, baseline: Path) -> str:
        """Run the server scenarios against an endpoint.

        Args:
            url: The endpoint; it must ask for no token.
            baseline: List of what may fail. What is on it and passes is an error as well.

        Returns:
            What the suite printed.

        Raises:
            AssertionError: The suite is not content; the text says with what.
        """
        program = ROOT / "node_modules" / self.package / "dist/index.js"
        assert program.exists(), f"{program} is missing: run `deploy/environment test`."
        options = ("--url", url, *self.options, "--expected-failures", str(baseline))
        suite = await asyncio.create_subprocess_exec(
            "node", program, "server", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            output, _ = await asyncio.wait_for(suite.communicate(), DEADLINE_S)
        finally:
            if suite.returncode is None:
                suite.kill()
                await suite.wait()
        said = output.decode("utf-8", "replace")
        assert suite.returncode == 0, said
        return said


RELEASED = "@modelcontextprotocol/conformance"
PREVIEW = "conformance-2026"

EVERYTHING_RELEASED = Suite(RELEASED, ("--suite", "all"))
REQUIRED_BY_2026_07_28 = Suite(PREVIEW, ("--requirements", "2026-07-28"))
ACTIVE_RELEASED = Suite(RELEASED, ("--suite", "active"))
REQUIRED_BY_2025_11_25 = Suite(PREVIEW, ("--requirements", "2025-11-25"))
