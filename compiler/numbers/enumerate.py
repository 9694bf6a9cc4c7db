"""A space as finite tables: which indices a decision may take, what is live, what holds at rows of indices.

Owns the `Frame` that counting, sampling and proving share: decisions with their domains (narrowed by pinned values),
structural factors (guards and conditional domains), truth over rows of indices with repeated parts evaluated once, and
the enumeration of assignments. Rows hold indices into `Decision.values`, -1 where a decision is not live.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy
from attrs import field, frozen
from cospace.compiler.counting.eliminate import Factor
from cospace.compiler.exact import exact
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.fingerprint import Interner
from cospace.compiler.space.graph import TRUE, Expr, Value, both, negate
from cospace.compiler.space.model import Decision, Design, Requirement, Space
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.numbers.numbers import Decider

Rows = NDArray[numpy.int64]
Mask = NDArray[numpy.bool_]

ROWS = 4_000_000
"""The most rows that an enumeration holds at once."""

TABLE = 1 << 20
"""The most cells of what a guard reads."""

FEW = 48
"""Up to so many rows the reference evaluator is quicker than preparing a batch."""


TOGETHER = 1 << 13
"""Up to so many rows clauses are evaluated together, also at rows that one of them refuses."""


class TooMany(Exception):
    """An enumeration or a table would need more than a stated number of rows; `scope`: over which decisions."""

    def __init__(self, rows: int, limit: int, scope: Sequence[int], said: str | None = None) -> None:
        super().__init__(said or f"{rows:,} rows, more than {limit:,}")
        self.rows = rows
        self.limit = limit
        self.scope = tuple(scope)


@frozen(eq=False)
class Clause:
    """One top-level conjunct of a requirement: holds where `guard` is false or `value` is true."""

    requirement: Requirement
    number: int
    guard: Expr
    value: Expr
    scope: tuple[int, ...]


@frozen(eq=False)
class Frame:
    """domains: for each decision the indices it may take, -1 first where it may be dead."""

    decisions: tuple[Decision, ...]
    domains: tuple[Rows, ...]
    position: Mapping[str, int] = field(repr=False)
    interner: Interner = field(factory=Interner, repr=False)
    _truths: dict[Hashable, Mask] = field(factory=dict, repr=False)
    _prints: dict[int, tuple[Expr, int, tuple[str, ...]]] = field(factory=dict, repr=False)

    @staticmethod
    def of(space: Space, fixed: Mapping[str, Value] | None = None) -> Frame:
        """Pinned decisions are live and take their value. Raises DesignError at a path or value that is not there."""
        decisions = space.decisions
        position = {d.path: i for i, d in enumerate(decisions)}
        pinned: dict[int, int] = {}
        for path, value in (fixed or {}).items():
            if path not in position:
                raise DesignError(path, "there is no such decision")
            pinned[position[path]] = index_of(decisions[position[path]], value)
        return Frame(decisions, tuple(_domain(d, pinned.get(i)) for i, d in enumerate(decisions)), position)

    def pinned(self, variable: int, index: int) -> Frame:
        """The same with one more decision pinned; what was evaluated stays known."""
        domains = list(self.domains)
        domains[variable] = numpy.array([index], dtype=numpy.int64)
        return Frame(self.decisions, tuple(domains), self.position, self.interner, self._truths, self._prints)

    @property
    def sizes(self) -> dict[int, int]:
        return {i: len(d) for i, d in enumerate(self.domains)}

    def scope(self, *exprs: Expr) -> tuple[int, ...]:
        """The decisions that the expressions read, in declared order."""
        return tuple(sorted({self.position[p] for e in exprs for p in e.free if p in self.position}))

    def clauses(self, requirements: Sequence[Requirement]) -> tuple[Clause, ...]:
        found = []
        for number, r in enumerate(requirements):
            for part in r.value.args if r.value.op == "and" else (r.value,):
                found.append(Clause(r, number, r.guard, part, self.scope(r.guard, part)))
        return tuple(found)

    # ---- truth

    def design(self, columns: Sequence[int], row: Sequence[int] | Rows) -> dict[str, Value]:
        return {
            self.decisions[c].path: self.decisions[c].values[int(i)]
            for c, i in zip(columns, row, strict=True)
            if i >= 0
        }

    def designs(self, columns: Sequence[int], rows: Rows) -> list[dict[str, Value]]:
        """`design` of each row."""
        paths = [self.decisions[c].path for c in columns]
        values = [self.decisions[c].values for c in columns]
        listed = [[v[i] for i in rows[:, k].tolist()] for k, v in enumerate(values)]
        if not (rows < 0).any():
            return [dict(zip(paths, row, strict=True)) for row in zip(*listed, strict=True)]
        live = (rows >= 0).tolist()
        return [
            {path: v for path, v, there in zip(paths, row, own, strict=True) if there}
            for row, own in zip(zip(*listed, strict=True), live, strict=True)
        ]

    def fingerprint(self, expr: Expr) -> tuple[int, tuple[str, ...]]:
        known = self._prints.get(id(expr))
        if known is None:
            known = (expr, *self.interner.fingerprint(expr))
            self._prints[id(expr)] = known
        return known[1], known[2]

    def key(
        self, expr: Expr, rows: Rows, columns: Sequence[int], digests: dict[tuple[int, ...], bytes] | None = None
    ) -> Hashable:
        """What makes `expr` at these rows the same question as another's: equal up to the names of decisions.

        digests: of these rows by their columns' order, for who asks of the same rows again.
        """
        number, paths = self.fingerprint(expr)
        order = tuple([columns.index(self.position[p]) for p in paths])
        domains = tuple(tuple((v.__class__, v) for v in self.decisions[self.position[p]].values) for p in paths)
        known = digests if digests is not None else {}
        if order not in known:
            known[order] = digest(rows[:, order])
        return number, domains, rows.shape[0], known[order]

    def truth(self, expr: Expr, rows: Rows, columns: Sequence[int]) -> Mask:
        """Whether `expr` is surely true at each row, an (n,) array; exact. `columns`: the decision of each column."""
        n = len(rows)
        if expr.is_const:
            return numpy.full(n, expr.value is True)
        unique, inverse = self.project(rows, columns, self.scope(expr))
        scope = list(self.scope(expr))
        key = self.key(expr, unique, scope)
        known = self._truths.get(key)
        if known is None:
            known = self._evaluate(expr, unique, scope)
            self._truths[key] = known
        return known[inverse]

    def _evaluate(self, expr: Expr, rows: Rows, scope: Sequence[int]) -> Mask:
        if len(rows) <= FEW:
            values = (exact.decided(expr, self.design(scope, row)) for row in rows)
            return numpy.fromiter(values, dtype=bool, count=len(rows))
        from cospace.compiler.numbers.numbers import decide

        return decide([expr], [self.decisions[v] for v in scope], rows)[:, 0]

    def project(self, rows: Rows, columns: Sequence[int], scope: Sequence[int]) -> tuple[Rows, Rows]:
        """The distinct rows over `scope`, and for each row which of them it is."""
        where = {c: i for i, c in enumerate(columns)}
        code = numpy.zeros(len(rows), dtype=numpy.int64)
        cells = math.prod(len(self.decisions[c].values) + 1 for c in scope)
        if cells > 1 << 62:
            unique, inverse = numpy.unique(rows[:, [where[c] for c in scope]], axis=0, return_inverse=True)
            return unique, inverse.reshape(-1)
        for c in scope:
            code *= len(self.decisions[c].values) + 1
            code += rows[:, where[c]] + 1
        if cells <= max(1 << 16, 4 * len(rows)):
            present = numpy.zeros(cells, dtype=bool)
            present[code] = True
            codes = numpy.flatnonzero(present)
            number = numpy.cumsum(present) - 1
            inverse = number[code]
        else:
            codes, inverse = numpy.unique(code, return_inverse=True)
        unique = numpy.empty((len(codes), len(scope)), dtype=numpy.int64)
        for k in range(len(scope) - 1, -1, -1):
            base = len(self.decisions[scope[k]].values) + 1
            unique[:, k] = codes % base - 1
            codes = codes // base
        return unique, inverse.reshape(-1)

    def _hold_together(self, clauses: Sequence[Clause], rows: Rows, columns: Sequence[int]) -> list[Mask]:
        """As `holds` of each. Those that read the same decisions are one program: what they share is solved once."""
        alike: dict[tuple[int, tuple[int, ...]], list[Clause]] = {}
        for c in clauses:
            if not c.value.is_const:
                alike.setdefault((id(c.guard), self.scope(c.value)), []).append(c)
        found: dict[int, Mask] = {}
        made: dict[tuple[int, ...], Decider] = {}
        for (_, scope), group in alike.items():
            guard = group[0].guard
            asked = self.truth(guard, rows, columns)
            unique, inverse = self.project(rows[asked], columns, scope)
            digests: dict[tuple[int, ...], bytes] = {}
            keys = [self.key(c.value, unique, scope, digests) for c in group]
            missing = {k: c.value for k, c in zip(keys, group, strict=True) if k not in self._truths}
            if len(missing) < 2 or len(unique) <= FEW:
                continue
            from cospace.compiler.numbers.numbers import Decider

            asks = Decider(list(missing.values()), [self.decisions[v] for v in scope], made.get(scope))
            made.setdefault(scope, asks)
            met = asks(unique)
            for column, k in enumerate(missing):
                self._truths[k] = met[:, column]
            free = self.truth(negate(guard), rows, columns)
            for c, k in zip(group, keys, strict=True):
                found[id(c)] = free.copy()
                found[id(c)][asked] = self._truths[k][inverse]
        return [found[id(c)] if id(c) in found else self.holds(c, rows, columns) for c in clauses]

    def holds(self, clause: Clause, rows: Rows, columns: Sequence[int]) -> Mask:
        """Whether the clause holds at each row; its value is asked only where its guard does."""
        if clause.guard is TRUE:
            return self.truth(clause.value, rows, columns)
        if clause.guard.is_const:
            return numpy.full(len(rows), clause.guard.value is False)
        asked = self.truth(clause.guard, rows, columns)
        result = self.truth(negate(clause.guard), rows, columns)
        at = numpy.flatnonzero(asked)
        if len(at):
            result = result.copy()
            result[at] = self.truth(clause.value, rows[at], columns)
        return result

    # ---- structure

    def structure(self) -> list[Factor]:
        """Which combinations of a decision and what its guard and domain read are live and allowed.

        Raises TooMany where a guard reads too many decisions for a table.
        """
        found = []
        for v, d in enumerate(self.decisions):
            if d.guard is TRUE and d.allowed is None:
                continue
            guard = self.guard(v)
            owners = self.scope(guard, *(d.allowed or ()))
            rows = self.product(owners, limit=TABLE)
            found.append(self.factor_of(owners, v, self.options(v, rows, owners)))
        return found

    def factor_of(self, owners: tuple[int, ...], v: int, table: Mask) -> Factor:
        shape = [len(self.domains[u]) for u in owners]
        scope = tuple(sorted((*owners, v)))
        return Factor.of(scope, numpy.moveaxis(table.reshape(*shape, -1), -1, scope.index(v)))

    def guard(self, v: int) -> Expr:
        """The guard of a decision without what other parts of it imply.

        Where `owner == value` holds the owner is live, so what its own guard asks need not be asked again: nested
        alternatives then read one decision each, however deep they are.
        """
        guard = self.decisions[v].guard
        if guard.op != "and":
            return guard
        implied: set[int] = set()
        for part in guard.args:
            if part.op in ("eq", "lt", "le"):
                for a in part.args:
                    if a.op == "var" and str(a.payload) in self.position:
                        owner = self.decisions[self.position[str(a.payload)]].guard
                        implied.update(map(id, owner.args if owner.op == "and" else (owner,)))
        kept = [part for part in guard.args if id(part) not in implied]
        return both(*kept) if kept else guard

    def options(self, v: int, rows: Rows, columns: Sequence[int]) -> Mask:
        """Which values of its domain decision `v` may take at each row of what its guard reads: (n, |domain|)."""
        d = self.decisions[v]
        domain = self.domains[v]
        live = self.truth(self.guard(v), rows, columns)
        table = numpy.empty((len(rows), len(domain)), dtype=bool)
        for k, index in enumerate(domain):
            if index < 0:
                table[:, k] = ~live
            elif d.allowed is None:
                table[:, k] = live
            else:
                table[:, k] = live & self.truth(d.allowed[int(index)], rows, columns)
        return table

    def product(self, scope: Sequence[int], limit: int = ROWS) -> Rows:
        """All combinations of domain values over `scope`, the first varying slowest: (n, |scope|)."""
        cells = math.prod(len(self.domains[v]) for v in scope)
        if cells > limit:
            raise TooMany(cells, limit, scope)
        rows = numpy.empty((cells, len(scope)), dtype=numpy.int64)
        repeat, tile = cells, 1
        for k, v in enumerate(scope):
            size = len(self.domains[v])
            repeat //= size
            rows[:, k] = numpy.tile(numpy.repeat(self.domains[v], repeat), tile)
            tile *= size
        return rows

    def enumerate(
        self, variables: Sequence[int], clauses: Sequence[Clause] = (), limit: int = ROWS, start: Rows | None = None
    ) -> Rows:
        """Every live assignment of `variables` at which the clauses that read only these hold, in declared order.

        What the guards of `variables` read has to be among them. Raises TooMany at more than `limit` rows.
        """
        order = sorted(variables)
        rows = numpy.zeros((1, 0), dtype=numpy.int64)
        done: list[int] = []
        waiting = [c for c in clauses if set(c.scope) <= set(order)]
        if not waiting and all(self.decisions[v].guard is TRUE and self.decisions[v].allowed is None for v in order):
            return self.product(order, limit)
        for v in order:
            domain = self.domains[v]
            d = self.decisions[v]
            if d.guard is TRUE and d.allowed is None:
                if len(rows) * len(domain) > limit:
                    raise TooMany(len(rows) * len(domain), limit, order)
                base = numpy.repeat(numpy.arange(len(rows)), len(domain))
                chosen = numpy.tile(domain, len(rows))
            else:
                base, k = numpy.nonzero(self.options(v, rows, done))
                chosen = domain[k]
                if len(base) > limit:
                    raise TooMany(len(base), limit, order)
            rows = numpy.concatenate([rows[base], chosen[:, None]], axis=1)
            done.append(v)
            known = set(done)
            due = [c for c in waiting if known.issuperset(c.scope)]
            waiting = [c for c in waiting if not known.issuperset(c.scope)]
            if FEW < len(rows) <= TOGETHER and len(due) > 1:
                rows = rows[numpy.logical_and.reduce(self._hold_together(due, rows, done))]
            else:
                for c in due:
                    rows = rows[self.holds(c, rows, done)]
        return rows


def index_of(d: Decision, value: Value) -> int:
    """The index of a value in a decision's domain. Raises DesignError where it is none of them."""
    for i, v in enumerate(d.values):
        if v.__class__ is value.__class__ and v == value:
            return i
    shown = ", ".join(str(v) for v in d.values[:8])
    raise DesignError(d.path, f"`{value}` is not one of its values ({shown})")


