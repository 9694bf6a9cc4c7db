"""One meaning in every backend: exact, batched numbers (numpy, torch), relaxed, intervals, over generated spaces."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import UNDEFINED, UNKNOWN, Enclosure, Result, Undecided, evaluate
from cospace.compiler.numbers.numbers import Decider, Program, enclose
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import encode
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.lookups import lookup, table
from cospace.compiler.space.operators import OPERATORS

from tests.compiler.generate import Generated, generate

torch = pytest.importorskip("torch")
from cospace.compiler.numbers.relaxed import Relaxed  # noqa: E402

BATCHES = [range(start, start + 25) for start in range(0, 400, 25)]
DESIGNS = 25


def cases(seeds: range) -> list[tuple[Generated, list[dict[str, g.Value]], list[g.Expr]]]:
    """Generated spaces, total, partial and with irrational functions in turn, with some of their designs."""
    found = []
    for seed in seeds:
        made = generate(seed, partial=seed % 3 == 1, irrational=seed % 3 == 2)
        designs = [dict(d) for d in made.designs()][:DESIGNS]
        if designs:
            found.append((made, designs, [*made.numbers, *made.truths]))
    return found


def close(value: float, result: Result, error: float) -> bool:
    if isinstance(result, bool):
        return bool(value) is result
    middle = float(result.middle) if isinstance(result, Enclosure) else float(result)  # type: ignore[arg-type]
    return abs(value - middle) <= error + 1e-15 * abs(middle)


def within(value: float, result: Result, share: float) -> bool:
    """Whether a float is off by a share of the exact number at most."""
    if not isinstance(result, (Fraction, Enclosure)) or share == math.inf:
        return True
    low, high = (result.low, result.high) if isinstance(result, Enclosure) else (result, result)
    least, most = sorted((abs(low), abs(high)))
    return low - Fraction(share) * most <= Fraction(float(value)) <= high + Fraction(share) * most or least == most == 0


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda r: f"from {r.start}")
def test_numbers_are_within_their_bound_of_the_exact_value(seeds: range) -> None:
    compared = 0
    for made, designs, exprs in cases(seeds):
        program = Program(exprs, made.decisions, certify=True)
        values, defined, doubt = program.certified(encode(made.decisions, designs))
        for i, design in enumerate(designs):
            if doubt[i]:
                continue
            for j, expr in enumerate(exprs):
                result = evaluate(expr, design)
                if result is UNKNOWN:
                    continue
                assert bool(defined[j][i]) is (result is not UNDEFINED), (made.seed, j, design)
                if result is not UNDEFINED:
                    assert close(values[j][i], result, program.errors[j]), (made.seed, j, design)
                    assert within(values[j][i], result, program._outputs[j].range.share), (made.seed, j, design)
                    compared += 1
    assert compared > 500


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda r: f"from {r.start}")
def test_decide_is_exact(seeds: range) -> None:
    rows = doubted = 0
    for made, designs, _ in cases(seeds):
        decider = Decider(made.truths, made.decisions)
        found = [[evaluate(e, d) for e in made.truths] for d in designs]
        try:
            decided = decider(encode(made.decisions, designs))
        except Undecided:
            assert any(truth is UNKNOWN for row in found for truth in row), made.seed
            continue
        assert decided.tolist() == [[truth is True for truth in row] for row in found], made.seed
        rows, doubted = rows + len(designs), doubted + decider.doubted
    assert doubted < rows / 5


@pytest.mark.parametrize("seeds", BATCHES[:4], ids=lambda r: f"from {r.start}")
def test_enclose_bounds_every_row(seeds: range) -> None:
    for made, designs, _ in cases(seeds):
        rows = encode(made.decisions, designs)
        for expr in made.numbers:
            values, error, grain = enclose(expr, made.decisions, rows)
            for value, design in zip(values, designs, strict=True):
                result = evaluate(expr, design)
                if result is UNDEFINED or result is UNKNOWN:
                    assert math.isnan(value)
                    continue
                assert close(value, result, error), (made.seed, design)
                if grain:
                    assert isinstance(result, Fraction) and (result / Fraction(grain)).denominator == 1


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda r: f"from {r.start}")
def test_torch_and_one_hot_relaxation_give_the_numbers(seeds: range) -> None:
    for made, designs, exprs in cases(seeds):
        rows = encode(made.decisions, designs)
        expected = Program(exprs, made.decisions)(rows)
        tensors = Program(exprs, made.decisions, torch)(torch.as_tensor(rows))
        hot = one_hot(made, rows)
        relaxed = Relaxed(exprs, made.decisions, torch)(hot)
        for a, b, c in zip(expected, tensors, relaxed, strict=True):
            for other in (b.numpy(), c.detach().numpy()):
                assert numpy.allclose(a.astype(float), other.astype(float), rtol=1e-13, atol=1e-13, equal_nan=True), (
                    made.seed
                )
        total = sum(torch.where(torch.isfinite(c), c, 0.0).sum() for c in relaxed)
        if getattr(total, "requires_grad", False):
            total.backward()
            for p in hot.values():
                assert p.grad is None or bool(torch.isfinite(p.grad).all()), made.seed


def one_hot(made: Generated, rows: numpy.ndarray) -> dict[str, torch.Tensor]:
    hot = {}
    for j, d in enumerate(made.decisions):
        p = torch.zeros(len(rows), len(d.values), dtype=torch.float64)
        for i, k in enumerate(rows[:, j]):
            if k >= 0:
                p[i, k] = 1
        hot[d.path] = p.requires_grad_()
    return hot


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda r: f"from {r.start}")
def test_values_are_within_intervals(seeds: range) -> None:
    for made, designs, exprs in cases(seeds):
        bounder = Bounder({d.path: d.values for d in made.decisions})
        found = [bounder.bounds(e) for e in exprs]
        for design in designs:
            everything_lives = len(design) == len(made.decisions)
            for interval, expr in zip(found, exprs, strict=True):
                result = evaluate(expr, design)
                if result is UNKNOWN:
                    continue
                if result is UNDEFINED:
                    assert interval.may_be_undefined or not everything_lives, (made.seed, design)
                elif isinstance(result, Enclosure):
                    assert interval.low <= result.high and result.low <= interval.high
                else:
                    assert interval.may_be(result), (made.seed, design)
                    assert not interval.integral or result.denominator == 1  # type: ignore[union-attr]


# ---- every operator, by itself

X = g.var("x", g.NUMBER)
B = g.var("b", g.BOOL)
MAPPED = g.MapProblem(
    "w", (g.MapDecision("m", (Fraction(1), Fraction(2), Fraction(5)), g.NUMBER),),
    (g.le(g.var("m", g.NUMBER), X),), (g.negative(g.var("m", g.NUMBER)),),
)  # fmt: skip
MEASURE = External("measure", "error", "measures.error", low=Fraction(0), high=Fraction(1))

SAMPLES: dict[str, g.Expr] = {
    "const": g.const(7),
    "var": X,
    "input": g.make("input", (), g.NUMBER, "epoch"),
    "add": g.add(X, g.const(2)),
    "mul": g.mul(X, X),
    "div": g.div(g.const(6), X),
    "pow": g.power(X, g.const(Fraction(3, 2))),
    "floor": g.floor(g.mul(g.const(Fraction(1, 3)), X)),
    "ceil": g.ceil(g.mul(g.const(Fraction(1, 3)), X)),
    "mod": g.mod(X, g.const(3)),
    "min": g.minimum(X, g.const(3)),
    "max": g.maximum(X, g.const(3)),
    "abs": g.absolute(g.sub(X, g.const(4))),
    "sqrt": g.sqrt(X),
    "log2": g.log2(X),
    "log10": g.log10(X),
    "log": g.log(X),
    "exp": g.exp(X),
    "cos": g.cos(X),
    "eq": g.eq(X, g.const(4)),
    "lt": g.lt(X, g.const(4)),
    "le": g.le(X, g.const(4)),
    "and": g.both(B, g.le(X, g.const(4))),
    "or": g.either(B, g.le(X, g.const(4))),
    "not": g.negate(B),
    "if": g.branch(B, X, g.const(3)),
    "lookup": lookup(
        table("t", [(Fraction(v), b) for v in (1, 2, 6) for b in (True, False)], [Fraction(v, 3) for v in range(6)]),
        [X, B],
        g.NUMBER,
    ),
    "solve": g.solve(MAPPED, g.add(g.var("m", g.NUMBER), X)),
    "solvable": g.solvable(MAPPED),
    "measure": external(MEASURE),
    "external": external(External("loss", "cross_entropy", "losses.cross_entropy")),
}


def test_every_operator_has_a_sample() -> None:
    assert set(SAMPLES) == set(OPERATORS)


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_every_operator_is_in_every_backend(op: str) -> None:
    from cospace.compiler.space.model import Decision

    expr = SAMPLES[op]
    values = tuple(Fraction(v) for v in (0, 1, 2, 4, 6))
    decisions = (
        Decision("x", "choose", values, g.NUMBER),
        Decision("b", "choose", (True, False), g.BOOL),
    )
    designs: list[dict[str, g.Value]] = [{"x": v, "b": b} for v in values for b in (True, False)]
    inputs = {"epoch": Fraction(3), "error": Fraction(1, 4)}
    running = {k: float(v) for k, v in inputs.items()}
    rows = encode(decisions, designs)
    program = Program([expr], decisions)
    (numbers,) = program(rows, running)
    (tensor,) = Program([expr], decisions, torch)(torch.as_tensor(rows), running)
    hot = {
        d.path: torch.nn.functional.one_hot(torch.as_tensor(rows[:, j]), len(d.values)).double()
        for j, d in enumerate(decisions)
    }
    (relaxed,) = Relaxed([expr], decisions, torch)(hot, running)
    interval = Bounder({d.path: d.values for d in decisions}).bounds(expr)
    for i, design in enumerate(designs):
        result = evaluate(expr, design, inputs)
        if result is UNDEFINED:
            assert math.isnan(numbers[i]) and math.isnan(tensor[i]) and math.isnan(relaxed[i])
            assert interval.undefined is expr
            continue
        for other in (numbers[i], tensor[i], relaxed[i]):
            assert close(float(other), result, 1e-12)
        if not isinstance(result, Enclosure):
            assert interval.may_be(result)


def test_mappings_with_logarithms_and_powers_leave_no_doubt() -> None:
    made = compile_text("""
