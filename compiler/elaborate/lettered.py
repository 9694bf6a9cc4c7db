"""A rule answered once with letters for the numbers of a work, for all works that differ in nothing else.

The letters are variables of which no domain is known. Where a rule can't go on with these, where something is said, or
where what is met hangs on the numbers, works are answered one by one. Putting numbers in folds what answering with the
numbers would have folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any

from attrs import evolve as with_changes
from attrs import field, frozen, mutable
from cospace.compiler.elaborate.values import Answering, Context, Instance, State, Stop, evolve, is_number
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision
from cospace.compiler.space.straight import Straight
from cospace.compiler.space.substitute import Substitution
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter, Span

if TYPE_CHECKING:
    from cospace.compiler.elaborate.rules import Pending

AFTER = 1
"""Works that are answered one by one before letters are tried: what a rule reads is known then."""
WORK = "$work"
"""What the paths of maps begin with."""
Found = tuple[dict[str, Expr], Expr | None]
"""A rule's numbers, and its goal."""


@frozen(eq=False)
class Answer:
    """What a rule said with letters. asks: what types ask of these. says, read: what its problem is, with letters, and
    which of them it reads. straight: all its expressions, in the order of `_said`."""

    maps: tuple[MapDecision, ...]
    requirements: tuple[tuple[Expr, str | None, Span], ...]
    fields: dict[str, Expr]
    goal: Expr | None
    asks: tuple[Expr, ...]
    says: tuple[object, ...]
    read: frozenset[str]
    straight: Straight


def _said(
    asks: Iterable[Expr], maps: Iterable[MapDecision], asked: Iterable[tuple[Expr, str | None, Span]],
    fields: Mapping[str, Expr], goal: Expr | None,
) -> Iterator[Expr]:  # fmt: skip
    """The expressions of an answer."""
    yield from asks
    for m in maps:
        yield m.guard
        yield from m.allowed or ()
    for e, _, _ in asked:
        yield e
    yield from fields.values()
    if goal is not None:
        yield goal


@mutable(eq=False)
class Alike:
    """Works that differ in numbers alone. met: keeps the ids of their key alive. found: by the ids of their numbers."""

    met: tuple[object, ...]
    works: int = 0
    refused: bool = False
    answer: Answer | None = None
    found: dict[tuple[int, ...], tuple[object, Found]] = field(factory=dict)


class _OneByOne(Exception):
    """What these numbers make an error, or leave without a value."""


class _Numbers(Substitution):
    """Numbers for letters."""

    def _build(self, node: Expr) -> Expr | list[Expr]:
        found = super()._build(node)
        if isinstance(found, Expr) and _is_odd(found):
            raise _OneByOne
        return found


def _is_odd(made: Expr) -> bool:
    """Whether it was not folded: by 0, a power too long to write down, or a row that is not there."""
    if made.op in ("div", "mod"):
        return made.args[1].is_const and made.args[1].payload == 0
    if made.op == "pow":
        return all(a.is_const for a in made.args)
    return made.op == "lookup" and any(a.is_const for a in made.args)


def answer(rule: tree.Rule, owner: Instance, work: Pending, picked: dict[str, Any], context: Context) -> Found:
    """As `run_rule`, whose answer it gives."""
    from cospace.compiler.elaborate.rules import run_rule

    answering, state = context.answering, context.state
    assert answering is not None
    letters = {} if state.numbers else _letters(work, picked)
    alike = _alike(rule, owner, picked, letters, context) if letters else None
    if alike is not None and not alike.refused:
        if alike.answer is None and alike.works >= AFTER:
            alike.answer = _with_letters(rule, owner, work, letters, context)
            alike.refused = alike.answer is None
        if alike.answer is not None:
            try:
                return _put_in(alike, alike.answer, work, {name: picked[name] for name in letters}, answering)
            except _OneByOne:
                return run_rule(rule, work, owner, context)
    before = _done(state)
    found = run_rule(rule, work, owner, context)
    _reads(rule, state).update(answering.consulted)
    if answering.asks_others:
        state.groups.setdefault("asking", {})[id(rule)] = rule
    if alike is not None:
        alike.works += 1
        alike.refused = alike.refused or answering.local or _done(state) != before
    return found


def _done(state: State) -> tuple[int, ...]:
    """What answering may do besides."""
    lists: tuple[Sized, ...] = (
        state.decisions, state.requirements, state.variants, state.works, state.reporter.found
    )  # fmt: skip
    return tuple(map(len, lists))


def _reads(rule: tree.Rule, state: State) -> set[str]:
    """What pins have been looked for while a rule answered."""
    known: dict[int, tuple[tree.Rule, set[str]]] = state.groups.setdefault("consulted", {})
    return known.setdefault(id(rule), (rule, set()))[1]


def _letters(work: Pending, picked: dict[str, Any]) -> dict[str, Expr]:
    """What stands for each number of a work that its rule picks."""
    own: dict[str, Any] = {**work.facts, **work.dims}
    return {
        name: graph.var(f"${name}", value.type)
        for name, value in picked.items()
        if name in own and own[name] is value and is_number(value) and value.is_const
    }


