"""What rules answered works of a text that was compiled before, for those of the next that ask the same.

An answer is that of one rule to the numbers of one work: expressions, which are the same objects in every text. It is
remembered where it is made of nothing else than these, the domains of the decisions that they read, and accelerators
that are what they were, which whoever hands the answers on makes sure of; and where nothing was said meanwhile.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sized
from typing import Any

from attrs import evolve, field, frozen, mutable
from cospace.compiler.elaborate.values import Answering, Instance, State
from cospace.compiler.elaborate.variants import substituter
from cospace.compiler.space.graph import Expr, MapProblem
from cospace.compiler.space.model import Decision
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span

_PLAIN = ("number", "bool")
"""Kinds that say all in their value: what a symbol says also hangs on the sets that it stands in."""
MOST = 4_096
"""Answers that are handed on."""
Asked = tuple[tuple[Expr, str | None, Span], ...]


@frozen(eq=False)
class Answer:
    """met: what the key names by its identity. same: what the problem says, whatever its maps are called. start: of the
    rule, in the text of the answer."""

    met: tuple[object, ...]
    problem: MapProblem
    same: Hashable
    quantities: tuple[tuple[str, Expr], ...]
    asked: Asked
    start: int


@mutable(eq=False)
class Answered:
    """The answers of one text. before: those of an earlier one that still hold."""

    before: Mapping[Hashable, Answer] = field(factory=dict)
    now: dict[Hashable, Answer] = field(factory=dict)
    decisions: dict[str, Decision] = field(factory=dict)

    def question(
        self, rule: tree.Rule, owner: Instance, picked: Mapping[str, Any], answering: Answering, state: State
    ) -> Question | None:
        """What a rule is asked; None where it can't be told what the answer hangs on."""
        values = (*picked.values(), *answering.facts.values())
        if not all(isinstance(v, Expr) and (v.type.kind in _PLAIN or v.op == "external") for v in values):
            return None
        values += tuple(answering.pins.values())
        read: list[object] = []
        met: list[object] = list(values)
        for path in sorted(frozenset().union(*(v.free for v in values))):
            decision = self._decision(path, state)
            special = any(path in state.groups.get(kept, ()) for kept in ("attributes", "readings"))
            if decision is None or special or decision.type.kind not in _PLAIN:
                return None
            conditions = (decision.guard, *(decision.allowed or ()))
            met += conditions
            read.append((path, decision.values, state.domains.get(path), *map(id, conditions)))
        at = next((n for n, s in enumerate(owner.declaration.block.statements) if s is rule), None)
        if at is None:
            return None
        names = (*picked, "", *answering.facts, "", *answering.pins)
        key = (owner.path, answering.instance.path, at, names, *map(id, values), *read)
        return Question(self, key, tuple(met), rule.span.start, state, made(state))

    def _decision(self, path: str, state: State) -> Decision | None:
        if path not in self.decisions:
            self.decisions.update((d.path, d) for d in state.decisions[len(self.decisions) :])
        return self.decisions.get(path)

    def handed_on(self) -> Mapping[Hashable, Answer]:
        """The answers for the text after this one."""
        whole = {**self.before, **self.now}
        return whole if len(whole) <= MOST else self.now


@frozen(eq=False)
class Question:
    """A rule that is asked for the numbers of a work. met: what the key names by its identity. before: as `made`."""

    answers: Answered
    key: Hashable
    met: tuple[object, ...]
    start: int
    state: State
    before: tuple[object, ...]

    def recall(self) -> Answer | None:
        """The answer from before, its places those of this text."""
        found = self.answers.before.get(self.key)
        if found is None or not substituter(self.state).problems.adopt(found.problem, found.same):
            return None
        by = self.start - found.start
        asked = tuple((e, why, Span(s.file, s.start + by, s.end + by)) for e, why, s in found.asked)
        self.answers.now[self.key] = evolve(found, asked=asked, start=self.start)
        return self.answers.now[self.key]

    def keep(self, problem: MapProblem, quantities: tuple[tuple[str, Expr], ...], asked: Asked) -> None:
        """Remember the answer, unless more was done for it than to answer."""
        if made(self.state) == self.before:
            same = substituter(self.state).problems.says(problem)
            self.answers.now[self.key] = Answer(self.met, problem, same, quantities, asked, self.start)


def made(state: State) -> tuple[object, ...]:
    """What answering may do besides: equal before and after where it did nothing."""
    lists: tuple[Sized, ...] = (
        state.decisions, state.requirements, state.variants, state.kinds, state.loose, state.works,
        getattr(state.reporter, "told", state.reporter.found), *state.families.values(),
    )  # fmt: skip
    return tuple(map(len, lists))
