"""Which newlines count, and how large a text may be: everything that is decided token by token, before parsing.

A newline is dropped inside `( )` and `[ ]`, after a token that can't end a statement, after `{` and after another
newline. The filter also knows every open bracket, which recovery after a syntax error starts from.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import field, mutable
from cospace.dsl.diagnostics import Span
from lark import Token

MAX_TOKENS = 40_000
MAX_NESTING = 200
MAX_CHAIN = 2_000
"""Operators one after another, brackets included: no syntax tree is deeper than this and a few."""
MAX_DIGITS = 1_000

OPEN = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
CLOSE = frozenset(("RPAR", "RSQB", "RBRACE"))
SEPARATORS = frozenset(("_NL", "SEMICOLON", "COMMA"))
_OPERATORS = frozenset(("PLUS", "MINUS", "TIMES", "OVER", "COMPARE", "AND", "OR", "DOT", "DOTS", "AT"))
_CAN_END = frozenset(("NAME", "NUMBER", "STRING", "PERCENT")) | CLOSE

_DIGITS = re.compile(r"\d")


@mutable
class Frame:
    """An open bracket, or the file itself.

    kind: file, block, set, ghost (a block whose header was wrong, read for its own errors only), `(` or `[`.
    snapshot: the parser's stacks at the start of the current statement or element, and where that is.
    """

    kind: str
    opener: Token | None = None
    snapshot: tuple[list[Any], list[Any], int] | None = None
    chain: int = 0
    inner: int = 0
    right: int = 0
    pending: int = 0
    deepest: int = 0
    entry: tuple[list[Any], list[Any], list[int]] | None = None
    """Of a ghost: the stacks to go back to at its end, and how long the lists among the values were."""

    @property
    def counts_lines(self) -> bool:
        return self.kind not in ("(", "[")

    @property
    def resumes(self) -> bool:
        """Whether parsing can go on at this frame's next statement or element."""
        return self.snapshot is not None

    def reset(self) -> None:
        """Forget what the current element was made of."""
        self.deepest = max(self.deepest, self.chain + self.inner)
        self.chain = self.inner = self.right = self.pending = 0


@mutable
class Limit:
    """A limit that a text exceeds."""

    code: str
    span: Span
    message: str
    help: str


@mutable
class LineFilter:
    """Follows the tokens of one file. `drops` is asked before a token is fed, `note` told after."""

    path: str
    frames: list[Frame] = field(factory=lambda: [Frame("file")])
    last: str = "_NL"
    tokens: int = 0

    @property
    def top(self) -> Frame:
        return self.frames[-1]

    def drops(self, token: Token) -> bool:
        """Whether a newline doesn't count here; also separators after which another newline says nothing new."""
        return token.type == "_NL" and not (self.top.counts_lines and self.last in _CAN_END)

    def starts_element(self, token: Token) -> bool:
        """Whether this token would begin a statement of a block, or an element of a set."""
        if token.type in ("_NL", "RBRACE", "$END"):
            return False
        if self.top.kind in ("file", "block", "ghost"):
            return self.last in ("_NL", "SEMICOLON", "LBRACE")
        return self.top.kind == "set" and self.last in ("_NL", "COMMA", "LBRACE")

    def note(self, token: Token, kind: str) -> None:
        """Take in a token that the parser accepted. kind: what an opening brace turned out to be."""
        type_ = token.type
        top = self.top
        if type_ in OPEN:
            self.frames.append(Frame("(" if type_ == "LPAR" else "[" if type_ == "LSQB" else kind, token))
            if type_ != "LBRACE" and self.last in _CAN_END:
                top.chain += 1  # a call or an index is one step of a chain
        elif type_ in CLOSE:
            self._close()
        elif type_ in SEPARATORS:
            top.reset()
        else:
            self._count(type_, top)
        self.last = type_

    def _close(self) -> None:
        if len(self.frames) > 1:
            closed = self.frames.pop()
            closed.reset()
            self.top.inner = max(self.top.inner, closed.deepest + 1)

    def _count(self, type_: str, top: Frame) -> None:
        if type_ in ("IF", "ELSE"):
            top.right += 1
        elif type_ in ("NOT", "POWER") or (type_ == "MINUS" and self.last not in _CAN_END):
            top.pending += 1
        elif type_ in _OPERATORS:
            top.chain += 1
            if type_ != "DOT":
                top.pending = 0

    def exceeds(self, token: Token) -> Limit | None:
        """The limit that the text exceeds with this token, to be asked after `note`."""
        self.tokens += 1
        if self.tokens > MAX_TOKENS:
            return self._limit(
                token, "CS107", f"the file has more than {MAX_TOKENS:,} words and signs",
                "split it into modules and `import` them; measured data belongs in a `table … from` a file",
            )  # fmt: skip
        nesting = len(self.frames) - 1 + sum(f.right + f.pending for f in self.frames[-MAX_NESTING - 1 :])
        if nesting > MAX_NESTING:
            return self._limit(
                token, "CS108", f"nested more than {MAX_NESTING} deep",
                "give the inner parts names of their own; a long `else if` chain may be a `table` or a record",
            )  # fmt: skip
        if self.top.chain + self.top.inner > MAX_CHAIN:
            return self._limit(
                token, "CS109", f"an expression of more than {MAX_CHAIN:,} operators in a row",
                "name its parts, or write the sum over a list: `sum(e for e in list)`",
            )  # fmt: skip
        return None

    def _limit(self, token: Token, code: str, message: str, help: str) -> Limit:
        start = token.start_pos or 0
        return Limit(code, Span(self.path, start, start + len(token)), message, help)


def too_long(number: str) -> bool:
    """Whether a number has more digits, written or by its exponent, than are computed with."""
    if len(number) > 2 * MAX_DIGITS:
        return True
    mantissa, _, exponent = number.lower().partition("e")
    if exponent and (len(exponent) > 6 or abs(int(exponent)) > MAX_DIGITS):
        return True
    return len(_DIGITS.findall(mantissa)) > MAX_DIGITS
