"""The numbers of a text that could resolve a conflict: which they are, and the space with some of them left open.

Asked are the numbers that stand in a conflicting requirement and, name by name, in what it reads: params, named values,
defs, quantities, arguments. Numbers that shape the space itself are not: domains, tables, units, loops, indices. The
space is compiled once more with a variable in place of each, so that what a number does is what the compiler makes of
it, wherever its name leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from attrs import evolve, frozen
from cospace.compiler.elaborate.program import elaborate_into, space_of
from cospace.compiler.elaborate.values import State, encloses
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import NUMBER, Expr, const, var
from cospace.compiler.space.model import Requirement, Space
from cospace.compiler.space.pins import fix, pin
from cospace.compiler.space.substitute import Substitution
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter, Span
from cospace.dsl.walk import children

TRIES = 40
STEPS = 150_000
"""Compilations while it is found out which numbers can't be left open, and expressions that these evaluate."""


@frozen(eq=False)
class Literal:
    """A number as it is written. path: of the variable that stands for it. name: of the param or value that it is.

    scale: how many base units one of it is, in a unit that `unit` names.
    """

    path: str
    span: Span
    value: Fraction
    unit: str | None = None
    name: str | None = None

    @property
    def variable(self) -> Expr:
        return var(self.path, NUMBER)

    def within(self, places: Sequence[Span]) -> bool:
        """Whether the number stands at one of these places."""
        return any(self.span.file == p.file and p.start <= self.span.start < p.end for p in places)


@frozen(eq=False)
class Opened:
    """The space with some of its numbers open: everything a design has to meet, read with those as variables.

    untried: numbers of which it was not found out whether they can be left open.
    """

    space: Space
    literals: tuple[Literal, ...]
    untried: tuple[Literal, ...] = ()

    def requirements(self, literal: Literal | None) -> list[Requirement]:
        """All requirements with every number but one as the text has it."""
        given = {x.path: const(x.value) for x in self.literals if x is not literal}
        put = Substitution(given)
        return [evolve(r, value=put(r.value), guard=put(r.guard)) for r in self.space.requirements]


def opened(space: Space, places: Sequence[Span]) -> Opened | None:
    """The space with the numbers open that requirements at these places may read; None where none can be."""
    if space.origin is None:
        return None
    literals = _numbered(_near(space, places))
    own = [x for x in literals if x.within(places)]
    halves = [own, [x for x in literals if x not in own]] if 0 < len(own) < len(literals) else _halved(literals)
    pending = [literals]
    tries, steps = TRIES, STEPS
    sure: list[Literal] = []
    best = space
    while pending and tries > 0 and steps > 0:
        group = pending.pop(0)
        if not group:
            continue
        tries -= 1
        found, spent = _compiled(space, {x.span: x.variable for x in (*sure, *group)})
        steps -= spent
        if found is not None:
            sure += group
            best = found
        elif len(group) > 1:
            pending = [*(halves if group is literals else _halved(group)), *pending]
    untried = {id(x) for group in pending for x in group}
    if not sure and not untried:
        return None
    return Opened(
        best, tuple(x for x in literals if x in sure), tuple(x for x in literals if id(x) in untried and x not in sure)
    )


