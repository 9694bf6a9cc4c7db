"""The nearest spelling: which known word a mistyped one probably is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

SURE = 2
"""Edits up to which the only nearest word is taken for the one that was meant."""


@frozen
class Meant:
    """A word that means nothing where it stands, and the known one that is nearest to it. As text: the question.

    sure: no other known word is as near, and at most two edits lie between.
    """

    word: str
    near: str
    sure: bool = True

    def __str__(self) -> str:
        return f"did you mean `{self.near}`?"

    def within(self, text: str) -> tuple[int, int] | None:
        """Where the word stands in a text: once as a whole word, else as what begins `word = …` or ends `a.word`."""
        found = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(self.word)}(?!\w)", text)] if self.word else []
        if len(found) > 1 and found[0][0] == 0 and re.match(r"\s*=(?!=)", text[found[0][1] :]):
            return found[0]
        if len(found) > 1 and found[-1][1] == len(text) and text[: found[-1][0]].endswith("."):
            return found[-1]
        return found[0] if len(found) == 1 else None


def meant(word: str, candidates: Iterable[str]) -> Meant | None:
    """The nearest candidate as a suggestion that can be applied; None when none is near."""
    edits, near = _nearest(word, candidates)
    if not near:
        return None
    numbered = re.sub(r"\d+", "", word) == re.sub(r"\d+", "", near[0])  # another index is no misspelling
    return Meant(word, near[0], sure=edits <= SURE and len(near) == 1 and not numbered)


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that needs the fewest edits, or None when none is near. Ties go to the first in order.

    An edit inserts, deletes or replaces a letter, or swaps two neighbours; a third of the letters may differ, one
    always in words of three letters and more. Case alone is no edit.
    """
    near = _nearest(word, candidates)[1]
    return near[0] if near else None


def _nearest(word: str, candidates: Iterable[str]) -> tuple[int, list[str]]:
    """The fewest edits that lead to a candidate, and all that they lead to, in order; none where none is near."""
    limit = max(1, len(word) // 3) if len(word) > 2 else 0
    fewest, found = limit, dict[str, None]()
    lower = word.lower()
    letters = [(letter, lower.count(letter)) for letter in set(lower)]
    for candidate in candidates:
        if candidate == word or abs(len(candidate) - len(word)) > fewest:
            continue
        there = candidate.lower()
        shared = sum([min(n, there.count(letter)) for letter, n in letters])
        if max(len(lower), len(there)) - shared > fewest:
            continue  # each letter that only one of them has is an edit
        edits = _edits(lower, there, fewest)
        if edits < fewest:
            fewest, found = edits, {candidate: None}
        elif edits == fewest:
            found[candidate] = None
    return fewest, list(found)


def _edits(a: str, b: str, limit: int) -> int:
    """Optimal string alignment distance, or more than `limit` as soon as it is."""
    if len(a) > 80 or len(b) > 80:
        return 0 if a == b else limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before = before, row
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
