"""What an expression can be over a part of a space, against every design of that part: ranges, intervals, columns."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.bounds.boxes import Boxes, members
from cospace.compiler.bounds.boxes_rules import BOTH, NO, YES
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.exact import columns, whole
from cospace.compiler.exact.exact import UNDEFINED, UNKNOWN, Enclosure, evaluate
from cospace.compiler.space import graph as g
from cospace.compiler.space.lookups import lookup, table
from cospace.compiler.space.model import Decision

P, Q = g.Symbol("p"), g.Symbol("q")
DECISIONS = (
    Decision("x", "choose", tuple(Fraction(v) for v in (-3, -1, 0, 2, 5)), g.NUMBER),
    Decision("y", "choose", (Fraction(-1, 2), Fraction(1, 3), Fraction(2)), g.NUMBER),
    Decision("n", "choose", (Fraction(-2), Fraction(-1), Fraction(1), Fraction(3)), g.NUMBER),
    Decision("s", "choose", (P, Q), g.SYMBOL),
    Decision("t", "choose", (P, Q, g.Symbol("r")), g.SYMBOL),
    Decision("b", "choose", (False, True), g.BOOL),
    Decision("c", "choose", (False, True), g.BOOL),
)
X, Y, N, S, T, B, C = (g.var(d.path, d.type) for d in DECISIONS)
XY, XN, YN = g.mul(X, Y), g.add(X, N), g.sub(Y, N)
HUGE = g.const(Fraction(10) ** 5_000)
ROWS = table("rows", [(P, Fraction(-2)), (Q, Fraction(1)), (P, Fraction(3))], [Fraction(4), Fraction(7), Fraction(-1)])

NUMBERS = {
    "sum": g.add(XY, N, g.const(1)),
    "square": g.power(XN, g.const(2)),
    "cube": g.power(YN, g.const(3)),
    "no power": g.power(XN, g.const(0)),
    "inverse power": g.power(XN, g.const(-2)),
    "root of a power": g.power(g.add(g.mul(X, X), N, g.const(3)), g.const(Fraction(1, 2))),
    "searched power": g.power(g.add(g.mul(X, X), Y), N),
    "huge": g.mul(HUGE, HUGE, X, Y),
    "huge power": g.power(g.mul(HUGE, X, Y), g.const(16)),
    "quotient": g.div(XY, N),
    "quotient of sums": g.div(X, XN),
    "never": g.div(XY, g.mul(g.const(0), g.add(X, N))),
    "remainder": g.mod(XN, g.const(3)),
    "remainder by a decision": g.mod(XY, N),
    "floor": g.floor(XY),
    "ceil": g.ceil(g.div(X, N)),
    "least": g.minimum(XY, N, Y),
    "largest": g.maximum(XY, N, Y),
    "absolute": g.absolute(XN),
    "square root": g.sqrt(XN),
    "log2": g.log2(XN),
    "log10": g.log10(XN),
    "log": g.log(XN),
    "exp": g.exp(XY),
    "exp of much": g.exp(g.mul(g.const(10**9), X, Y)),
    "exp of huge": g.exp(g.mul(HUGE, X, Y)),
    "cos": g.cos(XN),
    "cos of a quotient": g.cos(g.div(X, XN)),
    "either": g.branch(B, XN, XY),
    "one of two": g.branch(g.lt(X, N), g.sqrt(X), g.div(N, X)),
    "looked up": lookup(ROWS, [S, N], g.NUMBER),
}
CONDITIONS = {
    "less": g.lt(XY, N),
    "at most": g.le(XN, Y),
    "alike": g.eq(XN, N),
    "alike symbols": g.eq(S, T),
    "alike Booleans": g.eq(g.both(B, g.le(X, N)), C),
    "both": g.both(B, g.lt(X, N)),
    "one": g.either(C, g.negate(g.lt(X, N))),
    "chosen": g.branch(B, g.lt(X, Y), g.eq(S, g.const(P))),
    "alike when chosen": g.eq(g.branch(B, S, T), g.branch(C, T, S)),
    "undefined": g.lt(g.div(X, g.mul(g.const(0), N)), Y),
    "alike without a value": g.eq(g.div(X, g.mul(g.const(0), N)), Y),
}


def boxes(seed: int) -> list[list[int]]:
    """Parts of the space: all of it, a single design, and some in between."""
    rng = random.Random(seed)
    full = [(1 << len(d.values)) - 1 for d in DECISIONS]
    single = [1 << rng.randrange(len(d.values)) for d in DECISIONS]
    return [full, single, *([rng.randint(1, m) for m in full] for _ in range(6))]


def at_each(expr: g.Expr, box: list[int]) -> list[object]:
    held = [[d.values[k] for k in members(m)] for d, m in zip(DECISIONS, box, strict=True) if d.path in expr.free]
    paths = [d.path for d in DECISIONS if d.path in expr.free]
    return [evaluate(expr, dict(zip(paths, values, strict=True))) for values in itertools.product(*held)]


def ends(result: object) -> tuple[Fraction, Fraction]:
    if isinstance(result, Enclosure):
        return result.low, result.high
    assert isinstance(result, Fraction)
    return result, result


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_within_its_range_on_every_part(name: str) -> None:
    expr = NUMBERS[name]
    asked, told = Boxes(DECISIONS), 0
    for box in boxes(len(name)):
        found = asked.ask(expr, box)
        results = at_each(expr, box)
        for result in results:
            if result is UNDEFINED or result is UNKNOWN:
                continue
            assert found is not None
            low, high = ends(result)
            assert found[0] <= high and low <= found[1], (box, result)
            told += 1
    assert told or name == "never"


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_is_what_some_design_makes_it(name: str) -> None:
    expr = CONDITIONS[name]
    asked = Boxes(DECISIONS)
    for box in boxes(len(name)):
        found = asked.ask(expr, box)
        for result in at_each(expr, box):
            assert result is UNDEFINED or found & (YES if result is True else NO), (box, result)
        single = all(m.bit_count() == 1 for m in box)
        assert not single or found in (YES, NO, 0) or name == "alike when chosen"
        assert found in (0, NO, YES, BOTH)


@pytest.mark.parametrize("name", [*NUMBERS, *CONDITIONS])
def test_intervals_hold_every_value_and_say_where_there_may_be_none(name: str) -> None:
    expr = (NUMBERS | CONDITIONS)[name]
    for box in boxes(len(name)):
        domains = {d.path: [d.values[k] for k in members(m)] for d, m in zip(DECISIONS, box, strict=True)}
        found = Bounder(domains).bounds(expr)
        for result in at_each(expr, box):
            if result is UNDEFINED:
                assert found.may_be_undefined, box
            elif isinstance(result, (Fraction, Enclosure)):
                low, high = ends(result)
                assert found.low <= high and low <= found.high, (box, result)
                assert not found.integral or (low == high and low.denominator == 1)
            elif result is not UNKNOWN:
                assert found.may_be(result), (box, result)


def everywhere() -> tuple[list[tuple[g.Value, ...]], dict[str, list[g.Value]]]:
    designs = list(itertools.product(*(d.values for d in DECISIONS)))[::3]
    return designs, {d.path: [v[i] for v in designs] for i, d in enumerate(DECISIONS)}


@pytest.mark.parametrize("shared", [columns.SHARED, 4, 1])
@pytest.mark.parametrize("name", [*NUMBERS, *CONDITIONS])
def test_columns_are_exact_or_refused(name: str, shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row as the reference evaluator, however long the denominators are that a column may have; refused where a
    row has no value."""
    monkeypatch.setattr(columns, "SHARED", shared)
    expr = (NUMBERS | CONDITIONS)[name]
    designs, values = everywhere()
    truth = [evaluate(expr, dict(zip(values, v, strict=True))) for v in designs]
    try:
        (found,) = columns.evaluate([expr], {p: columns.column(v) for p, v in values.items()}, len(designs))
    except (columns.NotExact, ZeroDivisionError):
        assert any(not isinstance(t, (Fraction, bool)) for t in truth) or "power" in name or "one of two" in name
        return
    assert all(f == t or t is UNKNOWN for f, t in zip(found, truth, strict=True))


@pytest.mark.parametrize("name", [*NUMBERS, *CONDITIONS])
def test_whole_numbers_over_one_denominator_are_exact_or_refused(name: str) -> None:
    expr = (NUMBERS | CONDITIONS)[name]
    designs, values = everywhere()
    codes = whole.Codes()
    known: dict[int, whole.Column] = {}
    try:
        for node in g.walk([expr]):
            if node.op == "const":
                known[id(node)] = whole.constant(node.value, codes)
            elif node.op == "var":
                known[id(node)] = whole.of_values(values[str(node.payload)], codes)
            else:
                known[id(node)] = whole.apply(node, [known[id(a)] for a in node.args])
    except whole.NotWhole:
        return
    made = known[id(expr)]
    found = numpy.broadcast_to(made.values, (len(designs),))
    assert made.most >= int(numpy.abs(found.astype(numpy.int64)).max())
    for f, v in zip(found, designs, strict=True):
        truth = evaluate(expr, dict(zip(values, v, strict=True)))
        assert (bool(f) if isinstance(truth, bool) else Fraction(int(f), made.below)) == truth
