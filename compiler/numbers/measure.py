"""Numbers over rows of indices whose rounding is known: the float value of an expression and a proved bound on it.

`tabulate` is what sums are counted from: exact where the batched program is (integers, multiples of a power of two),
else within `error`; rows where rounding could have picked another branch or mapping are evaluated by the reference
evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy
from attrs import frozen
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import FEW, Frame, Mask, Rows, TooMany, digest
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Expr, MapProblem, walk
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.numbers.numbers import Program

Floats = NDArray[numpy.float64]
BLOCK = 1 << 17
"""Rows that are evaluated at once."""
WIDTH = 1_000
"""Numbers that are worked out for a row, mappings that are tried included, which cost what a row mostly does."""
SPREAD = 1 << 10
"""Rows of a table that are looked at first, to see how many would be in doubt."""
DOUBTED = 20_000
"""Rows of one table that the reference evaluator is asked about, at most."""


@frozen(eq=False)
class Measured:
    """values: (n,), nan where undefined; |value - exact| <= error.

    grain > 0: the exact value is the multiple of it that is nearest to the float, so sums can be taken in integers.
    """

    values: Floats
    error: float
    grain: Fraction

    @property
    def largest(self) -> int:
        """The greatest absolute value, in grains."""
        top = float(numpy.nanmax(numpy.abs(self.values), initial=0.0))
        return int(top * float(1 / self.grain)) + 1

    def whole(self) -> NDArray[numpy.int64]:
        """Values in grains; 0 where undefined."""
        return numpy.rint(numpy.nan_to_num(self.values, nan=0.0) * float(1 / self.grain)).astype(numpy.int64)


class Tables:
    """Values of expressions over rows, each function evaluated once, whatever its decisions are called."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._known: dict[Hashable, Measured] = {}
        self._truths: dict[Hashable, Mask] = {}

    def measure_grid(
        self, expr: Expr, above: Rows, hub: tuple[int, ...], below: Rows, own: tuple[int, ...],
        spend: Callable[[int, Sequence[int]], None],
    ) -> Measured:  # fmt: skip
        """The number `expr` at every pair of a row over `hub` and a row over `own`; values: (|above| * |below|,).

        spend: told how many rows will be evaluated, of which one with many mappings counts for several; may raise.
        """
        key = self._key(expr, above, hub, below, own)
        known = self._known.get(key)
        if known is None:
            columns, grid = [*hub, *own], _Grid(above, below)
            decisions = [self.frame.decisions[c] for c in columns]
            program = None
            if len(grid) > FEW:
                from cospace.compiler.numbers.numbers import Program

                program = Program([expr], decisions, certify=True)
            spend(len(grid) * max(1, 0 if program is None else program.width // WIDTH), columns)
            known = tabulate(expr, decisions, grid, program)
            self._known[key] = known
        return known

    def truth_grid(
        self, expr: Expr, above: Rows, hub: tuple[int, ...], below: Rows, own: tuple[int, ...],
        spend: Callable[[int, Sequence[int]], None],
    ) -> Mask:  # fmt: skip
        """Whether `expr` holds at every pair, like `measure_grid`."""
        key = self._key(expr, above, hub, below, own)
        known = self._truths.get(key)
        if known is None:
            spend(len(above) * len(below), (*hub, *own))
            columns = [*hub, *own]
            grid = _Grid(above, below)
            if len(grid) <= FEW:
                known = self.frame.truth(expr, grid.rows(), columns)
            else:
                from cospace.compiler.numbers.numbers import Decider

                decide = Decider([expr], [self.frame.decisions[c] for c in columns])
                known = numpy.concatenate([decide(block)[:, 0] for block in grid.blocks()])
            self._truths[key] = known
        return known

    def _key(self, expr: Expr, above: Rows, hub: tuple[int, ...], below: Rows, own: tuple[int, ...]) -> Hashable:
        """Equal for equal functions at equal rows, whatever the decisions are called."""
        frame = self.frame
        number, paths = frame.fingerprint(expr)
        places = [frame.position[p] for p in paths]
        return (
            number,
            tuple(tuple((v.__class__, v) for v in frame.decisions[i].values) for i in places),
            tuple(i in hub for i in places),
            len(above),
            len(below),
            digest(above[:, [hub.index(i) for i in places if i in hub]]),
            digest(below[:, [own.index(i) for i in places if i in own]]),
        )


@frozen(eq=False)
class _Grid:
    """Every pair of a row above and a row below, made block by block."""

    above: Rows
    below: Rows

    def __len__(self) -> int:
        return len(self.above) * len(self.below)

    def blocks(self) -> Iterator[Rows]:
        step = max(1, BLOCK // max(len(self.below), 1))
        for start in range(0, len(self.above), step):
            part = self.above[start : start + step]
            yield numpy.concatenate(
                [numpy.repeat(part, len(self.below), axis=0), numpy.tile(self.below, (len(part), 1))], axis=1
            )

    def some(self, n: int) -> Rows:
        """n of the pairs, evenly spread."""
        at = numpy.arange(n) * len(self) // n
        return numpy.concatenate([self.above[at // len(self.below)], self.below[at % len(self.below)]], axis=1)

    def rows(self) -> Rows:
        return numpy.concatenate([numpy.zeros((0, self.above.shape[1] + self.below.shape[1]), int), *self.blocks()])


def tabulate(expr: Expr, decisions: Sequence[Decision], grid: _Grid, program: Program | None) -> Measured:
    """`expr` at each row of a grid of indices into the values of `decisions`: by its program, or by the reference."""
    if program is None:
        values, error = _exactly(expr, decisions, grid.rows())
    else:
        values, error = _batched(expr, decisions, grid, program)
    if numpy.isinf(values).any():
        return Measured(values, error, Fraction(0))
    top = float(numpy.nanmax(numpy.abs(values), initial=0.0))
    if error == 0:
        return Measured(values, error, grain_of(values))
    multiple = denominator(expr, decisions)
    if multiple is not None and error * multiple < 0.25 and top * multiple < 2**52:
        return Measured(values, error, Fraction(1, multiple))
    return Measured(values, error, Fraction(0))


def _batched(expr: Expr, decisions: Sequence[Decision], grid: _Grid, program: Program) -> tuple[Floats, float]:
    """Raises TooMany where rounding leaves more rows in doubt than the reference evaluator should be asked about."""
    error = float(program.errors[0])
    known = numpy.isfinite(error)
    error = error if known else 0.0
    if len(grid) > 2 * DOUBTED:
        doubt = program.certified(grid.some(SPREAD))[2]
        expected = int(doubt.sum()) * len(grid) // SPREAD if known else len(grid)
        if expected > 2 * DOUBTED:  # the first block alone may take long
            raise TooMany(expected, DOUBTED, (), f"about {expected:,} rows in doubt, more than {DOUBTED:,}")
    parts, doubted = [], 0
    for rows in grid.blocks():
        (found,), (defined,), doubt = program.certified(rows)
        values = numpy.where(defined, found, numpy.nan).astype(numpy.float64)
        at = numpy.flatnonzero(doubt) if known else numpy.arange(len(rows))
        doubted += len(at)
        if doubted > DOUBTED:
            raise TooMany(doubted, DOUBTED, (), f"{doubted:,} rows in doubt, more than {DOUBTED:,}")
        if len(at):
            values[at], again = _exactly(expr, decisions, rows[at])
            error = max(error, again)
        parts.append(values)
    return numpy.concatenate(parts), error


def _exactly(expr: Expr, decisions: Sequence[Decision], rows: Rows) -> tuple[Floats, float]:
    results = [
        exact.evaluate(expr, {d.path: d.values[int(i)] for d, i in zip(decisions, row, strict=True) if i >= 0})
        for row in rows
    ]
    values = numpy.array([as_float(r) for r in results], dtype=numpy.float64)
    return values, max((_rounding(r, float(v)) for r, v in zip(results, values, strict=True)), default=0.0)


def denominator(expr: Expr, decisions: Sequence[Decision]) -> int | None:
    """A number that makes every value of `expr` an integer when multiplied by it; None where none is evident."""
    domains: dict[str, Sequence[object]] = {d.path: d.values for d in decisions}
    known: dict[int, int | None] = {}
    for node in walk([expr]):
        if isinstance(node.payload, MapProblem):
            domains.update((m.path, m.values) for m in node.payload.maps)
    for node in walk([expr]):
        known[id(node)] = _denominator(node, [known[id(a)] for a in node.args], domains)
    return known[id(expr)]


def _denominator(node: Expr, args: list[int | None], domains: Mapping[str, Sequence[object]]) -> int | None:
    op = node.op
    if op in ("floor", "ceil"):
        return 1
    if op == "const":
        return node.value.denominator if isinstance(node.value, Fraction) else 1
    if op == "var":
        values = domains.get(str(node.payload))
        return None if values is None else math.lcm(*(v.denominator for v in values if isinstance(v, Fraction)))
    if op == "div":
        below = _numerator(node.args[1], domains)
        return None if args[0] is None or below is None or args[0] * below >= 1 << 40 else args[0] * below
    if op == "lookup":
        return node.payload.denominator  # type: ignore[attr-defined,no-any-return]
    used = args[1:] if op == "if" else args
    if op not in ("add", "mul", "if", "min", "max", "abs", "mod", "solve", "pow"):
        return None if node.type.kind == "number" else 1
    if op == "pow":
        exponent = node.args[1].value if node.args[1].is_const else None
        whole = isinstance(exponent, Fraction) and exponent.denominator == 1 and 0 <= exponent <= 16
        return args[0] ** int(exponent) if whole and args[0] is not None else None  # type: ignore[arg-type]
    sure = [a for a in used if a is not None]
    if len(sure) < len(used):
        return None
    combined = math.prod(sure) if op == "mul" else math.lcm(*sure)
    return combined if combined < 1 << 40 else None


def as_float(result: Any) -> float:
    """The nearest float of a reference result; nan where it is undefined or unknown."""
    if isinstance(result, exact.Enclosure):
        return nearest(result.middle)
    return nearest(result) if isinstance(result, (Fraction, int)) else float("nan")


def _rounding(result: Any, value: float) -> float:
    if isinstance(result, exact.Enclosure):
        return nearest(result.high - result.low) + abs(value) * 2.0**-52
    if not isinstance(result, Fraction) or not numpy.isfinite(value):
        return 0.0 if not isinstance(result, Fraction) else float("inf")
    return 0.0 if Fraction(value) == result else abs(value) * 2.0**-52


def _numerator(node: Expr, domains: Mapping[str, Sequence[object]]) -> int | None:
    """A multiple of the numerator of every value of a constant, a decision or a product of them."""
    if node.op == "mul":
        factors = [_numerator(a, domains) for a in node.args]
        return math.prod(f for f in factors if f is not None) if None not in factors else None
    if node.op == "const" and isinstance(node.value, Fraction):
        return abs(node.value.numerator) or 1
    values = domains.get(str(node.payload)) if node.op == "var" else None
    if values is None:
        return None
    return math.lcm(*(v.numerator for v in values if isinstance(v, Fraction) and v))


def grain_of(values: Floats) -> Fraction:
    """A power of two that divides every value, 0 where none in reach does."""
    finite = values[numpy.isfinite(values)]
    for exponent in (0, -8, -16, -24, -40, -60):
        scaled = finite * 2.0**-exponent
        if (numpy.abs(scaled) < 2**53).all() and (scaled == numpy.rint(scaled)).all():
            return Fraction(2) ** exponent
    return Fraction(0)
