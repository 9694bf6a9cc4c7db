"""Long lines: where they are broken so that no more than 120 characters of code stand on one.

The break that is looked for is the outermost and loosest: between statements, before `->`, `from` and `when`, after
commas, before `then` and `else`, before operators. Comments, and texts after a statement, are never moved.
"""

from __future__ import annotations

from itertools import pairwise

from attrs import frozen
from cospace.dsl.format_items import COMMENT
from cospace.dsl.format_layout import Layout
from cospace.dsl.format_spacing import is_binary

WIDTH = 120
_DEPTH = 10
_RANKS = {"ARROW": 1, "FROM": 1, "WHEN": 1, "THEN": 2, "ELSE": 2, "FOR": 3, "BY": 3, "PER": 3, "AT": 3}
_OPERATORS = {"OR": 4, "AND": 5, "COMPARE": 6, "PLUS": 7, "MINUS": 7, "TIMES": 18, "OVER": 18}
_BETWEEN = 0
_HEADER = 1
_COMMA = 2
_BRANCH = 2
_BRACKET = 9


@frozen
class _Break:
    """Before item `at`. score: how far in and how tight, the least is best."""

    at: int
    score: int
    group: int
    each: bool


def break_long_lines(layout: Layout) -> bool:
    """Set more of the layout's breaks where a line is too long; whether there were any."""
    changed = False
    for line in layout.lines:
        if _end(layout, line) > WIDTH:
            chosen = _chosen(layout, line)
            for at in chosen:
                layout.breaks[at] = True
            changed = changed or bool(chosen)
    return changed


def _end(layout: Layout, line: list[int], docs: bool = True) -> int:
    """The column after the last code of a line; docs: whether documentation counts."""
    for i in reversed(line):
        item = layout.items[i]
        if item.kind != COMMENT and (docs or item.kind != "DOC"):
            return layout.columns[i] + len(item.text)
    return 0


def _chosen(layout: Layout, line: list[int]) -> list[int]:
    found = _candidates(layout, line)
    if _end(layout, line, docs=False) <= WIDTH:
        # it is documentation that is too long: a declaration's may have a line of its own with what it stands behind
        found = [b for b in found if b.score == _HEADER and layout.items[b.at].kind in ("ARROW", "FROM")]
    if not found:
        return []
    fitting = [b for b in found if _before(layout, b.at) <= WIDTH]
    best = min(fitting or found, key=lambda b: b.score)
    alike = [b for b in found if b.score == best.score and b.group == best.group]
    return [b.at for b in alike] if best.each else _fill(layout, line, [b.at for b in alike])


def _before(layout: Layout, i: int) -> int:
    return layout.columns[i - 1] + len(layout.items[i - 1].text)


def _fill(layout: Layout, line: list[int], places: list[int]) -> list[int]:
    """As few of the places as will do, each line as full as it goes."""
    chosen: list[int] = []
    last: int | None = None
    shift = 0
    for at in [*places, None]:
        end = _before(layout, at) if at is not None else _end(layout, line)
        if end - shift > WIDTH and last is not None:
            chosen.append(last)
            shift = layout.columns[last] - layout.indent_of(last)
        last = at
    return chosen or places[:1]


def _candidates(layout: Layout, line: list[int]) -> list[_Break]:
    items = layout.items
    outer = items[line[0]].group.depth
    found: list[_Break] = []
    for before, i in pairwise(line):
        item, last = items[i], items[before]
        if item.kind == COMMENT or before != i - 1:
            continue
        depth = item.group.depth - outer
        rank: int | None = None
        each = False
        group = item.group
        enters = last.opens is not None and last.opens.kind == "block" and item.closes is not last.opens
        if last.kind == "SEMICOLON" or enters:
            rank, each = _BETWEEN, True
        elif item.closes is not None and item.closes.kind == "block" and last.opens is not item.closes:
            rank, each, depth, group = _BETWEEN, True, depth + 1, item.closes
        elif item.closes is not None:
            continue
        elif last.kind == "COMMA" and item.first == i:
            rank = _COMMA
        elif item.kind in _RANKS and item.first != i:
            rank = _RANKS[item.kind]
            each = item.kind in ("THEN", "ELSE")
        elif is_binary(item) and not item.tight and item.kind in _OPERATORS:
            rank = _OPERATORS[item.kind]
        elif last.kind in ("LPAR", "LSQB"):
            rank = _BRACKET
        if rank is not None and layout.indent_of(i) < layout.columns[i]:
            found.append(_Break(i, depth * _DEPTH + rank, id(group), each))
    return found
