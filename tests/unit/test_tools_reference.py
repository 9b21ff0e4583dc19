"""docs/tools.md says what the MCP server tells its clients."""

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server.app import build_server
from p2m_singleuser.mcp_server.describe import reference
from tests.support.hub import ROOT


async def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs/tools.md").read_text(encoding="utf-8")
    assert written == await reference(), "docs/tools.md is out of date; run `make tools` and commit it."


async def test_every_tool_and_every_parameter_is_in_it() -> None:
    text = await reference()
    for tool in await build_server(BlenderLink()).list_tools():
        section = text.split(f"### `{tool.name}`\n")[1].split("\n### ")[0]
        assert tool.title
        assert f"**{tool.title}**" in section
        for name, field in tool.input_schema["properties"].items():
            assert f"| `{name}` |" in section
            assert field["description"].split()[0] in section
        for name in (tool.output_schema or {}).get("properties", {}):
            assert f"| `{name}` |" in section
