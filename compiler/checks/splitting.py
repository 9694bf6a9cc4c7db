"""Which decisions a proof of an optimum splits, and in which order: over the whole space, or within a group.

What a box shows is asked of the reader of the printed space itself (`checker/optimum.py`), whose ranges decide.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Any

from cospace.compiler.bounds.boxes import members

Item = dict[str, Any]
Row = tuple[Any, ...]

TRIED = 3_000
"""Boxes of a group that are looked at before its decisions are put in order."""
COMBINATIONS = 100
"""A box is asked about where no table is read at more combinations."""
LEMMAS = 5_000
"""Boxes that a proof over the whole space may have."""


def by_splits(reader: Any) -> Item | str:
    """A proof by splits alone: a box that holds nothing better by itself, or the values of a decision in it.

    Where every table of mappings is read whole, a box says nothing in reasonable time: such boxes are only split.
    """
    tables = [sorted(reader.at[p] for p in t["reads"]) for t in (*reader.solved, *reader.data["functions"])]
    slow: set[int] = set()
    for n, (op, args, _) in enumerate(reader.nodes):
        if op in ("solve", "solvable") or n in reader.functions or slow.intersection(args):
            slow.add(n)
    asked = [(i, n, n in slow) for i, n in enumerate(reader.kept) if n not in reader.later]
    asked.sort(key=lambda item: item[2])
    lemmas: list[Item] = []

    def show(box: Sequence[int], at: dict[str, list[int]]) -> int | None:
        wide = max((math.prod(box[v].bit_count() for v in reads) for reads in tables), default=1) > COMBINATIONS
        false = next((i for i, n, looks in asked if not (looks and wide) and not reader.may(n, box)), None)
        if false is not None:
            lemmas.append({"box": at, "false": false})
            return len(lemmas) - 1
        v = next(
            (v for v, d in enumerate(reader.decisions) if box[v] & (box[v] - 1) and reader.may(d["guard"], box)), None
        )
        if v is None or len(lemmas) > LEMMAS:
            return None
        path, cases = reader.decisions[v]["path"], []
        for k in members(box[v]):
            found = show([1 << k if u == v else mask for u, mask in enumerate(box)], {**at, path: [k]})
            if found is None:
                return None
            cases.append(found)
        lemmas.append({"box": at, "split": path, "cases": cases})
        return len(lemmas) - 1

    if show(reader.full, {}) is None:
        return "some boxes of a single design, or too many, are not shown to hold nothing better"
    return {"proofs": [lemmas]}


def ordered(groups: Any) -> list[list[str]]:
    """The decisions of each group by path, those first whose values differ most in what they add to the parts."""
    rows = [groups.row(-1, groups.box)]
    lows = [groups.row(g, groups.box) for g in range(len(groups.members))]
    for g in range(len(lows)):
        found = _put_in_order(groups, g, groups.join(*rows, *lows[:g], *lows[g + 1 :]))
        if found == []:
            break
        if found:
            lows[g] = tuple(map(min, zip(*found, strict=True)))
    decisions = groups.space.decisions
    return [[decisions[v]["path"] for v in members] for members in groups.members]


def _put_in_order(groups: Any, g: int, rest: Row) -> list[Row] | None:
    """Order a group's decisions, and its rows of choices that are left; None where not all were looked at.

    Split is the decision that changed most where it was: how much each row grew, or 1 where a choice went. The order is
    that in which they did over all boxes.
    """
    free = list(groups.members[g])
    gain, tries = dict.fromkeys(free, 1.0), dict.fromkeys(free, 1)
    tried, found = itertools.count(), list[Row]()
    todo = [(groups.row(g, groups.box), 0, groups.box)]
    while todo and (seen := next(tried)) < TRIED:
        row, _, box = heapq.heappop(todo)
        open_ = [v for v in free if box[v] & (box[v] - 1)]
        if any(all(a <= b for a, b in zip(r, row, strict=True)) for r in found):
            continue
        if not open_:
            found.append(row)
            continue
        v = max(open_, key=lambda v: gain[v] / tries[v])
        for at, (_, inner) in enumerate(groups.space.points([v], box)):
            grown = groups.row(g, inner) if groups.is_open(g, inner) else None
            if grown is not None and groups.nowhere(groups.join(rest, grown)):
                grown = None
            if grown is not None:
                heapq.heappush(todo, (grown, -(seen << 20) - at - 1, inner))
            tries[v] += 1
            gain[v] += 1 if grown is None else sum(map(_growth, row, grown)) / len(row)
    groups.members[g].sort(key=lambda v: -gain[v] / tries[v])
    return None if todo else found


def _growth(before: Any, after: Any) -> float:
    """By how much of both a number grew, from 0 to 1."""
    if after <= before or math.inf in (abs(before), abs(after)):
        return float(after > before)
    return float((after - before) / (abs(before) + abs(after)))


__all__ = ["by_splits", "ordered"]
