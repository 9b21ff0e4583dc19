# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds entries of an API by words: a small ranked index. No Blender."""

from __future__ import annotations

import bisect
import heapq
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ENDING = re.compile(r"(?<=...)(?:ing|ed|es|(?<!s)s|e)$")
_STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "by", "for", "from", "how", "in", "into", "is", "it", "of", "on", "or"),
        *("that", "the", "this", "to", "with", "bpy", "ops", "types"),
    )
)

_LAST = 8.0
"""Weight of a word in the last part of a path, its own name."""
_PATH = 3.0
_TEXT = 1.5
_CONTEXT = 1.0
"""Weights of a word in the parts before that, in the description, and in that of the owner."""

_PREFIX = 0.5
"""Share that a word counts for when only its beginning was asked for."""


@dataclass(frozen=True)
class Entry:
    """Something that can be found.

    Attributes:
        path: Its full name, with dots.
        kind: For instance "operator".
        description: One sentence.
        context: What it belongs to, in words: searched, but not shown.
    """

    path: str
    kind: str
    description: str
    context: str = ""


def words(text: str) -> Iterator[str]:
    """Return the stems of the words of a name or sentence, in lower case; words end at dots, underscores, capitals."""
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if word not in _STOP_WORDS:
            yield _ENDING.sub("", word)


class ApiIndex:
    """An index over entries.

    Args:
        entries: What can be found; read once.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: list[Entry] = []
        self._lengths: list[int] = []
        self._weights: dict[str, dict[int, float]] = {}
        for number, entry in enumerate(entries):
            self._entries.append(entry)
            owner, _, name = entry.path.rpartition(".")
            self._add(number, entry.context, _CONTEXT)
            self._add(number, entry.description, _TEXT)
            self._add(number, owner, _PATH)
            self._lengths.append(self._add(number, name, _LAST))
        self._words = sorted(self._weights)

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, query: str, limit: int) -> list[Entry]:
        """Return the entries that fit a query best, best first.

        An entry that has all words comes before one that has some of them; rare words count more than frequent ones,
        a word of the name more than one of the description, a whole word more than its beginning. Of equals, the one
        whose name says the least else comes first.

        Args:
            query: Words, or a name.
            limit: Most entries to return.
        """
        scores: dict[int, float] = {}
        found: dict[int, int] = {}
        for word in dict.fromkeys(words(query)):
            for number, weight in self._matches(word).items():
                scores[number] = scores.get(number, 0.0) + weight
                found[number] = found.get(number, 0) + 1

        def rank(number: int) -> tuple[int, float, int, str]:
            length = self._lengths[number]
            return -found[number], -scores[number] / (1 + 0.15 * length), length, self._entries[number].path

        return [self._entries[number] for number in heapq.nsmallest(limit, scores, key=rank)]

    def _add(self, number: int, text: str, weight: float) -> int:
        """Enter a text's words for an entry; the greatest weight of a word stays. Return how many words."""
        count = 0
        for word in words(text):
            count += 1
            of_word = self._weights.setdefault(word, {})
            of_word[number] = max(of_word.get(number, 0.0), weight)
        return count

    def _matches(self, word: str) -> dict[int, float]:
        """Return the entries that have a word or one that begins with it, each with its weight."""
        matches: dict[int, float] = {}
        position = bisect.bisect_left(self._words, word)
        while position < len(self._words) and self._words[position].startswith(word):
            known = self._words[position]
            of_word = self._weights[known]
            rarity = math.log(1 + len(self._entries) / len(of_word)) * (1.0 if known == word else _PREFIX)
            for number, weight in of_word.items():
                matches[number] = max(matches.get(number, 0.0), weight * rarity)
            position += 1
        return matches
