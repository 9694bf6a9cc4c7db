"""The nearest spelling: which known word a mistyped one probably is."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that needs the fewest edits, or None when none is near. Ties go to the first in order.

    An edit inserts, deletes or replaces a letter, or swaps two neighbours; a third of the letters may differ, one
    always in words of three letters and more. Case alone is no edit.
    """
    best: tuple[int, str] | None = None
    limit = max(1, len(word) // 3) if len(word) > 2 else 0
    for candidate in candidates:
        if candidate == word or abs(len(candidate) - len(word)) > limit:
            continue
        edits = _edits(word.lower(), candidate.lower(), limit)
        if edits <= limit and (best is None or edits < best[0]):
            best = (edits, candidate)
    return best[1] if best else None


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
