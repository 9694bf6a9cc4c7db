"""Lines with their indentation: four blanks for each block, and where a statement goes on.

Inside brackets a line begins under what follows the bracket, or four blanks in where the bracket ends its line. An
operator that begins a line stands under the `=` of its statement, or under what follows the last `if`, `then` or
`else`; these two under their `if`; anything else that goes on is four blanks in.
"""

from __future__ import annotations

from cospace.dsl.format_align import align
from cospace.dsl.format_items import COMMENT, Group, Items
from cospace.dsl.format_spacing import blanks_between, drops, is_binary, keeps_blank

INDENT = 4
_ROUNDS = 6


class Layout:
    """A text's items in lines. breaks: for each item whether a line begins with it.

    lines: the items of each line, without what is dropped. indents: a line's blanks. columns: an item's, from 0.
    """

    def __init__(self, read: Items, breaks: list[bool]) -> None:
        self.items = read.items
        self.binds = read.binds
        self.tokens = read.tokens
        self.breaks = breaks
        self.lines: list[list[int]] = []
        self.line_of: list[int] = []
        for i in range(len(self.items)):
            if breaks[i]:
                self.lines.append([])
            self.line_of.append(len(self.lines) - 1)
            if not drops(read, breaks, i):
                self.lines[-1].append(i)
        self.blank_above = [keeps_blank(read, line[0]) for line in self.lines]
        self.indents = [0] * len(self.lines)
        self.columns = [0] * len(self.items)
        self.pads: dict[int, int] = {}
        for _ in range(_ROUNDS):  # what is aligned moves what stands under it, and the other way round
            self._place()
            pads = align(self.items, self.lines, self.indents, self.blank_above)
            if pads == self.pads:
                break
            self.pads = pads
        self._place()

    def text(self) -> str:
        """All lines, each ended by `\\n`."""
        return "".join(
            ("\n" if blank else "") + self.line_text(line) + "\n"
            for line, blank in zip(self.lines, self.blank_above, strict=True)
        )

    def line_text(self, line: list[int]) -> str:
        parts: list[str] = []
        at = 0
        for i in line:
            parts += [" " * (self.columns[i] - at), self.items[i].text]
            at = self.columns[i] + len(self.items[i].text)
        return "".join(parts)

    def indent_of(self, i: int) -> int:
        """The column where item `i` would begin a line, given what is placed above it."""
        item = self.items[i]
        if item.kind == COMMENT:
            n = self.tokens[i]
            if n == len(self.items):
                return 0
            after = self.items[n]
            return self.indent_of(n) if after.closes is None else self._inside(after.closes)
        if item.closes is not None:
            return self._outside(item.closes)
        return self._inside(item.group) if item.first == i else self._continuation(i)

    def _place(self) -> None:
        for number, line in enumerate(self.lines):
            at = self.indents[number] = self.indent_of(line[0])
            for i in line:
                if i != line[0]:
                    at += blanks_between(self.items, i)
                at += self.pads.get(i, 0)
                self.columns[i] = at
                at += len(self.items[i].text)

    def _hangs(self, opener: int) -> bool:
        """Whether a bracket ends its line."""
        return self.breaks[opener + 1] or self.items[opener + 1].kind == COMMENT

    def _outside(self, group: Group) -> int:
        """Where the closing bracket of a group begins a line."""
        start = self.items[group.opener].first if group.kind == "block" else group.opener
        return self.indents[self.line_of[start]]

    def _inside(self, group: Group) -> int:
        """Where the elements of a group begin a line."""
        if group.kind == "file":
            return 0
        if group.kind == "block" or self._hangs(group.opener):
            return self._outside(group) + INDENT
        return self.columns[group.opener + 1]

    def _continuation(self, i: int) -> int:
        item = self.items[i]
        if item.of_if >= 0:
            return self.columns[item.of_if]
        if is_binary(item) and item.branch >= 0 and not self._hangs(item.branch):
            return self.columns[item.branch + 1]
        bind = self.binds.get(item.first)
        if bind is not None and bind < i and not self._hangs(bind):
            if is_binary(item):
                return self.columns[bind]
            before = next(n for n in range(i - 1, -1, -1) if self.items[n].kind != COMMENT)
            if is_binary(self.items[before]):
                return self.columns[bind] + 2
        nested = item.group.kind in ("(", "[") and bind is None
        return self.columns[item.first] + (0 if nested else INDENT)