def _halved(group: list[Literal]) -> list[list[Literal]]:
    return [group[: len(group) // 2], group[len(group) // 2 :]]


def compiled(space: Space, numbers: Mapping[Span, Expr]) -> Space | None:
    """The space as its text says with other numbers in it, decisions unchanged and pinned as they are; else None."""
    return _compiled(space, numbers)[0]


def _compiled(space: Space, numbers: Mapping[Span, Expr]) -> tuple[Space | None, int]:
    """As `compiled`, and how many expressions were evaluated."""
    origin = space.origin
    assert origin is not None
    state = State(Reporter(), dict(origin.settings), numbers=numbers)
    root = elaborate_into(state, origin.loaded, origin.data)
    found = None if state.reporter.failed else space_of(root, origin.loaded, state)
    return None if found is None or state.reporter.failed else _as_before(space, found, numbers), state.steps


def _as_before(space: Space, found: Space, numbers: Mapping[Span, Expr]) -> Space | None:
    """What was compiled, pinned as the space is; None where its decisions differ or read an open number."""
    if space.pinned:
        found = pin(found, {path: value for path, value, live in space.pinned if not live})
        found = fix(found, {path: value for path, value, live in space.pinned if live})
    known = {d.path: d for d in found.decisions}
    if any(d.path not in known or known[d.path].values != d.values for d in space.decisions):
        return None
    open_ones = {str(e.payload) for e in numbers.values() if not e.is_const}
    for d in found.decisions:
        if any(e.free & open_ones for e in (d.guard, *(d.allowed or ()))):
            return None
    asked = tuple(r for r in found.requirements if is_modelled(r.value, r.guard))
    return evolve(found, requirements=asked)


# ---- which numbers


def _near(space: Space, places: Sequence[Span]) -> list[tuple[tree.Number, str | None]]:
    """The numbers at some places and in what is named there, each with the name it has; in the order of the text."""
    assert space.origin is not None
    loaded = space.origin.loaded
    files = [f for key, f in loaded.modules.items() if not f.path.startswith("std/")] + [loaded.root]
    files += _settings(space)
    declared: dict[str, list[tree.Node]] = {}
    for f in files:
        for said, declaration in _declarations(f):
            declared.setdefault(said, []).append(declaration)
    roots: list[tree.Node] = []
    for f in files:
        for place in places:
            if f.path == place.file:
                roots += _covering(f, place)
    units = {u.span for f in files for u in _units(f)}
    found: dict[Span, tuple[tree.Number, str | None]] = {}
    seen: set[int] = set()
    pending: list[tuple[tree.Node, str | None]] = [(r, None) for r in roots]
    while pending:
        node, name = pending.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        alone = _alone(node) if name else None
        for inner in _visible(node):
            if isinstance(inner, tree.Number) and inner.span not in units:
                found.setdefault(inner.span, (inner, name if inner is alone else None))
            for word in _words(inner):
                pending += [(d, word) for d in declared.get(word, ())]
    return sorted(found.values(), key=lambda f: (f[0].span.file, f[0].span.start))


def _numbered(found: Iterable[tuple[tree.Number, str | None]]) -> list[Literal]:
    return [Literal(f"number {i}", n.span, n.value, n.unit, name) for i, (n, name) in enumerate(found)]


def _settings(space: Space) -> list[tree.File]:
    """What `--set` gives, read as it was."""
    from cospace.dsl.parse import parse

    assert space.origin is not None
    made = []
    for key, text in space.origin.settings.items():
        name = key.rpartition(".")[2]
        file = parse(f"value = {text}\n", f"--set {name}", Reporter())
        made.append(evolve(file, statements=tuple(_renamed(s, name) for s in file.statements)))
    return made


def _renamed(s: tree.Statement, name: str) -> tree.Statement:
    if isinstance(s, tree.Bind):
        return evolve(s, targets=tuple(evolve(t, id=name) for t in s.targets if isinstance(t, tree.Name)))
    return s


def _declarations(file: tree.File) -> Iterator[tuple[str, tree.Node]]:
    for node in _visible(file):
        if isinstance(node, (tree.Param, tree.Def)):
            yield node.name, node
        elif isinstance(node, tree.Bind):
            for t in node.targets:
                if isinstance(t, tree.Name):
                    yield t.id, node.value
        elif isinstance(node, tree.Parameter) and node.default is not None:
            yield node.name, node.default
        elif isinstance(node, tree.Argument) and node.name is not None:
            yield node.name, node.value


def _units(file: tree.File) -> Iterator[tree.Node]:
    """Each `1 KiB` in a product or quotient: it stands for its unit, and is no number of anything."""
    for node in _visible(file):
        if isinstance(node, tree.Binary) and node.op in ("*", "/"):
            for side in (node.left, node.right):
                if isinstance(side, tree.Number) and side.value == 1 and side.unit is not None:
                    yield side


def _words(node: tree.Node) -> Iterator[str]:
    if isinstance(node, tree.Name):
        yield node.id
    elif isinstance(node, tree.Member):
        yield node.name
    elif isinstance(node, tree.Rule):
        yield from (p.name for p in node.parameters)


def _alone(node: tree.Node) -> tree.Number | None:
    """The number that a name stands for, where it is nothing else."""
    if isinstance(node, tree.Param):
        node = node.default
    return node if isinstance(node, tree.Number) else None


def _covering(file: tree.File, place: Span) -> list[tree.Node]:
    """The outermost nodes that lie within a place."""
    found: list[tree.Node] = []
    pending: list[tree.Node] = [file]
    while pending:
        node = pending.pop(0)
        if node is not file and encloses(place, node.span):
            found.append(node)
        else:
            pending += _children(node, everything=True)
    return found


def _visible(node: tree.Node) -> Iterator[tree.Node]:
    """A node and all below it that numbers are asked of."""
    pending = [node]
    while pending:
        at = pending.pop()
        yield at
        pending += reversed(_children(at))


_HIDDEN: dict[type, tuple[str, ...]] = {
    tree.Decision: ("domain", "by"), tree.Item: ("items",), tree.Binder: ("domain",), tree.Each: ("over",),
}  # fmt: skip
_SHAPING = (tree.Table, tree.Unit, tree.Language)


def _children(node: tree.Node, everything: bool = False) -> list[tree.Node]:
    if isinstance(node, _SHAPING) and not everything:
        return []
    hidden = () if everything else _HIDDEN.get(type(node), ())
    if isinstance(node, tree.Decision) and isinstance(node.domain, tree.SetOf):
        bodies = any(a.name is not None or isinstance(a.value, tree.Call) for a in node.domain.alternatives)
        hidden = ("by",) if bodies and not everything else hidden
    return children(node, hidden)