def _alike(
    rule: tree.Rule, owner: Instance, picked: dict[str, Any], letters: dict[str, Expr], context: Context
) -> Alike:
    answering = context.answering
    assert answering is not None
    facts: dict[str, Any] = {}
    pins: dict[str, Expr] = {}
    if id(rule) in context.state.groups.get("asking", {}):  # else all that is read is picked
        reads = _reads(rule, context.state)
        facts, pins = answering.facts, {path: e for path, e in answering.pins.items() if path in reads}
    rest = {name: value for name, value in picked.items() if name not in letters}
    values = (*rest.values(), *facts.values(), *pins.values(), *letters.values())
    met = (rule, owner, answering.instance, context.guard, *values)
    names = (*rest, "", *facts, "", *pins)
    known: dict[object, Alike] = context.state.groups.setdefault("lettered", {})
    return known.setdefault((*map(id, met), *names), Alike(met))


def _with_letters(
    rule: tree.Rule, owner: Instance, work: Pending, letters: dict[str, Expr], context: Context
) -> Answer | None:
    """The answer to a work of letters; None where there is none that holds for all numbers."""
    from cospace.compiler.elaborate.rules import run_rule

    given, state = context.answering, context.state
    assert given is not None
    dims = {name: letters.get(name, value) for name, value in work.dims.items()}
    facts = {name: letters.get(name, value) if name not in work.dims else value for name, value in work.facts.items()}
    open_ = frozenset(str(letter.payload) for letter in letters.values())
    answering = Answering(given.instance, given.layer, given.facts, pins=given.pins, open=open_)
    reporter, state.reporter = state.reporter, Reporter(owner=state.reporter.owner)
    before = _done(state)
    try:
        fields, goal = run_rule(
            rule, with_changes(work, dims=dims, facts=facts), owner, evolve(context, answering=answering, prefix=WORK)
        )
    except Stop:
        return None
    finally:
        after = _done(state)
        state.reporter = reporter
    reads = _reads(rule, state)
    asking = id(rule) in state.groups.get("asking", {})
    pinned = any(path in given.pins and path not in reads for path in answering.consulted)
    reads.update(answering.consulted - open_)
    hangs = any(not m.guard.free.isdisjoint(open_) for m in answering.maps)
    if after != before or answering.local or hangs or (answering.asks_others and (pinned or not asking)):
        return None
    maps, asked = tuple(answering.maps), tuple(answering.requirements)
    own = [e for e in (goal, fields.get("cycles"), fields.get("energy")) if e is not None]
    own += [e for e, _, _ in asked] + [e for m in maps for e in (m.guard, *(m.allowed or ()))]
    read = open_ & frozenset[str]().union(*(e.free for e in own))
    says = maps, tuple(e for e, _, _ in asked), goal, fields.get("cycles"), fields.get("energy")
    asks = tuple(answering.asks)
    paths = open_ | frozenset(m.path for m in maps)
    straight = Straight(list(_said(asks, maps, asked, fields, goal)), paths, _is_odd, _Numbers)
    return Answer(maps, asked, fields, goal, asks, says, read, straight)


def _put_in(alike: Alike, said: Answer, work: Pending, numbers: dict[str, Expr], answering: Answering) -> Found:
    """The answer at the numbers of a work. Raises `_OneByOne` where answering it would have reported something."""
    key = tuple(map(id, numbers.values()))
    if key in alike.found:
        return alike.found[key][1]
    paths = {m.path: work.path + m.path.removeprefix(WORK) for m in said.maps}
    renamed = {m.path: graph.var(paths[m.path], m.type) for m in said.maps}
    made = iter(_sure(said.straight({f"${name}": value for name, value in numbers.items()} | renamed)))
    if any([next(made) is not TRUE for _ in said.asks]):
        raise _OneByOne
    maps = [_map(m, paths[m.path], made) for m in said.maps]
    requirements = [(e, reason, span) for _, reason, span in said.requirements if (e := next(made)) is not TRUE]
    fields = {name: next(made) for name in said.fields}
    found = fields, None if said.goal is None else next(made)
    answering.maps += maps
    answering.requirements += requirements
    answering.says = said.says, tuple((name, e) for name, e in numbers.items() if f"${name}" in said.read)
    if not maps and not requirements:
        alike.found[key] = tuple(numbers.values()), found
    return found


def _sure(made: Iterable[Expr | None]) -> Iterator[Expr]:
    for e in made:
        if e is None:
            raise _OneByOne
        yield e


def _map(m: MapDecision, path: str, made: Iterator[Expr]) -> MapDecision:
    """A map with the values that it may take at these numbers; made: its expressions."""
    guard = next(made)
    if m.allowed is None:
        return with_changes(m, path=path, guard=guard)
    kept = [(v, a) for v, a in [(v, next(made)) for v in m.values] if a is not FALSE]
    if not kept:
        raise _OneByOne
    allowed = None if all(a is TRUE for _, a in kept) else tuple(a for _, a in kept)
    return with_changes(m, path=path, values=tuple(v for v, _ in kept), guard=guard, allowed=allowed)
