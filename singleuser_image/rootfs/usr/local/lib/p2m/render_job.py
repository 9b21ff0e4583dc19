"""Run in a render job's Blender: renders what job.json asks for, and tells progress and outcome by files.

    blender -b scene.blend --python render_job.py -- JOB_DIRECTORY

The files are described in p2m_singleuser/jobs.py.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import bpy

JOB = Path(sys.argv[-1])
RESULT_SIZE = 1024  # longest side of result.png, in pixels
SAMPLES_SAID = re.compile(r"(?:Sample|Rendering) +(\d+) */ *(\d+)")
FORMATS = {"png": ("PNG", ".png"), "jpeg": ("JPEG", ".jpg"), "exr": ("OPEN_EXR", ".exr"), "mp4": ("FFMPEG", ".mp4")}


def write(name: str, content: dict[str, Any]) -> None:
    """Replace a file in one step: readers never see half of it."""
    temporary = JOB / f"{name}.new"
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(JOB / name)


class Reporter:
    """Follows the render by Blender's handlers."""

    def __init__(self) -> None:
        self.frame: int | None = None
        self.frames_done = 0
        self.share = 0.0

    def listen(self) -> None:
        """Be told of frames and samples."""
        bpy.app.handlers.render_pre.append(self.begun)
        bpy.app.handlers.render_post.append(self.finished)
        bpy.app.handlers.render_stats.append(self.said)

    def begun(self, scene: Any, *_: Any) -> None:
        """Note that a frame begins."""
        self.frame, self.share = scene.frame_current, 0.0
        self.write()

    def finished(self, *_: Any) -> None:
        """Note that a frame is rendered."""
        self.frames_done, self.share = self.frames_done + 1, 0.0
        self.write()

    def said(self, words: Any = None, *_: Any) -> None:
        """Read the samples in what the engine says of itself."""
        match = SAMPLES_SAID.search(words) if isinstance(words, str) else None
        if match and int(match[2]) and (share := int(match[1]) / int(match[2])) > self.share:
            self.share = share
            self.write()

    def write(self) -> None:
        """Write progress.json."""
        write("progress.json", {"frame": self.frame, "frames_done": self.frames_done, "share": self.share})


def choose_engine(scene: Any, engine: str, samples: int) -> None:
    """Set the engine and its samples."""
    render = scene.render
    if engine == "cycles":
        render.engine = "CYCLES"
        scene.cycles.samples = samples
        if not can_denoise():
            scene.cycles.use_denoising = False
    elif engine == "eevee":
        try:
            render.engine = "BLENDER_EEVEE_NEXT"  # Blender 4.2 to 4.5
        except TypeError:
            render.engine = "BLENDER_EEVEE"  # Blender 5.0
        scene.eevee.taa_render_samples = samples
    else:
        render.engine = "BLENDER_WORKBENCH"
        steps = ("FXAA", "5", "8", "11", "16", "32")
        scene.display.render_aa = (
            next((s for s in steps if s != "FXAA" and int(s) >= samples), "32") if samples > 1 else "FXAA"
        )


def can_denoise() -> bool:
    """Return whether this Blender has a denoiser; Debian's has none, and a render that wants one fails."""
    import _cycles

    return bool(_cycles.with_openimagedenoise)


def choose_format(settings: Any, name: str) -> None:
    """Set the type of the files."""
    if hasattr(settings, "media_type"):  # Blender 5.0: the kind of file first, then its format
        settings.media_type = "VIDEO" if name == "mp4" else "IMAGE"
    settings.file_format = FORMATS[name][0]


def render(request: dict[str, Any], reporter: Reporter) -> list[str]:
    """Render and return the files that were written.

    Raises:
        RuntimeError: Blender cannot; its text says why.
    """
    scene = bpy.context.scene
    choose_engine(scene, request["engine"], request["samples"])
    options = scene.render
    options.resolution_x, options.resolution_y, options.resolution_percentage = request["width"], request["height"], 100
    options.use_overwrite = True
    options.use_placeholder = False
    options.use_file_extension = True
    choose_format(options.image_settings, request["format"])
    if request["format"] == "mp4":
        options.ffmpeg.format, options.ffmpeg.codec = "MPEG4", "H264"
        options.ffmpeg.constant_rate_factor = "HIGH"
        options.resolution_x += options.resolution_x % 2  # H.264 knows even sizes only
        options.resolution_y += options.resolution_y % 2
    output = Path(request["output"])
    suffix = FORMATS[request["format"]][1]
    first, last, step = request["frame_start"], request["frame_end"], request["frame_step"]
    scene.frame_start, scene.frame_end, scene.frame_step = first, last, step
    output.parent.mkdir(parents=True, exist_ok=True)
    reporter.listen()
    if output.suffix == suffix and request["format"] != "mp4":
        scene.frame_set(first)
        options.filepath = str(output)
        bpy.ops.render.render(write_still=True)
        return [str(output)]
    if output.suffix == suffix:
        options.filepath = str(output)
        bpy.ops.render.render(animation=True)
        return [str(output)]
    output.mkdir(exist_ok=True)
    options.filepath = str(output / f"{output.name}_####")
    bpy.ops.render.render(animation=True)
    return [str(output / f"{output.name}_{frame:04d}{suffix}") for frame in range(first, last + 1, step)]


def save_result() -> None:
    """Save the last picture, small, as result.png."""
    result = bpy.data.images["Render Result"]
    settings = bpy.context.scene.render.image_settings
    choose_format(settings, "png")
    settings.color_mode, settings.color_depth = "RGB", "8"
    path = JOB / "result.png"
    result.save_render(str(path))
    image = bpy.data.images.load(str(path))
    width, height = image.size
    factor = RESULT_SIZE / max(width, height)
    if factor < 1:
        image.scale(max(1, round(width * factor)), max(1, round(height * factor)))
        image.save()


def main() -> None:
    """Render, and say how it went."""
    request = json.loads((JOB / "job.json").read_bytes())["request"]
    try:
        files = render(request, Reporter())
        missing = [path for path in files if not Path(path).exists()]
        if missing:
            raise RuntimeError(f"Blender rendered, but did not write {missing[0]}")
        save_result()
    except (RuntimeError, OSError, TypeError) as error:
        write("outcome.json", {"files": [], "error": str(error).strip().removeprefix("Error: ")})
        raise
    write("outcome.json", {"files": files, "error": None})


main()
