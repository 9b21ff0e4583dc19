"""Modes: what they allow, and what an unknown one means."""

import pytest

from p2m_blender.access import Access, mode_from_environment
from p2m_blender.registry import CommandTable

table = CommandTable()
for kind in ("read", "edit", "code"):
    table.command(kind, kind=kind)(lambda: None)


@pytest.mark.parametrize(("text", "mode"), [(None, "full"), ("", "full"), ("no-code", "no-code"), ("x", "read-only")])
def test_the_mode_comes_from_the_environment_and_an_unknown_one_is_narrow(text, mode):
    assert mode_from_environment({} if text is None else {"P2M_MCP_MODE": text}) == mode


@pytest.mark.parametrize(
    ("mode", "allowed"), [("full", ["read", "edit", "code"]), ("no-code", ["read", "edit"]), ("read-only", ["read"])]
)
def test_a_mode_allows_these_kinds(mode, allowed):
    access = Access(mode)
    assert [kind for kind in ("read", "edit", "code") if access.refusal(table.find(kind)) is None] == allowed


def test_a_refusal_names_the_tool_and_the_mode():
    refusal = Access("no-code").refusal(table.find("code"))
    assert "code runs code, and the mode here is no-code" in refusal.message
