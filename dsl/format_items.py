"""A text as the formatter sees it: the parser's own tokens with the comments between them, and who encloses whom.

Tokens are taken from the parser as it accepts them, so that what a word or a brace is, and which newlines count, is
never guessed a second time.
"""

from __future__ import annotations

import re

from attrs import define, field
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.newlines import LineFilter
from cospace.dsl.parse import _Parse, whole
from lark import Token

TAB = 4
COMMENT = "COMMENT"
CLOSERS = frozenset(("RPAR", "RSQB", "RBRACE"))
OPENERS = frozenset(("LPAR", "LSQB", "LBRACE"))
CAN_END = frozenset(("NAME", "NUMBER", "STRING", "PERCENT")) | CLOSERS
_GOALS = frozenset(("REQUIRE", "MINIMIZE", "MAXIMIZE"))
_COMMENT = re.compile(r"#[^\n]*")
_WHOLE = re.compile(r"\d[\d_]*")


@define(eq=False)
class Group:
    """The file, or what stands between two brackets. kind: file, block, set, `(` or `[`.

    opener, closer: the numbers of its brackets among the items; -1 for the file.
    """

    kind: str
    parent: Group | None = None
    opener: int = -1
    closer: int = -1
    depth: int = 0
    start: int = -1
    fresh: bool = True
    branch: int = -1
    ifs: list[int] = field(factory=list)

    @property
    def counts_lines(self) -> bool:
        return self.kind not in ("(", "[")


@define(eq=False)
class Item:
    """A token or a comment.

    kind: the token's type, `DOC` for documentation. line, column: where the source has it, both from 0, tabs as blanks
    up to the next stop. newlines, blank: how many line ends lie before it, and whether a blank line is right above.
    first: the number of the item that begins its statement or element. unary: a minus that stands before a value.
    tight: a `/` written without blanks. of_if: of `then` and `else`, the number of their `if`. branch: the last of
    `if`, `then` and `else` before it in its element, or -1.
    """

    kind: str
    text: str
    line: int
    column: int
    newlines: int
    blank: bool
    group: Group
    first: int = -1
    opens: Group | None = None
    closes: Group | None = None
    unary: bool = False
    tight: bool = False
    of_if: int = -1
    branch: int = -1


@define(eq=False)
class Items:
    """The items of one text. binds: first item of a statement or element -> its `=`.

    tokens: item -> itself where it is a token, else the first token after it; the number of items where none is.
    """

    items: list[Item]
    binds: dict[int, int]
    tokens: list[int]
    file: tree.File


class _Recorder(LineFilter):
    """Remembers every token that the parser took, with what an opening brace turned out to be."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.taken: list[tuple[Token, str]] = []

    def note(self, token: Token, kind: str) -> None:
        super().note(token, kind)
        self.taken.append((token, kind))


def read_items(text: str, path: str, reporter: Reporter) -> Items | None:
    """The items of a text whose lines end in `\\n`, or None when it has syntax errors, which are reported."""
    parse = _Parse(text, path)
    parse.filter = recorder = _Recorder(path)
    file = whole(parse.run(), text, path, reporter)
    return None if reporter.failed else _Reader(text, file).read(recorder.taken)


class _Reader:
    def __init__(self, text: str, file: tree.File) -> None:
        self.text = text
        self.file = file
        self.items: list[Item] = []
        self.binds: dict[int, int] = {}
        self.fixed: set[int] = set()
        self.top = Group("file")
        self.line = 0
        self.column = 0
        self.end = 0

    def read(self, taken: list[tuple[Token, str]]) -> Items:
        before = ""
        for token, kind in taken:
            if token.type == "_NL":
                self.top.fresh = True
                before = "_NL"
                continue
            start = token.start_pos or 0
            self._comments(start)
            self._token(token, kind, start, before)
            before = token.type
        self._comments(len(self.text))
        self._mark_fractions()
        tokens = [len(self.items)] * (len(self.items) + 1)
        for i in range(len(self.items) - 1, -1, -1):
            tokens[i] = i if self.items[i].kind != COMMENT else tokens[i + 1]
        return Items(self.items, self.binds, tokens, self.file)

    def _comments(self, until: int) -> None:
        for match in _COMMENT.finditer(self.text, self.end, until):
            self._add(COMMENT, match.group().rstrip(), match.start(), match.end())

    def _add(self, kind: str, text: str, start: int, end: int) -> Item:
        gap = self.text[self.end : start]
        newlines = gap.count("\n")
        if newlines:
            self.line += newlines
            self.column = 0
        for blank in gap[gap.rfind("\n") + 1 :]:
            self.column += TAB - self.column % TAB if blank == "\t" else 1
        column = self.column
        self.column += len(text)
        item = Item(kind, text, self.line, column, newlines, newlines > 1, self.top)
        self.items.append(item)
        self.end = end
        return item

    def _token(self, token: Token, kind: str, start: int, before: str) -> None:
        number = len(self.items)
        type_ = token.type
        item = self._add(type_, str(token), start, start + len(token))
        if type_ in CLOSERS:
            closed = self.top
            assert closed.parent is not None
            closed.closer = number
            item.closes = closed
            self.top = item.group = closed.parent
            item.first = self.top.start
            return
        top = self.top
        if top.fresh:
            top.start, top.fresh = number, False
            top.branch = -1
            top.ifs.clear()
        item.first, item.branch = top.start, top.branch
        if type_ in OPENERS:
            name = {"LPAR": "(", "LSQB": "["}.get(type_, kind)
            item.opens = self.top = Group(name, top, number, depth=top.depth + 1)
        elif type_ == "SEMICOLON" or (type_ == "COMMA" and top.kind in ("(", "[", "set")):
            top.fresh = True
        elif type_ == "MINUS":
            item.unary = before not in CAN_END
        elif type_ == "STRING" and before in CAN_END and top.kind not in ("(", "["):
            item.kind = "DOC"
        elif type_ == "AT":
            self.fixed.add(item.first)
        elif type_ == "EQUAL" and item.first not in self.fixed and self.items[item.first].kind not in _GOALS:
            self.binds.setdefault(item.first, number)
        else:
            self._conditional(item, number, before)

    def _conditional(self, item: Item, number: int, before: str) -> None:
        ifs = item.group.ifs
        if item.kind == "IF":
            # `else if` lines up with the `if` it goes on with
            chained = before == "ELSE" and self.items[number - 1].kind == "ELSE"
            ifs.append(self.items[number - 1].of_if if chained else number)
        elif item.kind in ("THEN", "ELSE") and ifs:
            item.of_if = ifs[-1] if item.kind == "THEN" else ifs.pop()
        if item.kind in ("IF", "THEN", "ELSE"):
            item.group.branch = number

    def _mark_fractions(self) -> None:
        """`1/2` where it stands for one number: two whole numbers, not part of a longer product, no unit."""
        items = self.items
        for i, item in enumerate(items):
            if item.kind != "OVER" or not 0 < i < len(items) - 1:
                continue
            pair = all(n.kind == "NUMBER" and _WHOLE.fullmatch(n.text) for n in (items[i - 1], items[i + 1]))
            before = items[i - 2].kind if i > 1 else ""
            after = items[i + 2] if i + 2 < len(items) else None
            part = before in ("TIMES", "OVER", "POWER", COMMENT)
            more = after is not None and after.kind in ("OVER", "POWER", "PERCENT", "NAME", COMMENT)
            unit = after is not None and after.kind == "NAME" and after.first == i + 2
            item.tight = pair and not part and (not more or unit)