space t
import std.learn
import std.works
def job(x: tensor[a], m: int, n: int) -> tensor[a] from "t.job" { ask matmul(m = m, k = 96, n = n) }
def things() -> task from "t.things" { row = tensor[4] }
data = things()
network net(x: data.row) { job(job(x, m = 6, n = 8), m = 900, n = 20) }
precision of net { both = 8 bit }
accelerator chip {
    rows = choose {4, 8, 16, 64}
    cols = choose 1..9
    on matmul(m, k, n, wbits) {
        spread = map factors(24, 3)
        keep = map {true, false}
        loss = 10 ^ (rows / 10) + log10(rows + cols) + ceil(log2(rows) + 1) * sqrt(cols)
        cycles = ceil(m / spread[1]) * ceil(k / (rows * spread[2])) * ceil(n / (cols * spread[3]))
        seconds = cycles * 1 ns + (if keep then 0 s else 1 us / cycles)
        energy = loss * cycles * 1 pJ / 1000 + rows * 1 pJ
        minimize energy * seconds
    }
    latency = sum(works.seconds)
}
minimize chip.latency
""")
    assert made.space is not None, [d.message for d in made.diagnostics]
    space = made.space
    program = Program([space.objectives[0].value], space.decisions, certify=True)
    designs = [{"chip.rows": Fraction(r), "chip.cols": Fraction(c)} for r in (4, 8, 16, 64) for c in range(1, 10)]
    (values,), _, doubt = program.certified(encode(space.decisions, designs))
    assert not doubt.any()
    for value, design in zip(values, designs, strict=True):
        assert within(value, evaluate(space.objectives[0].value, design), 1e-12)
