"""A model as an interactive 3D view: Google's ``<model-viewer>`` and the GLB, both inside the output itself.

Why so: the view works without a network, in any notebook front end and in an exported page, and needs no extension of
JupyterLab. The frame is a sandbox with an origin of its own: nothing in a model reaches the page around it, and its
content security policy lets nothing out. JupyterLab shows frames only in notebooks it trusts; in others the sentence
inside the frame's tag is what is left.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from p2m_singleuser.notebook.pictures import File

HEIGHT = 480
"""Height of a view, in CSS pixels."""

_LIBRARY = Path(__file__).parent / "static" / "model-viewer.min.js.gz"

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Model</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src blob: data:; connect-src blob: data:">
<style>html, body {{ margin: 0; height: 100%; overflow: hidden }}
model-viewer {{ width: 100%; height: 100%; background: #f2f3f5; --progress-bar-color: transparent }}
p {{ font: 14px sans-serif; margin: 1em }}</style></head>
<body><model-viewer camera-controls touch-action="pan-y" shadow-intensity="0.6" interaction-prompt="none" \
alt="3D view of {alt}"></model-viewer>
<script type="text/plain" id="library">{library}</script>
<script type="text/plain" id="model">{model}</script>
<script>
"use strict";
const text = (id) => document.getElementById(id).textContent;
const bytes = (id) => Uint8Array.from(atob(text(id)), (letter) => letter.charCodeAt(0));
const fail = (error) => {{
  const line = document.createElement("p");
  line.textContent = `This browser cannot show the model: ${{error.message ?? error}}`;
  document.body.replaceChildren(line);
}};
const show = async () => {{
  const packed = new Blob([bytes("library")]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.type = "module";
  library.textContent = await new Response(packed).text();
  document.head.append(library);
  const viewer = document.querySelector("model-viewer");
  viewer.addEventListener("error", (event) => fail(event.detail?.sourceError ?? "the model cannot be drawn"));
  viewer.src = URL.createObjectURL(new Blob([bytes("model")], {{ type: "model/gltf-binary" }}));
}};
show().catch(fail);
</script></body></html>"""


@dataclass(frozen=True)
class Model(File):
    """A model as GLB; the last value of a cell shows it in 3D, to be turned with the mouse.

    Attributes:
        height: Of the view, in CSS pixels.
    """

    height: int = HEIGHT

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": frame(self.data, self.name, self.height), "text/plain": str(self)}


def frame(glb: bytes, name: str, height: int) -> str:
    """Return the HTML of a view.

    Args:
        glb: The model, a glTF binary without compressed meshes or textures.
        name: What is shown, for those who cannot see it.
        height: In CSS pixels.
    """
    page = _PAGE.format(alt=escape(name), library=_library(), model=base64.b64encode(glb).decode("ascii"))
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="3D view of {escape(name)}" '
        f'style="width: 100%; height: {height}px; border: 0">Trust this notebook to see the 3D view.</iframe>'
    )


@cache
def _library() -> str:
    return base64.b64encode(_LIBRARY.read_bytes()).decode("ascii")
