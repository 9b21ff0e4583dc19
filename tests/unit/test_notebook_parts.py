"""Addresses, errors, arguments and pictures of the notebook client."""

import io
import re
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import Tool
from PIL import Image

from p2m_blender.access import Access
from p2m_blender.registry import CommandTable
from p2m_singleuser.link import BlenderLink, BlenderUnavailable
from p2m_singleuser.notebook import addresses, connection, magics, model_view, steps
from p2m_singleuser.notebook.clients import BlockingBlender
from p2m_singleuser.notebook.errors import BlenderProblem, NotAllowed, WrongCall
from p2m_singleuser.notebook.methods import ToolMethod
from p2m_singleuser.notebook.pictures import Picture

commands = CommandTable()
commands.command("execute_blender_code", kind="code")(lambda: None)


def tool(**properties: Any) -> ToolMethod:
    """A tool with these parameters, all of them required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return ToolMethod(Tool(name="make", description="Make it.", input_schema=schema))


def test_inside_a_container_its_own_socket_is_the_address(tmp_path: Path) -> None:
    found = addresses.find(None, None, {"P2M_RUNTIME_DIR": str(tmp_path)})
    assert (found.socket, found.token) == (tmp_path / "mcp.sock", None)


def test_elsewhere_url_and_token_come_from_arguments_or_the_environment() -> None:
    environ = {"P2M_MCP_URL": "https://hub/services/p2m/mcp", "P2M_MCP_TOKEN": "secret"}
    assert addresses.find(None, None, environ) == addresses.Address("https://hub/services/p2m/mcp", "secret")
    assert addresses.find("http://other/mcp", "mine", environ) == addresses.Address("http://other/mcp", "mine")
    assert "secret" not in repr(addresses.find(None, None, environ))


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        (None, None, "This is not a Blender server.*Connect an agent"),
        ("hub.example.org", "t", "is no address; it begins with https://"),
        ("https://hub/mcp", None, "needs a token. Pass connect"),
        ("https://hub/mcp?token=t", None, "Pass the token apart"),
        ("https://me:t@hub/mcp", None, "Pass the token apart"),
        ("https://hub/mcp", "two words", "letters that no token has"),
    ],
)
def test_an_address_that_cannot_work_is_explained(url: str | None, token: str | None, message: str) -> None:
    with pytest.raises(BlenderProblem, match=message):
        addresses.find(url, token, {"P2M_RUNTIME_DIR": "/does-not-exist"})


async def test_the_servers_words_for_a_blender_that_comes_up_are_known(tmp_path: Path) -> None:
    with pytest.raises(BlenderUnavailable) as caught:
        await BlenderLink(tmp_path / "blender.sock").call("ping")
    assert connection._COMES_UP.match(str(caught.value))["cut"] is None  # type: ignore[index]
    (tmp_path / "blender-exits.json").write_text('{"restarts": 1}')
    back = BlenderLink(tmp_path / "blender.sock")._when_back()
    assert connection._COMES_UP.match(back)["cut"] is None  # type: ignore[index]
    assert connection._COMES_UP.match(f"Blender went away before it answered ping. {back}")["cut"]  # type: ignore[index]


def test_the_extensions_words_for_a_mode_without_code_are_known() -> None:
    modes: list[Literal["no-code", "read-only"]] = ["no-code", "read-only"]
    for mode in modes:
        refused = Access(mode).refusal(commands.find("execute_blender_code"))
        assert refused is not None
        assert isinstance(connection._failure(refused.message), NotAllowed)


def test_a_connection_without_code_tools_says_what_to_do() -> None:
    class WithoutCode:
        pass

    class Refusing:
        def execute_blender_code(self, code: str) -> None:
            raise NotAllowed("execute_blender_code runs Python, and the mode here is no-code: use another.")

    for blender in (WithoutCode(), Refusing()):
        with pytest.raises(NotAllowed, match="Use the tools instead"):
            magics.run(cast(BlockingBlender, blender), "1", {}, [])


def test_the_sdks_words_for_wrong_arguments_become_a_sentence() -> None:
    said = (
        "Error executing tool make: 1 validation error for makeArguments\nsize\n  Input should be a valid number "
        "[type=float_parsing, input_value='x', input_type=str]\n    For further information visit https://errors/x"
    )
    assert connection._readable(said) == "make cannot take this: size Input should be a valid number."


def test_a_wrong_call_names_the_parameters() -> None:
    for call in ((), (1, 2), (1, 2, 3)):
        if len(call) != 2:
            with pytest.raises(WrongCall, match=re.escape("make(): ") + ".*Its parameters: size, name"):
                tool(size={"type": "number"}, name={"type": "string"}).arguments(*call)


def test_arguments_may_be_paths_tuples_and_arrays() -> None:
    class Array:
        def tolist(self) -> list[float]:
            return [1.0, 2.0]

    given_to = tool(a={}, b={}, c={}).arguments(Path("x/y"), c=Array(), b=(1, 2))
    assert given_to == {"a": "x/y", "b": [1, 2], "c": [1.0, 2.0]}
    with pytest.raises(BlenderProblem, match="a is a object, which JSON cannot say"):
        tool(a={}).arguments(object())


def test_an_error_shows_the_callers_lines_and_the_sentence() -> None:
    with pytest.raises(WrongCall) as caught:
        tool(size={}).arguments()
    *lines, sentence = caught.value._render_traceback_()
    assert sentence.startswith("WrongCall: make(): missing a required argument")
    assert len(lines) == 1
    assert lines[0].endswith("tool(size={}).arguments()")


@given(name=st.text(), height=st.integers(min_value=1, max_value=4000))
def test_a_view_is_one_frame_whatever_the_name(name: str, height: int) -> None:
    shown = model_view.frame(b"glTF", name, height)
    assert shown.count("<") == 2
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in shown


def picture(colour: str) -> Picture:
    """A plain picture."""
    data = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, "PNG")
    return Picture(data.getvalue(), "image/png")


def test_an_animation_shows_its_pictures_in_turn() -> None:
    made = steps.animated([picture("red"), picture("lime"), picture("blue")], 0.2)
    film = Image.open(io.BytesIO(made.data))
    assert (film.format, film.n_frames, film.info["loop"]) == ("WEBP", 3, 0)  # type: ignore[attr-defined]
    for number, channel in enumerate((0, 1, 2)):
        film.seek(number)
        seen = film.convert("RGB").getpixel((4, 3))
        assert isinstance(seen, tuple)
        assert seen[channel] > 200
    assert made._repr_mimebundle_()["text/html"].startswith('<img src="data:image/webp;base64,')


def test_a_turntable_goes_round_once() -> None:
    turning = steps.turntable(frames=4, seconds=1)
    step = next(turning)
    turns = [step.arguments["turn"]]
    for colour in ("red", "lime", "blue"):
        step = turning.send(picture(colour))
        turns.append(step.arguments["turn"])
    assert turns == pytest.approx([0, 1.5708, 3.1416, 4.7124], abs=1e-3)
    assert (step.done, step.total) == (3, 4)
    with pytest.raises(StopIteration):
        turning.send(picture("white"))


@pytest.mark.parametrize("wrong", [{"frames": 1}, {"frames": 181}, {"seconds": 0}])
def test_a_turntable_has_its_limits(wrong: dict[str, Any]) -> None:
    with pytest.raises(BlenderProblem, match="2 to 180 frames"):
        next(steps.turntable(**wrong))
