"""Certificates that designs are the best: proofs that none of the others is better, for a reader of the printed space.

Two kinds are looked for: lemmas over boxes, as `certify` has them, with one more requirement, to be better, or where
works have tables of mappings by `splitting`; and that the space falls apart into groups of decisions, for which the
hub's settings are told apart and the groups named, their decisions in the order in which it pays to split them. Owns
the claim `best` of the format (`docs/certificates.md`). What the objectives are, and what a node reads, is asked of the
reader itself, so that what is written is what it will see; it decides whether a proof is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import evolve, field, frozen
from cospace.compiler.bounds.boxes import members
from cospace.compiler.checks.certify import Maker
from cospace.compiler.checks.splitting import by_splits, ordered
from cospace.compiler.engines.apart import groups_of
from cospace.compiler.engines.best import restrict
from cospace.compiler.engines.orientation import oriented
from cospace.compiler.numbers.row_bounds import Pair
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import TRUE, Value, const, either, lt, negative
from cospace.compiler.space.model import Design, Requirement, Space
from cospace.compiler.space.pins import pin
from cospace.dsl.diagnostics import NOWHERE

FIRST, LAST = 300, 20_000
"""Boxes that a proof by lemmas may look at: before it is known whether the space falls apart, and after."""
FEW = 20
"""Designs up to which lemmas are looked for first: each asks of every box whether it is better than any of them."""
SETTINGS = 5_000
"""Boxes of the hub's settings that a proof may have."""
Item = dict[str, Any]


@frozen
class Asked:
    """Which designs are claimed to be the best. fixed: decisions that have one value, where they are live; `live`:
    those of them that every design has to have."""

    designs: Sequence[Design]
    fixed: Mapping[str, Value]
    live: Collection[str]


def claim(space: Space, asked: Asked) -> Item:
    """The claim as it is written, without a proof."""
    positions = {d.path: d.positions for d in space.decisions}
    return {
        "claim": "best",
        "fixed": {p: positions[p][v] for p, v in asked.fixed.items()},
        "live": sorted(asked.live),
        "designs": [{p: positions[p][v] for p, v in design.items()} for design in asked.designs],
    }


def proofs(space: Space, asked: Asked, item: Item, reader: Any) -> Iterator[Item | str]:
    """The claim with one proof after the other that may convince the reader, or why there is none.

    space: as it is printed. reader: of the printed space, which accepts the designs of the claim (`claimed`).
    """
    few = len(asked.designs) <= FEW
    ways: list[Callable[[], Item | str]] = [lambda: _by_groups(space, asked, item, reader)]
    if any(row["rows"] for row in reader.solved):
        ways.insert(0, lambda: by_splits(reader))
    elif few:
        ways.insert(0, lambda: _by_lemmas(space, asked, reader, FIRST))
    ways.append(lambda: _by_lemmas(space, asked, reader, LAST))
    for way in ways:
        found = way()
        yield found if isinstance(found, str) else {**item, **found}


def _by_lemmas(space: Space, asked: Asked, reader: Any, visits: int) -> Item | str:
    """Lemmas over boxes, where being better is asked for like a requirement."""
    guards = {d.path: d.guard for d in space.decisions}
    goals = [o.value if o.sense == "minimize" else negative(o.value) for o in space.objectives if is_modelled(o.value)]
    values = [guards[path] for path in sorted(asked.live)]
    for lows in reader.bests:
        less = [lt(g, const(Fraction(low), g.type.unit)) for g, low in zip(goals, lows, strict=True)]
        values.append(either(*less))
    more = [Requirement(v, TRUE, "it is better", NOWHERE) for v in values]
    whole = evolve(space, requirements=(*space.requirements, *more))
    modelled = [r for r in whole.requirements if is_modelled(r.value, r.guard)]
    at = {d.path: v for v, d in enumerate(space.decisions)}
    pinned = {at[path]: 1 << k for path, k in claim(space, asked)["fixed"].items()}
    found = Maker(whole, visits).proof(modelled, (), pinned)
    return found if isinstance(found, str) else {"proofs": [found]}


def _by_groups(space: Space, asked: Asked, item: Item, reader: Any) -> Item | str:
    """That the space falls apart, at each setting of the hub that is not left out by itself."""
    alone = {path: v for path, v in asked.fixed.items() if path in asked.live}
    shared = {path: v for path, v in asked.fixed.items() if path not in alone}
    least = float(reader.bests[0][0]) if len(reader.bests) == len(reader.goals) == 1 else math.inf
    apart = groups_of(restrict(pin(space, shared), alone), least)
    if apart is None:
        return "it does not fall apart into groups of decisions that can be listed"
    hub, groups = apart
    box = list(reader.full)
    hubs = [v for v in (reader.at[path] for path in hub) if box[v] & (box[v] - 1)]
    parts = _Parts.of(reader, box, hubs, [[reader.at[path] for path in group] for group in groups])
    if parts is None:
        return "what joins the groups of decisions is neither a sum nor an extreme"
    lemmas: list[Item] = []
    if _settings(reader, box, hubs, {}, lemmas) is None:
        return f"more than {SETTINGS:,} settings of the decisions that join the others are open"
    data: Item = {"groups": groups, "parts": parts.ways()}
    open_ = next((lemma["box"] for lemma in lemmas if "apart" in lemma), None)
    if open_ is not None:
        data["groups"] = ordered(reader.parted(data, reader.box(open_)))
    return {"proofs": [lemmas], "apart": [data]}


