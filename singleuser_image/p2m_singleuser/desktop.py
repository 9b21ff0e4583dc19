"""The desktop page: `/user/NAME/blender/` and its files. Its websocket is the jupyter-server-proxy entry `blender`."""

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import template, web

STATIC_DIR = Path(__file__).parent / "static"
NOVNC_DIR = Path(os.environ.get("P2M_NOVNC_DIR", "/opt/p2m/share/novnc"))

# noVNC paints on a canvas and sets the pointer's image as a data: URL.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@cache
def assets_version() -> str:
    """Return a name that changes with any file of the page: browsers may keep what lies under it forever."""
    digest = hashlib.sha256()
    for root in (STATIC_DIR, NOVNC_DIR):
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(root)} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


@cache
def modules() -> tuple[str, ...]:
    """Return noVNC's modules, for the browser to fetch them all at once and not import after import."""
    unused = {"crypto", "ra2.js"}
    return tuple(
        path.relative_to(NOVNC_DIR).as_posix()
        for path in sorted(NOVNC_DIR.rglob("*.js"))
        if path.relative_to(NOVNC_DIR).parts[0] == "core" and not unused.intersection(path.parts)
    )


@cache
def page() -> template.Template:
    """Return the page's template; tornado escapes what is put into it."""
    source = (STATIC_DIR / "desktop.html").read_text(encoding="utf-8")
    return template.Template(source, name="desktop.html", autoescape="xhtml_escape")


class DesktopHandler(JupyterHandler):
    """The page itself."""

    @web.authenticated
    def get(self) -> None:
        """Answer with the page."""
        hub = os.environ.get("JUPYTERHUB_BASE_URL", "") if "JUPYTERHUB_USER" in os.environ else ""
        self.set_header("Cache-Control", "no-store")
        self.finish(
            page().generate(
                user=os.environ.get("JUPYTERHUB_USER", ""),
                hub_home=os.environ.get("JUPYTERHUB_HOST", "") + url_path_join(hub, "hub/home") if hub else "",
                lab=url_path_join(self.base_url, "lab"),
                assets=url_path_join(self.base_url, "blender/assets", assets_version()),
                modules=modules(),
                xsrf=self.xsrf_token,
            )
        )

    def set_default_headers(self) -> None:
        """Allow the page its own files only."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.set_header("Referrer-Policy", "no-referrer")


class AssetHandler(JupyterHandler, web.StaticFileHandler):
    """The page's files, and noVNC's."""

    async def prepare(self, **options: Any) -> None:
        """Refuse who is not signed in."""
        await super().prepare(**options)
        if self.current_user is None and not self._finished:
            raise web.HTTPError(403)

    def set_extra_headers(self, path: str) -> None:
        """Let browsers keep the file: its address changes when it does."""
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")

    def check_xsrf_cookie(self) -> None:
        """Files change nothing: JupyterHub's check of GET requests by scripts is not for them."""

    def compute_etag(self) -> str | None:
        """Use the static file's own."""
        return web.StaticFileHandler.compute_etag(self)


def handlers(base_url: str) -> list[Any]:
    """Return the page's routes."""
    root = re.escape(url_path_join(base_url, "blender"))
    return [
        (rf"{root}/?", DesktopHandler),
        (rf"{root}/assets/[0-9a-f]{{16}}/novnc/(.+)", AssetHandler, {"path": str(NOVNC_DIR)}),
        (rf"{root}/assets/[0-9a-f]{{16}}/(.+)", AssetHandler, {"path": str(STATIC_DIR)}),
    ]


def install(web_app: web.Application) -> None:
    """Add the page's routes in front of all others.

    jupyter-server-proxy claims everything below `/blender/` for its raw socket and answers 405 to a plain GET.
    Jupyter loads extensions by name, so its routes are there before ours, and tornado takes the first match.
    """
    rules = web_app.default_router.rules
    before = list(rules)
    web_app.add_handlers(".*$", handlers(web_app.settings["base_url"]))
    added = [rule for rule in rules if rule not in before]
    rules[:] = added + before
