"""Numbers, colours and names from clients."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_blender import names, values
from p2m_blender.registry import CommandError


def srgb(linear: float) -> int:
    """What a screen shows for a linear value, 0 to 255."""
    value = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * value)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_screen_colour_is_the_same_on_a_screen_again(parts: tuple[int, int, int]):
    text = "#{:02x}{:02X}{:02x}".format(*parts)
    assert tuple(map(srgb, values.colour("color", text))) == parts


def test_linear_colours_stay_as_they_are():
    assert values.colour("color", [0, 0.5, 1]) == (0, 0.5, 1)
    assert values.colour("color", "#ffffff") == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("wrong", ["red", "#fff", "#12345g", [0, 0], [0, 0, 1.5], [0, 0, math.nan], [0, -0.1, 0]])
def test_what_is_no_colour_is_named(wrong: list[float] | str):
    with pytest.raises(CommandError, match="base_color"):
        values.colour("base_color", wrong)


@given(st.floats(width=32))
def test_a_number_goes_out_as_json_can_say_it(value: float):
    (sent,) = values.rounded([value])
    if math.isfinite(value):
        assert sent == pytest.approx(value, rel=1e-5)
    else:
        assert sent is None


@pytest.mark.parametrize("wrong", [[1, 2], [1, 2, 3, 4], [1, 2, math.inf], [math.nan, 0, 0]])
def test_a_vector_has_three_finite_numbers(wrong: list[float]):
    with pytest.raises(CommandError, match="location must be 3 finite numbers"):
        values.finite("location", wrong, 3)


def test_a_range_includes_its_ends():
    values.within("count", 1, 1, 3)
    values.within("count", 3, 1, 3)
    for wrong in (0, 4, math.nan):
        with pytest.raises(CommandError, match="count must be 1 to 3"):
            values.within("count", wrong, 1, 3)
    for endless in (math.inf, math.nan, -1):
        with pytest.raises(CommandError, match="energy must be at least 0"):
            values.within("energy", endless, 0)


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan])
def test_a_size_is_above_zero(wrong: float):
    with pytest.raises(CommandError, match="size must be above 0"):
        values.positive("size", 1, wrong)


def test_an_unknown_name_brings_similar_ones():
    assert str(names.unknown("Object", "cub", ["Cube", "Camera"])) == "Object not found: cub. Similar: Cube"
    assert str(names.unknown("Object", "zzz", ["Cube", "Camera"])) == "Object not found: zzz"


def test_names_that_cannot_be_looked_up_are_all_listed_up_to_a_limit():
    assert str(names.unknown("Type", "x", ["a1", "b2"], list_all=True)) == "Type not found: x. There are: a1, b2"
    assert str(names.unknown("Type", "x", [], list_all=True)).endswith("There are: none")
    many = [f"name-{number}" for number in range(names.NAMED + 5)]
    assert str(names.unknown("Type", "x", many, list_all=True)).endswith(f"name-{names.NAMED - 1} and 5 more")


def test_names_that_differ_in_case_only_are_both_similar():
    assert names.similar("CUBE", ["cube", "Cube", "lamp"]) == ["cube", "Cube"]
