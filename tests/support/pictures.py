"""What a picture shows, as far as a test can tell."""

import io

from PIL import Image, ImageChops, ImageStat


def open_png(data: bytes) -> Image.Image:
    """A PNG's pixels as RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def colours(picture: Image.Image) -> int:
    """How many different colours there are: 1 for an empty window, thousands for a shaded viewport."""
    return len(picture.getcolors(maxcolors=picture.width * picture.height) or [])


def changed_share(before: Image.Image, after: Image.Image) -> float:
    """Which share of the pixels differs visibly, 0 to 1; pictures of different size differ wholly."""
    if before.size != after.size:
        return 1.0
    difference = ImageChops.difference(before, after).convert("L").point(lambda value: 255 if value > 16 else 0)
    return ImageStat.Stat(difference).mean[0] / 255
