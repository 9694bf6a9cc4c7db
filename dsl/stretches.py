"""What is kept of one stretch of a parsed text, and moving it to where it stands after a change before it.

A stretch is a top-level statement with the blank lines and comments after it, or what was passed over after a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs
from attrs import evolve, field, frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic, Fix, Label, Span

LOOKED = 16
"""Signs beyond a stretch that may have been looked at: the word that would have continued its last line."""


@frozen(eq=False)
class Stretch:
    """The text from `start` to `end`, read.

    found: what there is to say about it. lost: names that it would have declared, were it not for a mistake.
    reach: nothing from there on was looked at. tokens, errors: how many, for the limits of a file.
    after: the type of its last token. last: whether nothing is read after it.
    """

    start: int
    end: int
    statements: tuple[tree.Statement, ...]
    comments: tuple[tree.Comment, ...]
    found: tuple[Diagnostic, ...]
    lost: frozenset[str]
    reach: int
    tokens: int
    errors: int
    after: str
    last: bool
    nodes: list[tree.Node] = field(factory=list)
    """Once it was moved: all its nodes, what is below one before it."""

    @property
    def origin(self) -> Stretch:
        """As it was read."""
        return self

    @property
    def now(self) -> tuple[tree.Statement, ...]:
        """Its statements: as they were read, as long as nobody asked for them where they stand now."""
        return self.statements

    @property
    def by(self) -> int:
        """How much later it stands now than where it was read."""
        return 0

    def moved(self, by: int) -> Stretch | Moved:
        """The stretch as it stands where it begins `by` signs later."""
        return Moved(self, by) if by else self

    def copies(self, by: int) -> dict[int, Any]:
        """The identity of each node -> its copy that stands `by` signs later."""
        if not self.nodes:
            self.nodes.extend(_below((*self.statements, *self.comments)))
        return _move(self.nodes, by)


@frozen(eq=False, slots=False)
class Moved:
    """A stretch that stands elsewhere than where it was read; its nodes are copied when they are asked for."""

    origin: Stretch
    by: int

    start = property(lambda self: self.origin.start + self.by)
    end = property(lambda self: self.origin.end + self.by)
    reach = property(lambda self: self.origin.reach + self.by)
    lost = property(lambda self: self.origin.lost)
    tokens = property(lambda self: self.origin.tokens)
    errors = property(lambda self: self.origin.errors)
    after = property(lambda self: self.origin.after)
    last = property(lambda self: self.origin.last)

    @cached_property
    def _copies(self) -> dict[int, Any]:
        return self.origin.copies(self.by)

    @property
    def now(self) -> tuple[tree.Statement, ...]:
        return self.statements if "_copies" in vars(self) else self.origin.statements

    @property
    def statements(self) -> tuple[tree.Statement, ...]:
        return tuple([self._copies[id(s)] for s in self.origin.statements])

    @property
    def comments(self) -> tuple[tree.Comment, ...]:
        return tuple([self._copies[id(c)] for c in self.origin.comments])

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        return tuple([moved(d, self.by) for d in self.origin.found])

    def moved(self, by: int) -> Stretch | Moved:
        return self.origin.moved(self.by + by)


def let_out(statements: tuple[tree.Statement, ...], found: Iterable[Diagnostic]) -> tuple[tree.Statement, ...]:
    """Statements, those behind the first that has a block which was never closed let out of it, by its indentation.

    Else what follows a missing `}` would be told to be where it does not belong.
    """
    for d in found:
        place = d.fix.span.start if d.code == "CS102" and d.fix is not None else None
        for at, s in enumerate(statements if place is not None else ()):
            block = getattr(s, "block", None)
            if not isinstance(block, tree.Block) or block.span.start != d.span.start or place is None:
                continue
            inner = tuple([i for i in block.statements if i.span.start < place])
            outer = block.statements[len(inner) :]
            closed = evolve(block, statements=inner, span=Span(block.span.file, block.span.start, place))
            whole = evolve(s, block=closed, span=Span(s.span.file, s.span.start, place))  # type: ignore[arg-type]
            return (*statements[:at], whole, *outer, *statements[at + 1 :])
    return statements


def moved(found: Diagnostic, by: int) -> Diagnostic:
    """A diagnostic whose places all stand `by` signs later."""
    labels = tuple(Label(_span(label.span, by), label.text) for label in found.labels)
    fix = found.fix
    if fix is not None:
        fix = Fix(_span(fix.span, by), fix.replacement, fix.title, fix.sure)
    return evolve(found, span=_span(found.span, by), labels=labels, fix=fix)


def _span(span: Span, by: int) -> Span:
    return Span(span.file, span.start + by, span.end + by)


# Copying thousands of nodes at each key that is pressed: the slots are set directly, which costs a quarter of what the
# constructors do.

_file, _start, _end = (getattr(Span, name).__set__ for name in ("file", "start", "end"))
_SLOTS: dict[type[tree.Node], tuple[tuple[Any, Any], ...]] = {}
_SPANS: dict[type[tree.Node], tuple[tuple[Any, Any], ...]] = {}


def _learn(cls: type[tree.Node]) -> tuple[tuple[Any, Any], ...]:
    """How to read and set the fields of a class of nodes: those that are no span, then its spans."""
    pairs = {f.name: (getattr(cls, f.name).__get__, getattr(cls, f.name).__set__) for f in attrs.fields(cls)}
    _SPANS[cls] = tuple(pair for name, pair in pairs.items() if name in ("span", "name_span"))
    _SLOTS[cls] = tuple(pair for name, pair in pairs.items() if name not in ("span", "name_span"))
    return _SLOTS[cls]


def _below(roots: tuple[tree.Node, ...]) -> list[tree.Node]:
    """Every node below the roots, what is below one before it."""
    found: list[tree.Node] = []
    waiting: list[tree.Node] = list(roots)
    while waiting:
        node = waiting.pop()
        found.append(node)
        for get, _ in _SLOTS.get(type(node)) or _learn(type(node)):
            value = get(node)
            if isinstance(value, tree.Node):
                waiting.append(value)
            elif value.__class__ is tuple:
                waiting.extend(v for v in value if isinstance(v, tree.Node))
    found.reverse()
    return found


def _move(nodes: list[tree.Node], by: int) -> dict[int, Any]:
    """Copies of nodes by the identity of each, all their places `by` signs later."""
    copies: dict[int, Any] = {}
    new = object.__new__
    known = copies.get
    for node in nodes:
        cls = node.__class__
        copy = copies[id(node)] = new(cls)
        for get, set in _SLOTS[cls]:
            value = get(node)
            if value.__class__ is tuple:
                value = tuple([known(id(v), v) for v in value])
            elif value.__class__ is not str and value is not None:
                value = known(id(value), value)
            set(copy, value)
        for get, set in _SPANS[cls]:
            old = get(node)
            span = new(Span)
            _file(span, old.file)
            _start(span, old.start + by)
            _end(span, old.end + by)
            set(copy, span)
    return copies