def digest(rows: Rows) -> bytes:
    return hashlib.blake2b(numpy.ascontiguousarray(rows).tobytes(), digest_size=16).digest()


def _domain(d: Decision, pinned: int | None) -> Rows:
    if pinned is not None:
        return numpy.array([pinned], dtype=numpy.int64)
    first = 0 if d.guard is TRUE else -1
    return numpy.arange(first, len(d.values), dtype=numpy.int64)


def holds_at(requirement: Requirement, design: Design) -> bool | None:
    """Whether a requirement holds at a design, by the reference evaluator; None where that is undefined or unknown."""
    guard = exact.evaluate(requirement.guard, design)
    if guard is False:
        return True
    value = exact.evaluate(requirement.value, design) if guard is True else None
    return value if isinstance(value, bool) else None


def unite(size: int, scopes: Sequence[Sequence[int]]) -> list[list[int]]:
    """The connected components of variables 0..size-1 joined by scopes, each sorted, by least member."""
    parent = list(range(size))

    def root(v: int) -> int:
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    for scope in scopes:
        for u, v in itertools.pairwise(scope):
            a, b = root(u), root(v)
            parent[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for v in range(size):
        groups.setdefault(root(v), []).append(v)
    return list(groups.values())


__all__ = ["ROWS", "Clause", "Frame", "Mask", "Rows", "TooMany", "digest", "holds_at", "index_of", "unite"]