def _settings(
    reader: Any, box: Sequence[int], hubs: Sequence[int], at: dict[str, list[int]], lemmas: list[Item]
) -> int | None:
    """The position of a lemma that covers a box, with those before that it rests on; None where they are too many."""
    if len(lemmas) > SETTINGS:
        return None
    false = next((i for i, n in enumerate(reader.kept) if n not in reader.later and not reader.may(n, box)), None)
    if false is not None:
        lemmas.append({"box": at, "false": false})
    elif not hubs:
        lemmas.append({"box": at, "apart": 0})
    else:
        v, *rest = hubs
        path = reader.decisions[v]["path"]
        cases = []
        for k in members(box[v]):
            inner = [1 << k if u == v else mask for u, mask in enumerate(box)]
            found = _settings(reader, inner, rest, {**at, path: [k]}, lemmas)
            if found is None:
                return None
            cases.append(found)
        lemmas.append({"box": at, "split": path, "cases": cases})
    return len(lemmas) - 1


@frozen(eq=False)
class _Shown:
    """A node of the printed space, as `orientation` looks at expressions. number: of a constant."""

    op: str
    args: tuple[_Shown, ...] = ()
    number: Fraction = Fraction(0)

    @property
    def is_const(self) -> bool:
        return self.op == "const"


@frozen(eq=False)
class _Parts:
    """The nodes that what all groups decide together is made of, each a sum or an extreme over them."""

    reader: Any
    box: Sequence[int]
    owner: Mapping[int, int]
    roots: tuple[list[int], list[int]]
    """Goals, and requirements that several groups decide."""
    nodes: dict[int, None] = field(factory=dict)

    @classmethod
    def of(cls, reader: Any, box: Sequence[int], hubs: Sequence[int], groups: Sequence[Sequence[int]]) -> _Parts | None:
        inner = [1 << members(mask)[0] if v in hubs else mask for v, mask in enumerate(box)]
        found = cls(reader, inner, {v: g for g, group in enumerate(groups) for v in group}, ([], []))
        found.roots[0].extend(reader.goals)
        extra = len(reader.required) - len(reader.bests)
        asked = [n for n in reader.kept[:extra] if n not in reader.later]
        found.roots[1].extend(n for n in asked if len(found.groups(n)) > 1)
        todo = [*found.roots[0], *found.roots[1]]
        while todo:
            n = todo.pop()
            if n in found.nodes or not found.groups(n):
                continue
            if -1 in found.groups(n) or (len(found.groups(n)) > 1 and not reader.nodes[n][1]):
                return None
            if len(found.groups(n)) == 1 or all(len(found.groups(x)) < 2 for x in found.terms(n) or ([n])):
                found.nodes[n] = None
            else:
                todo += reader.nodes[n][1]
        return found

    def groups(self, n: int) -> set[int]:
        """Those that a node reads; -1 for what is in none of them."""
        return {self.owner.get(v, -1) for v in self.reader.reads[n] if self.box[v] & (self.box[v] - 1)}

    def terms(self, n: int) -> list[int]:
        op, args, _ = self.reader.nodes[n]
        return [*self.reader.terms([(n, 1)])] if op == "add" else list(args) if op in ("min", "max") else []

    def ways(self) -> list[list[Any]]:
        """Nodes with an end that counts: where one has to be small the least, where large the most."""
        shown: dict[int, _Shown] = {}
        goals, asked = ([self._shown(n, shown) for n in some] for some in self.roots)
        ends = frozenset(id(e) for e in shown.values() if not e.args)
        ranges = {id(e): _signs(self.reader.ask(n, self.box)) for n, e in shown.items()}
        wants = oriented(goals, asked, ends, ranges)  # type: ignore[arg-type]
        found = []
        for n in self.nodes:
            small, large = wants.get(id(shown[n]), (False, False))
            found += [[n, "least"]] * small + [[n, "most"]] * large
        return found

    def _shown(self, n: int, known: dict[int, _Shown]) -> _Shown:
        if n not in known:
            op, args, payload = self.reader.nodes[n]
            if n in self.nodes or not self.groups(n):
                number = Fraction(payload) if op == "const" and isinstance(payload, (int, Fraction)) else Fraction(0)
                known[n] = _Shown(op, (), number)
            else:
                known[n] = _Shown(op, tuple(self._shown(a, known) for a in args))
        return known[n]


def _signs(found: tuple[Any, Any] | None) -> Pair:
    """Whether a range is below 0, at its ends, which is all that is asked of it."""
    low, high = found or (-math.inf, math.inf)
    return Pair(numpy.array([math.copysign(1, low) if low else 0.0]), numpy.array([1.0 if high > 0 else -1.0]))


__all__ = ["Asked", "claim", "proofs"]
