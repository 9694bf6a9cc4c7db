"""Spaces that fall apart into groups: the least and the front by partial designs, against every design."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.engines import apart, group_tables, merging, separable
from cospace.compiler.engines.apart import best_apart
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers.row_bounds import Pair, constant, join
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Space

from tests.compiler.generate import holds, raw_designs
from tests.compiler.spaces import space_of

COSTS = ("{a} * 3 + {b}", "{a} ^ 2", "ceil({a} / {b})", "{a} / 4", "max({a}, {b}) * 2", "if {a} > 2 then {b} else 5")
ROUGH = ("{a} / ({b} + 3)", "7 / ({a} + {b})")
"""No common scale is evident."""


def text_of(rng: random.Random) -> str:
    """A space of three to five groups, which a decision or two of an accelerator may join."""
    hub = [f"h{i}" for i in range(rng.choice((0, 0, 1, 2)))]
    lines = ["space t", *(f"{h} = choose {{1, 2, 4}}" for h in hub)]
    costs: dict[str, list[str]] = {"x": [], "y": [], "z": []}
    rough = rng.random() < 0.25
    for g in range(rng.randint(2, 4)):
        names = [f"a{g}", f"b{g}"]
        lines.append(f"a{g} = choose {{{', '.join(map(str, sorted(rng.sample(range(1, 8), rng.randint(2, 3)))))}}}")
        kind = rng.randrange(3)
        if kind == 0:
            lines.append(f"b{g} = choose 1..{rng.randint(1, 3)}")
        elif kind == 1:
            lines.append(f"c{g} = choose kind{g} {{ p = choose q {{1, 2}}, o = {rng.randint(1, 6)} }}\nb{g} = c{g}")
        else:
            lines.append(f"b{g} = choose {{1, 2 when a{g} > 2, 3}}")
        if rng.random() < 0.3:
            lines.append(f"require a{g} + b{g} >= {rng.randint(2, 5)}")
        for found in costs.values():
            of = rng.sample([*names, *hub], 2) if rng.random() < 0.7 else [names[0], names[0]]
            form = rng.choice(ROUGH if rough and rng.random() < 0.5 else COSTS)
            found.append(f"({form.format(a=of[0], b=of[1])})")
    for name, terms in costs.items():
        if rng.random() < 0.3:
            lines.append(f"{name} = {rng.choice(('max', 'min'))}({', '.join(terms)})")
        else:
            lines.append(f"{name} = {' + '.join(terms)} + {rng.randint(0, 3)} / 2")
    for _ in range(rng.randint(0, 2)):
        lines.append(f"require {rng.choice('xyz')} {rng.choice(('<=', '>=', '<'))} {rng.randint(3, 40)}")
    if rng.random() < 0.3:
        lines.append(f"require x <= {rng.randint(1, 3)} * y + 4 or z < {rng.randint(4, 20)}")
    goals = rng.sample(
        ["minimize x", "minimize x * y", "maximize y", "minimize x / (y + 1)", "minimize z - x", "maximize log(x + 2)",
         "minimize x ^ 2 + z", "minimize floor(z / 3)", "minimize max(x, y)"],
        rng.choice((1, 1, 2, 3)),
    )  # fmt: skip
    return "\n".join([*lines, *goals]) + "\n"


def brute(space: Space) -> list[tuple[Fraction | Enclosure, ...]]:
    """The objectives of every feasible design at which all have a value."""
    found = []
    for design in raw_designs(space.decisions):
        if all(holds(r, design) for r in space.requirements):
            values = tuple(evaluate(o.value, design) for o in space.objectives)
            if all(isinstance(v, (Fraction, Enclosure)) for v in values):
                found.append(values)
    return found  # type: ignore[return-value]


def front(space: Space, values: list[tuple[Fraction | Enclosure, ...]]) -> set[tuple[float, ...]]:
    signs = [1 if o.sense == "minimize" else -1 for o in space.objectives]
    floats = [
        tuple(s * round(float(v.middle if isinstance(v, Enclosure) else v), 9) for s, v in zip(signs, vs, strict=True))
        for vs in values
    ]
    rows = numpy.array(sorted(set(floats)))
    return {tuple(map(float, rows[i])) for i in undominated(rows)} if len(rows) else set()


@pytest.mark.parametrize("seed", range(150))
def test_the_front_is_that_of_all_designs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    space = space_of(text_of(rng))
    monkeypatch.setattr(separable, "TOGETHER", (rng.choice((0, 12)), 0))
    monkeypatch.setattr(separable, "CELLS", rng.choice((60, 300, 1 << 20)))
    found = best_apart(space)
    if found is None:
        pytest.skip("it does not fall apart")
    expected = front(space, brute(space))
    assert front(space, list(found.objectives)) == expected
    assert bool(found.designs) == bool(expected)
    for design, values in zip(found.designs, found.objectives, strict=True):
        assert all(holds(r, design) for r in space.requirements)
        for o, v in zip(space.objectives, values, strict=True):
            again = evaluate(o.value, design)
            assert again == v or isinstance(v, Enclosure)


def test_most_of_them_fall_apart_and_are_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    monkeypatch.setattr(separable, "CELLS", 300)
    found = [best_apart(space_of(text_of(random.Random(seed)))) for seed in range(60)]
    answered = [f for f in found if f is not None]
    assert len(answered) > 40
    assert sum(f.certified for f in answered) > 30


@pytest.mark.parametrize(("limit", "there"), [("worst * 3 <= 21", True), ("7 > worst", False), ("worst <= 6", False)])
def test_a_limit_on_the_goal_is_met_by_the_best_or_by_none(
    limit: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"t{i} = choose 1..9\nu{i} = choose 1..9\nrequire t{i} * u{i} >= 12" for i in range(4)]
    text = "space t\n" + "\n".join(lines) + "\nworst = max(t0 + u0, t1 + u1, t2 + u2, t3 + u3)\nminimize worst * 2\n"
    asked = []
    separate = apart.separate

    def watched(space: Space, goals: Sequence[Expr], conditions: Sequence[Expr]) -> separable.Separable:
        asked.append(conditions)
        return separate(space, goals, conditions)

    monkeypatch.setattr(apart, "separate", watched)
    found = best_apart(space_of(f"{text}require {limit}\n"))
    assert found is not None and found.certified
    assert bool(found.designs) == there and (not there or found.objectives[0] == (14,))
    assert len(asked[0]) == 4


@pytest.mark.parametrize("numbers", [1, 2, 3, 4, 5])
def test_what_no_other_row_is_as_good_as(numbers: int) -> None:
    rng = numpy.random.default_rng(numbers)
    for _ in range(60):
        rows = rng.integers(0, rng.integers(2, 7), size=(rng.integers(0, 40), numbers))
        kept = [
            i
            for i, row in enumerate(rows)
            if not any((o <= row).all() and ((o < row).any() or j < i) for j, o in enumerate(rows) if j != i)
        ]
        assert undominated(rows).tolist() == kept


def test_rounding_hides_nothing_of_a_greatest_value() -> None:
    """Terms without a common scale: the answer is proved by exact values of all that seem equal."""
    chunk = "\n".join(f"t{i} = choose 1..40\nu{i} = choose 1..40\nrequire t{i} + u{i} <= 50" for i in range(5))
    terms = ", ".join(f"{1000 + i} / (t{i} * u{i} + t{i} + {i})" for i in range(5))
    text = f"space t\n{chunk}\nworst = max({terms})\nrequire {' + '.join(f't{i}' for i in range(5))} <= 60\n"
    found = best_apart(space_of(text + "minimize worst\n"))
    assert found is not None and found.certified
    ((value,),) = found.objectives
    (design,) = found.designs
    assert value == max(
        Fraction(1000 + i) / (design[f"t{i}"] * design[f"u{i}"] + design[f"t{i}"] + i) for i in range(5)  # type: ignore[operator]
    )  # fmt: skip


def test_numbers_of_no_scale_are_told_to_be_unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "space t\na = choose 1..9\nb = choose 1..9\nminimize sqrt(a) + 1 / (b + 2) + sqrt(10 - b)\nmaximize a + b\n"
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    found = best_apart(space_of(text))
    assert found is not None and not found.certified


@pytest.mark.parametrize("op", ["sqrt", "exp", "log", "log2", "log10", "floor", "ceil", "pow 3", "pow 1/2", "pow -2"])
def test_bounds_of_functions_hold_all_that_is_between(op: str) -> None:
    rng = numpy.random.default_rng(3)
    x = graph.var("x", graph.Type("number"))
    name, _, exponent = op.partition(" ")
    node = graph.power(x, graph.const(Fraction(exponent))) if exponent else getattr(graph, name)(x)
    low = rng.choice([0.0, 0.5, 1.0, 7.25], size=400) * rng.random(400)
    high = low + rng.random(400) * rng.choice([0.0, 1e-9, 3.0], size=400)
    found = join(node, [Pair(low, high), constant(graph.const(Fraction(exponent)))] if exponent else [Pair(low, high)])
    for share in (0.0, 0.3, 1.0):
        at = low + share * (high - low)
        with numpy.errstate(all="ignore"):
            values = at ** float(Fraction(exponent)) if exponent else getattr(numpy, name)(at)
        there = numpy.isfinite(values)
        assert there.sum() > 200
        assert (found.low[there] <= values[there]).all() and (values[there] <= found.high[there]).all()


def test_too_many_partial_designs_leave_a_good_one_and_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = "\n".join(f"a{i} = choose 1..7\nb{i} = choose 1..5" for i in range(6))
    of = [f"a{i} * b{i} + {i}" for i in range(6)], [f"ceil({20 + 7 * i} / (a{i} + b{i} ^ 2))" for i in range(6)]
    text = f"space t\n{layers}\nminimize ({' + '.join(of[0])}) * ({' + '.join(of[1])})\n"
    space = space_of(text)
    monkeypatch.setattr(separable, "TOGETHER", (0,))
    proved = best_apart(space)
    assert proved is not None and proved.certified
    monkeypatch.setattr(merging, "PAIRS", 120)
    monkeypatch.setattr(merging, "BEAM", 1)
    found = best_apart(space)
    assert found is not None and not found.certified and found.bound is not None
    ((value,), (least,)) = found.objectives[0], proved.objectives[0]
    assert found.bound <= least <= value  # type: ignore[operator]


def test_limits_end_in_another_way_of_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of("space t\na = choose 1..9\nb = choose 1..9\nminimize a * b + a\nmaximize a + b\n")
    monkeypatch.setattr(separable, "CELLS", 4)
    monkeypatch.setattr(separable, "SETTINGS", 4)
    assert best_apart(space) is None
    assert group_tables.LOOKS and apart.LOOKS


def test_a_hub_without_a_setting_leaves_nothing() -> None:
    """What only the hub decides is never met, so that no group has a row."""
    space = space_of("space s\nh, a, b = choose {1, 2, 3}\nrequire mod(h, 4) == 0\nminimize a * h + b * h\n")
    found = best_apart(space)
    assert found is not None and found.certified and not found.designs
