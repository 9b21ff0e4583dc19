"""The sentences that people can meet, as the source code has them. ``…`` stands for what is filled in at run time."""

import ast
import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GAP = "…"
"""What takes the place of a value in a sentence."""

SPAWN_FAILURES = {
    *("SpawnFailure", "NotReadyInTime", "ServerDied", "PortsExhausted", "EngineSilent"),
    *("OptionsRefused", "ProfileForbidden"),
}
"""Classes whose first argument is what a user reads when a server does not start."""

REFUSALS = {
    "p2m_spawner/gateway": {
        "Refusal": 2,
        "forbidden": 0,
        "unauthenticated": 0,
        "StartFailed": 0,
        "NoTools": 0,
        "BadToken": 0,
    },
    "singleuser_image/p2m_singleuser": {"Refused": 1, "_invalid": 0, "_unavailable": 1},
    "hub_config": {"SettingError": 0},
    "deploy": {"ProblemError": 0},
}
"""By folder: what is called with a sentence for somebody who is refused something, and which argument that is."""


def spoken(node: ast.expr) -> str | None:
    """The text of a string literal, joined or formatted, with gaps; None for any other expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return (spoken(left) or GAP) + (spoken(right) or GAP)
    return None


@cache
def parsed(folder: str) -> list[tuple[Path, ast.Module]]:
    """The Python files of a folder, as trees."""
    return [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in sorted((ROOT / folder).rglob("*.py"))]


def calls(folder: str) -> Iterator[tuple[ast.Call, str, ast.Module]]:
    """Every call in a folder's Python files, with the name of what is called and the file."""
    for _, tree in parsed(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield node, getattr(node.func, "id", getattr(node.func, "attr", "")), tree


def meant(node: ast.expr, tree: ast.Module) -> list[str]:
    """The sentences that an argument can be: its own, or those that a variable of that name gets in its file."""
    if isinstance(node, ast.Name):
        values = [
            spoken(each.value)
            for each in ast.walk(tree)
            if isinstance(each, ast.Assign) and any(getattr(target, "id", "") == node.id for target in each.targets)
        ]
        return [value for value in values if value]
    text = spoken(node)
    return [text] if text and text.strip(f"{GAP}:. ") else []


def spawn_failures() -> dict[str, str]:
    """What users read when a server does not start; each sentence with its reason."""
    found: dict[str, str] = {}
    for call, name, tree in calls("p2m_spawner"):
        if name not in SPAWN_FAILURES or not call.args:
            continue
        given = {keyword.arg: spoken(keyword.value) for keyword in call.keywords}
        reason = given.get("reason") or {"OptionsRefused": "bad_options", "ProfileForbidden": "profile_forbidden"}[name]
        found |= dict.fromkeys(meant(call.args[0], tree), reason)
    return found


def refusals() -> set[str]:
    """What somebody reads who is refused something by gateway, server, hub's settings or scripts."""
    found = set()
    for folder, callables in REFUSALS.items():
        for call, name, tree in calls(folder):
            place = callables.get(name)
            if place is not None and len(call.args) > place:
                found |= set(meant(call.args[place], tree))
    return found


def account_problems() -> set[str]:
    """What the accounts tell a person: texts of `AccountError`'s subclasses and of those that raise them."""
    texts = {
        text
        for call, name, tree in calls("p2m_spawner/accounts")
        if name in {"__init__", "BadName", "WeakPassword"} and call.args
        for text in meant(call.args[0], tree)
    }
    return {text for text in texts if text.endswith(".")}


def endings() -> set[str]:
    """How pages say that a server ended: what the functions that speak of it return."""
    tree = ast.parse((ROOT / "p2m_spawner/endings.py").read_text(encoding="utf-8"))
    speaking = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in {"sentence", "_what_happened"}
    ]
    returned = {
        spoken(node.value)
        for each in speaking
        for node in ast.walk(each)
        if isinstance(node, ast.Return) and node.value
    }
    return {text for text in returned if text and text.strip(f"{GAP}. ") and not text.startswith(GAP)}


def script_failures() -> set[str]:
    """What the shell scripts of `make up` and its relatives fail with."""
    files = [ROOT / "singleuser_image/build", *(file for file in (ROOT / "deploy").iterdir() if file.is_file())]
    found = set()
    for file in files:
        text = file.read_text(encoding="utf-8")
        if text.startswith("#!/usr/bin/env bash") or file.suffix == ".bash":
            found |= set(re.findall(r'\b(?:fail|fail_with_log|give_up|sentence=) ?"((?:\\.|[^"\\])+)"', text))
    plain = {
        re.sub(r"\$\{(?:[^{}]|\{[^}]*\})*\}|\$\([^)]*\)|\$\w+|\$\*", GAP, text).replace("\\", "") for text in found
    }
    return {text for text in plain if text.strip(GAP)}


@cache
def everything_said() -> str:
    """All that the code can say, each text on a line of its own: to look up whether a sentence exists."""
    said: set[str] = script_failures()
    for folder in ("p2m_spawner", "hub_config", "deploy", "singleuser_image", "addon/p2m_blender"):
        for _, tree in parsed(folder):
            said |= {spoken(node) or "" for node in ast.walk(tree) if isinstance(node, ast.expr)}
        for file in (ROOT / folder).rglob("*"):
            if file.suffix == ".js":
                said |= set(file.read_text(encoding="utf-8").splitlines())
            elif file.suffix == ".html":
                said |= set(re.split(r"<[^>]*>|\{[%{].*?[%}]\}", file.read_text(encoding="utf-8")))
    return "\n".join(" ".join(html.unescape(text).split()) for text in said)


def pattern(documented: str) -> re.Pattern[str]:
    """What a sentence of the documentation stands for: its gaps fit anything inside one text."""
    parts = [re.escape(" ".join(part.split())) for part in re.split(f"\\s*{GAP}\\s*", documented)]
    return re.compile(".*?".join(parts))
