"""Where the formatter ends a line, and how many blanks stand between two items that share one.

The author's line ends stay; the few that are added or dropped here are told below. `format_breaks` adds those of
lines that are too long.
"""

from __future__ import annotations

import re

from cospace.dsl.format_items import COMMENT, OPENERS, Group, Item, Items

BINARY = frozenset(("PLUS", "MINUS", "TIMES", "OVER", "POWER", "COMPARE", "AND", "OR"))
_TIGHT_BEFORE = frozenset(("COMMA", "SEMICOLON", "COLON", "DOT", "DOTS", "RPAR", "RSQB"))
_TIGHT_AFTER = frozenset(("DOT", "DOTS", "LPAR", "LSQB"))
_TAKES_ARGUMENTS = frozenset(("NAME", "STRING", "RPAR", "RSQB", "RBRACE", "NUMBER", "PERCENT"))
_GOES_ON = re.compile(r"->|[-+*/^]|[<>]|==|!=|(and|or|then|else|when|per|by|at|in|from)\b")


def is_binary(item: Item) -> bool:
    """Whether it is an operator between two values."""
    return item.kind in BINARY and not item.unary


def is_continued(items: list[Item], i: int) -> bool:
    """Whether an item stands inside a statement or an element that began before it."""
    item = items[i]
    return item.kind != COMMENT and item.closes is None and item.first != i


def blanks_between(items: list[Item], i: int) -> int:
    """The blanks before item `i` where it follows item `i - 1` on its line and nothing is aligned."""
    before, item = items[i - 1], items[i]
    if item.kind == COMMENT:
        return 0 if before.unary else 2  # `- # note` at the start of a line would go on the line above
    if before.unary or item.kind in _TIGHT_BEFORE or before.kind in _TIGHT_AFTER or before.tight or item.tight:
        return 0
    if item.kind in ("LPAR", "LSQB"):
        return 0 if before.kind in _TAKES_ARGUMENTS and item.first != i else 1
    if before.opens is not None:
        return 0 if item.closes is before.opens else _blanks_inside(items, before.opens)
    if item.closes is not None:
        return _blanks_inside(items, item.closes)
    return 1


def _blanks_inside(items: list[Item], group: Group) -> int:
    """One inside the braces of a block and of a decision's named alternatives, none inside those of other sets."""
    if group.kind == "block":
        return 1
    o = group.opener
    decides = o > 0 and (items[o - 1].kind == "BINDING" or (o > 1 and items[o - 2].kind == "BINDING"))
    named = o + 2 < len(items) and items[o + 1].kind == "NAME" and items[o + 2].kind == "EQUAL"
    return int(decides and named and items[o + 1].first == o + 1)


def line_breaks(read: Items) -> list[bool]:
    """For each item whether a line begins with it."""
    items = read.items
    breaks = [item.newlines > 0 for item in items]
    for i, item in enumerate(items):
        if i == 0 or items[i - 1].kind == COMMENT:
            breaks[i] = True
        elif breaks[i] and item.kind != COMMENT and _joins(items, breaks, i):
            breaks[i] = False
            if item.kind == "COMMA" and i + 1 < len(items) and items[i + 1].kind != COMMENT:
                breaks[i + 1] = True
    for group in sorted((item.closes for item in items if item.closes is not None), key=lambda g: g.closer):
        _open_group(items, breaks, group)
    return breaks


def _joins(items: list[Item], breaks: list[bool], i: int) -> bool:
    """Whether item `i` has to share the line of the one before it.

    An operator goes on a line only with a blank after it, so none stands alone; what is written without blanks is one
    word.
    """
    before, item = items[i - 1], items[i]
    if before.unary or before.tight or item.tight or before.kind == "DOT" or item.kind in ("DOT", "COMMA"):
        return True
    if before.opens is not None and item.closes is before.opens:
        return True
    return is_binary(before) and breaks[i - 1]


def _open_group(items: list[Item], breaks: list[bool], group: Group) -> None:
    """A block over several lines has its braces at the end and the start of theirs; a set that begins so ends so."""
    o, c = group.opener, group.closer
    if c == o + 1 or not group.counts_lines:
        return
    if group.kind == "block":
        if not any(breaks[o + 1 : c + 1]):
            return
        if items[o + 1].kind != COMMENT:
            breaks[o + 1] = True
        breaks[c] = True
    elif breaks[o + 1] or items[o + 1].kind == COMMENT:
        breaks[c] = True


def drops(read: Items, breaks: list[bool], i: int) -> bool:
    """Whether a `;` says nothing: at the end of a line or a block."""
    items = read.items
    if items[i].kind != "SEMICOLON":
        return False
    if i + 1 == len(items) or items[i + 1].kind == "RBRACE":
        return True
    n = read.tokens[i + 1]
    if n == len(items):
        return True
    return (breaks[i + 1] or n > i + 1) and (items[n].unary or not _GOES_ON.match(items[n].text))


def keeps_blank(read: Items, i: int) -> bool:
    """Whether the blank line above item `i` stays: not at the start or end of a block, not inside a statement."""
    items = read.items
    item = items[i]
    if not item.blank or i == 0 or item.closes is not None:
        return False
    before = i - 1
    if items[before].kind == COMMENT and items[before].newlines == 0:
        before -= 1
    if before >= 0 and items[before].kind in OPENERS:
        return False
    n = read.tokens[i]
    return n == len(items) or not (is_continued(items, n) and items[n].group.counts_lines)
