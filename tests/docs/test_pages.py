"""The documentation builds without a warning, and its pages fetch nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']([^"']+)|<link\b[^>]*?\bhref=["']([^"']+)"""
)
"""What a browser fetches by itself when it shows a page."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built anew; a warning is an error."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-d",
            folder / "doctrees",
            "docs",
            folder / "html",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_nothing_is_fetched_from_elsewhere(built: Path) -> None:
    pages = sorted(built.rglob("*.html"))
    assert len(pages) > 15
    fetched = {src or href for page in pages for src, href in FETCHED.findall(page.read_text())}
    assert any("furo" in address for address in fetched)
    assert [address for address in fetched if re.match(r"(https?:)?//", address)] == []
    styles = "".join(style.read_text() for style in built.rglob("*.css"))
    assert re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)]+)|@import\s+[^;]*//[^;]+", styles) == []


@pytest.mark.parametrize(
    ("page", "has"),
    [
        ("reference/environment.html", "P2M_IDLE_TIMEOUT"),
        ("reference/environment.html", "P2M_BLENDER_TCP_HOST"),
        ("reference/traits.html", "c.BlenderSpawnerMixin.mcp_timeout"),
        ("reference/traits.html", "c.AccountsAuthenticator.signup"),
        ("reference/metrics.html", "p2m_spawn_stage_duration_seconds"),
        ("reference/metrics.html", "p2m_gateway_tool_calls_total"),
        ("reference/rest-calls.html", "admin/cleanup-idle"),
        ("tools.html", "execute_blender_code"),
    ],
)
def test_reference_made_from_the_code_is_on_its_page(built: Path, page: str, has: str) -> None:
    text = (built / page).read_text()
    assert has in text
    assert "generated:" not in text
