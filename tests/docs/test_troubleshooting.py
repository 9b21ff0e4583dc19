"""Troubleshooting is keyed by messages: each that it has exists in the code, and each that people can meet is in it."""

import re

import pytest

from .messages import (
    GAP,
    ROOT,
    account_problems,
    endings,
    everything_said,
    pattern,
    refusals,
    script_failures,
    spawn_failures,
)

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")

ENTRIES = dict(re.findall(r'^"(.+)"\n: (.+(?:\n  .+)*)', PAGE, re.MULTILINE))
"""What the page says of each message."""

NOT_FOR_PEOPLE = {
    "… is not set; the hub starts the gateway with it.": "only who starts the gateway by hand can meet it",
    "JUPYTERHUB_SERVICE_URL must have the form http://host:port.": "as above",
    "… Try again in a few seconds.": "the end of other sentences",
    "The MCP server lists its tools on more than … pages.": "no server of ours does",
}
"""Sentences that are not on the page, and why."""


def missing(sentences: set[str]) -> list[str]:
    """Sentences of the code that no entry of the page fits; lines of a log below a sentence do not count."""
    patterns = [pattern(entry) for entry in ENTRIES]
    return sorted(text for text in sentences if not any(each.fullmatch(text.splitlines()[0]) for each in patterns))


def test_the_page_is_read_as_it_is_written() -> None:
    assert len(ENTRIES) == len(re.findall(r"^: ", PAGE, re.MULTILINE)) > 100


def test_each_documented_message_exists_in_the_code() -> None:
    said = everything_said()
    assert [entry for entry in ENTRIES if not pattern(entry).search(said)] == []
    assert [entry for entry in ENTRIES if not re.search("[A-Za-z]{3}", entry.replace(GAP, ""))] == []


def test_each_failure_of_a_start_is_documented_with_its_reason() -> None:
    failures = spawn_failures()
    assert len(failures) > 15
    assert missing(set(failures)) == []
    for sentence, reason in failures.items():
        entries = [entry for entry in ENTRIES if pattern(entry).fullmatch(sentence)]
        assert any(f"**`{reason}`**" in ENTRIES[entry] for entry in entries), f"{sentence}: {reason}"


@pytest.mark.parametrize("source", [refusals, account_problems, endings, script_failures])
def test_each_message_for_people_is_documented(source) -> None:
    sentences = source()
    assert len(sentences) >= 5
    assert missing(sentences - set(NOT_FOR_PEOPLE)) == []
