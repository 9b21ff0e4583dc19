"""Sphinx extension: fills pages with reference made from the code, each time they are built.

A page says ``<!-- generated: NAME -->`` on a line of its own; the Markdown of that generator takes its place before
MyST reads the page. So headings, anchors and search work as if somebody had written it, and nobody has to.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from . import metrics, rest, settings, traits

GENERATORS: dict[str, Callable[[], str]] = {
    "metrics of the hub": metrics.of_the_hub,
    "metrics of the gateway": metrics.of_the_gateway,
    "rest calls": rest.calls_reference,
    "rest models": rest.models_reference,
    "settings": settings.reference,
    "traits of the spawner": traits.of_the_spawner,
    "traits of the accounts": traits.of_the_accounts,
}

MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put generated Markdown where a page asks for it; handler of Sphinx' event ``source-read``.

    Raises:
        ExtensionError: The page asks for something that nobody generates.
    """

    def generated(mark: re.Match[str]) -> str:
        try:
            generate = GENERATORS[mark[1]]
        except KeyError:
            raise ExtensionError(f"{page}: there is no generator {mark[1]!r}, only {sorted(GENERATORS)}.") from None
        return generate()

    source[0] = MARK.sub(generated, source[0])


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> Iterable[str]:
    """Pages with generated parts: always read anew, for the code may have changed; handler of ``env-get-outdated``."""
    return [page for page in env.found_docs if MARK.search(env.doc2path(page).read_text(encoding="utf-8"))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True}
