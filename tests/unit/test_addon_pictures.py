"""Pictures as bytes: PNG and contact sheets."""

import io

import pytest
from PIL import Image

from p2m_blender.pictures import Picture, columns_of_sheet, contact_sheet, png


def plain(width: int, height: int, colour: bytes) -> Picture:
    return Picture(width, height, (colour + b"\xff") * (width * height))


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(png(picture)))


def test_a_png_shows_the_pixels_where_they_are():
    lowest_first = b"\x01\x02\x03\xff" * 2 + b"\xfa\xfb\xfc\x00" * 2
    image = opened(Picture.from_lowest_row(2, 2, lowest_first))
    assert (image.mode, image.size) == ("RGB", (2, 2))
    assert [image.getpixel((0, y)) for y in (0, 1)] == [(0xFA, 0xFB, 0xFC), (1, 2, 3)]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3)])
def test_a_sheet_is_about_as_many_pictures_wide_as_high(count: int, columns: int):
    assert columns_of_sheet(count) == columns


def test_a_sheet_has_each_picture_in_its_cell_with_its_name():
    red, green, blue = b"\xff\x00\x00", b"\x00\xff\x00", b"\x00\x00\xff"
    sheet = opened(
        contact_sheet([("left", plain(100, 60, red)), ("top", plain(100, 60, green)), ("iso", plain(50, 60, blue))])
    )
    assert sheet.size == (202, 122)
    assert [sheet.getpixel(place) for place in ((90, 50), (192, 50), (50, 112), (10, 112), (192, 112))] == [
        tuple(red),
        tuple(green),
        tuple(blue),
        (0, 0, 0),
        (0, 0, 0),
    ]
    left, top = (sheet.crop((x, 0, x + 56, 22)) for x in (0, 102))
    assert (240, 240, 240) in [colour for _, colour in left.getcolors()]
    assert left.tobytes() != top.tobytes()


def test_a_name_wider_than_its_picture_is_cut():
    assert contact_sheet([("camera", plain(16, 9, b"\x00\x00\x00"))]).width == 16
