"""What is bound after the search, held against plain Python at every raw design: values, weights, folds, integrals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import UNDEFINED, evaluate
from cospace.compiler.space.graph import walk
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import from_json, to_json

from tests.compiler import raw, spaces

space_of, told = spaces.space_of, spaces.told
F = Fraction

HEAD = "space t\nimport std.learn\n"


def objective(space: Space, at: int, design: Any) -> Any:
    return evaluate(space.objectives[at].value, design)


def holds_everywhere(space: Space, feasible: Callable[[dict[str, Any]], bool]) -> None:
    """The designs that a plain function calls feasible are those of the space, and as many as are counted."""
    mine = [d for d in raw.designs(space) if feasible(raw.plain(d))]
    assert mine == raw.feasible(space)
    assert count(space).feasible == len(mine)


def no_variant_is_left(space: Space) -> None:
    later = {v.path for v in space.variants}
    assert later
    exprs = [e for r in space.requirements for e in (r.value, r.guard)] + [o.value for o in space.objectives]
    exprs += [e for a in space.accelerators for _, e in a.quantities]
    exprs += [e for w in space.works for p in w.placements for _, e in p.quantities]
    assert not any(e.free & later for e in exprs)


# ---- random


DRAWN = (
    HEAD
    + """
low  = choose {2, 4, 8}
high = choose {4, 8, 16}
lean = choose {0, 1, 3}
require low < high
bits = random low..high step 2 per image
kept = random {low, 8, high} by [1, lean, 1] per image
require bits * bits <= 200
require kept != 8 when lean == 3
minimize bits * low
minimize max(kept for kept)
minimize mean(mean(bits * kept for kept) for bits)
minimize min(kept for kept when kept > 3)
minimize sum(bits for bits)
require any(bits == 8 for bits)
"""
)


def drawn(d: dict[str, Any]) -> tuple[list[int], dict[int, int]]:
    bits = [v for v in range(int(d["low"]), int(d["high"]) + 1, 2)]
    weights: dict[int, int] = {}
    for value, w in ((d["low"], 1), (8, d["lean"]), (d["high"], 1)):
        weights[int(value)] = weights.get(int(value), 0) + int(w)
    return bits, {v: w for v, w in weights.items() if w}


def test_a_requirement_is_for_all_values_that_chance_may_draw() -> None:
    def feasible(d: dict[str, Any]) -> bool:
        bits, kept = drawn(d)
        fine = d["low"] < d["high"] and bits and all(b * b <= 200 for b in bits) and 8 in bits
        return bool(fine) and (d["lean"] != 3 or 8 not in kept)

    space = space_of(DRAWN)
    no_variant_is_left(space)
    holds_everywhere(space, feasible)
    assert 0 < len(raw.feasible(space)) < len(list(raw.designs(space)))


def test_folds_over_chance_weigh_equal_values_together() -> None:
    space = space_of(DRAWN)
    checked = 0
    for design in raw.designs(space):
        d = raw.plain(design)
        bits, kept = drawn(d)
        if not bits:
            continue
        checked += 1
        mean = F(sum(bits), len(bits))
        assert objective(space, 0, design) == mean * d["low"]
        assert objective(space, 1, design) == max(kept)
        assert objective(space, 2, design) == mean * F(sum(v * w for v, w in kept.items()), sum(kept.values()))
        assert objective(space, 3, design) == min(v for v in kept if v > 3)
        assert objective(space, 4, design) == sum(bits)
    assert checked > 20


# ---- switch


def test_each_and_at_take_one_value() -> None:
    space = space_of(
        HEAD
        + """
rows = choose {1, 2, 3}
mode = switch {1, 2}
speed = switch {slow(rate = 1), fast(rate = 4)}
require rows * mode <= 4
minimize each(rows + mode for mode)
minimize each(each(rows * mode * speed.rate for speed) for mode)
minimize rows * mode at mode = 2
"""
    )
    texts = [o.text for o in space.objectives]
    assert texts == [
        "rows + mode at mode = 1",
        "rows + mode at mode = 2",
        "rows * mode * speed.rate at mode = 1, speed = slow",
        "rows * mode * speed.rate at mode = 1, speed = fast",
        "rows * mode * speed.rate at mode = 2, speed = slow",
        "rows * mode * speed.rate at mode = 2, speed = fast",
        "rows * mode at mode = 2",
    ]
    assert [evaluate(o.value, {"rows": F(3)}) for o in space.objectives] == [4, 5, 3, 12, 6, 24, 6]
    holds_everywhere(space, lambda d: d["rows"] * 2 <= 4)


def test_a_measure_is_taken_at_each_value_of_what_reaches_the_network() -> None:
    text = f"""
space t
{spaces.IMPORTS}
{spaces.NETWORK} {{ linear(x, out = nodes.classes) }}
precision of net {{ both = switch {{4, 8}} bit; state = {{norm}} }}
"""
    space = space_of(text + "minimize each(error(nodes) for precision.both)\n")
    assert [o.text for o in space.objectives] == [
        "error(nodes) at precision.both = 4 bit",
        "error(nodes) at precision.both = 8 bit",
    ]
    assert all(o.measured for o in space.objectives)
    assert space.policies[0].state == ("norm",) and space.policies[0].targets == ("net",)
    assert told(text + "minimize error(nodes)\n") == ["CS241 error(nodes)"]
    clock = "clock = switch {1, 2}\nminimize error(nodes)\nminimize max(clock for clock)\n"
    space_of(text.replace("switch {4, 8} bit", "8 bit") + clock)  # does not reach the network


# ---- adapt and statistics

HEARD = (
    HEAD
    + """
u = quantile("edge_density")
t0, t1, t2 = choose 0..1 step 1/4
p0 = choose {0, 1/2}
scale = adapt {1/2, 3/4, 1} by (if u < t1 then 1/2 else if u < t2 then 3/4 else 1)
drop = if u < t0 then p0 * (1 - u / t0) else 0
minimize scale ^ 2
minimize mean(drop for u)
minimize mean((1 - drop) * scale ^ 2 for u)
minimize mean(u ^ 3 for u)
minimize max(scale for scale)
minimize mean((if t0 <= u and u < t1 then u else 2) for u)
require scale <= 3/4 when p0 > 0
require u < t2 or t1 == 1/2
"""
)


def scale_at(d: dict[str, Any], u: Fraction) -> Fraction:
    return F(1, 2) if u < d["t1"] else F(3, 4) if u < d["t2"] else F(1)


def drop_at(d: dict[str, Any], u: Fraction) -> Fraction:
    return d["p0"] * (1 - u / d["t0"]) if u < d["t0"] else F(0)


def integral(f: Callable[[Fraction], Fraction]) -> Fraction:
    """Exact for what is a polynomial of degree 3 at most on each quarter: Simpson's rule, with open ends."""
    total, near = F(0), F(1, 10**12)
    for n in range(4):
        a, b = F(n, 4), F(n + 1, 4)
        total += (f(a) + 4 * f((a + b) / 2) + f(b - near)) / 24
    return total


def test_means_over_the_input_are_integrals() -> None:
    space = space_of(HEARD)
    checked = 0
    for design in raw.designs(space):
        d = raw.plain(design)
        wanted = [
            integral(lambda u, d=d: scale_at(d, u) ** 2),  # type: ignore[misc]
            integral(lambda u, d=d: drop_at(d, u)),  # type: ignore[misc]
            integral(lambda u, d=d: (1 - drop_at(d, u)) * scale_at(d, u) ** 2),  # type: ignore[misc]
            F(1, 4),
            max(scale_at(d, F(2 * n + 1, 8)) for n in range(4)),
            integral(lambda u, d=d: u if d["t0"] <= u < d["t1"] else F(2)),  # type: ignore[misc]
        ]
        found = [objective(space, n, design) for n in range(6)]
        assert UNDEFINED not in found
        assert all(abs(x - y) < F(1, 10**9) for x, y in zip(found, wanted, strict=True)), (d, found, wanted)
        checked += 1
    assert checked == 250


def test_a_requirement_holds_for_almost_all_inputs() -> None:
    def feasible(d: dict[str, Any]) -> bool:
        middles = [F(2 * n + 1, 8) for n in range(4)]
        small = not d["p0"] or all(scale_at(d, u) <= F(3, 4) for u in middles)
        return small and all(u < d["t2"] or d["t1"] == F(1, 2) for u in middles)

    space = space_of(HEARD)
    no_variant_is_left(space)
    holds_everywhere(space, feasible)


def test_chance_that_the_input_weighs() -> None:
    space = space_of(
        HEAD
        + """
u = quantile("edge_density")
p = choose {1/4, 1/2}
keep = random {1, 0} by [1 - p * u, p * u] per epoch
minimize p
require p <= 1
"""
    )
    (variant,) = [v for v in space.variants if v.binding == "random"]
    assert variant.weights is not None and variant.per == "epoch"
    assert [w.free for w in variant.weights] == [{"p", "u"}, {"p", "u"}]


# ---- maps, and who may read what

MAPPED = f"""
space t
{spaces.IMPORTS}
{spaces.NETWORK} {{
    x = linear(x, out = 24)
    linear(x, out = nodes.classes)
}}
precision of net {{ both = random {{4, 8, 16}} bit per image }}
accelerator engine {{
    room = choose {{40, 80, 160}}
    on matmul(k, n, wbits) {{
        tile = map divisors(n)
        require tile * wbits / 1 bit <= room
        cycles = k * n / tile + 3 * tile * wbits / 1 bit
    }}
    cycles = sum(works.cycles)
}}
minimize max(engine.cycles for precision.both)
minimize engine.cycles at precision.both = 4 bit
minimize engine.cycles
"""


def test_maps_are_solved_anew_for_each_value() -> None:
    space = space_of(MAPPED)
    no_variant_is_left(space)
    layers = [(64, 24), (24, 10)]

    def cycles(room: Fraction, bits: int) -> Fraction | None:
        total = F(0)
        for k, n in layers:
            tiles = [t for t in range(1, n + 1) if n % t == 0 and t * bits <= room]
            if not tiles:
                return None
            total += min(F(k * n, t) + 3 * t * bits for t in tiles)
        return total

    for design in raw.designs(space):
        room = design["engine.room"]
        each = [cycles(room, b) for b in (4, 8, 16)]
        assert None not in each
        assert [objective(space, n, design) for n in range(3)] == [max(each), each[0], sum(each) / 3]  # type: ignore[type-var,arg-type]
    shared = {id(p.problem) for w in space.works for p in w.placements}
    assert len(space.works) == 6 and len(shared) == 6
    assert {w.at for w in space.works} == {(("precision.both", F(b)),) for b in (4, 8, 16)}
    solved = {id(n.payload) for o in space.objectives for n in walk([o.value]) if n.op == "solve"}
    assert solved == shared
    paths = [m.path for w in space.works for p in w.placements for m in p.problem.maps]
    assert len(set(paths)) == len(paths)


def test_works_of_one_shape_share_their_problem() -> None:
    text = MAPPED.replace("x = linear(x, out = 24)", "x = linear(x, out = 64)\n    x = linear(x, out = 64)")
    space = space_of(text)
    assert len(space.works) == 9
    assert len({id(p.problem) for w in space.works for p in w.placements}) == 6


def test_a_space_with_variants_goes_through_json() -> None:
    for text in (HEARD, MAPPED, DRAWN):
        space = space_of(text)
        data = to_json(space)
        again = from_json(data)
        assert to_json(again) == data
        assert again.variants == space.variants and again.policies == space.policies


def test_the_search_decides_what_lies_inside_something_bound_later() -> None:
    space = space_of(
        HEAD
        + "kind = switch { plain = 1, wide = choose width {2, 4} }\nminimize max(kind for kind)\nrequire kind <= 3\n"
    )
    assert [d.path for d in space.decisions] == ["kind.wide.width"]
    assert [raw.plain(d) for d in raw.feasible(space)] == [{"kind.wide.width": 2}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("minimize mean(rows for rows)", "CS240 rows"),
        ("minimize product(rows * mode for mode)", "CS240 product(rows * mode for mode)"),
        ("minimize 2 * each(rows * mode for mode)", "CS301 each(rows * mode for mode)"),
        ("minimize rows * mode", "CS241 minimize rows * mode"),
        ("minimize rows at mode = 3", "CS240 3"),
        ("minimize max(u for u)", "CS240 max(u for u)"),
        ("minimize mean(1 / (1 + u) for u)", "CS242 mean(1 / (1 + u) for u)"),
        ("require u <= 1/2 + u * rows", "CS242 require u <= 1/2 + u * rows"),
        ("tile = choose divisors(mode)", "CS244 choose divisors(mode)"),
        ("bad = random {1, 2} by [1]", "CS245 [1]"),
        ("bad = random {1, 2} by [1, 0 - rows]", "CS245 [1, 0 - rows]"),
        ("bad = adapt {1, 2}", "CS245 adapt {1, 2}"),
        ("bad = adapt {1, 2} by rows", "CS245 rows"),
        ("bad = switch {1, 2} by [1, 2]", "CS245 [1, 2]"),
        ("bad = switch {1, 2} per layer", "CS217 switch {1, 2} per layer"),
        ("search { mode by exhaust() }", "CS228 mode"),
    ],
)
def test_what_is_told(line: str, said: str) -> None:
    base = HEAD + 'rows = choose {1, 2}\nmode = switch {1, 2}\nu = quantile("edge_density")\n'
    assert said in told(base + line + "\n")


def test_a_switch_with_one_value_is_told() -> None:
    mode = "switch {2, if wide then 4 else 2}"
    text = f"{HEAD}param wide = false\nrows = choose {{1, 2}}\nmode = {mode}\nminimize max(rows * mode for mode)\n"
    assert f"CS247 {mode}" in told(text)
    assert told(text, {"wide": "true"}) == []
    assert told(text.replace(mode, "choose {2}").replace("max(rows * mode for mode)", "rows * mode")) == []


def test_an_empty_domain_excludes_the_design() -> None:
    space = space_of(HEAD + "low, high = choose {1, 2, 3}\nbits = random low..high\nminimize bits\n")
    assert [r.origin for r in space.requirements] == ["domain"]
    holds_everywhere(space, lambda d: d["low"] <= d["high"])


def test_messages_do_not_depend_on_what_was_compiled_before() -> None:
    head = f"space t\n{spaces.IMPORTS}\n{spaces.NETWORK} {{ linear(x, out = nodes.classes) }}\n"
    switched = head + "precision of net { both = switch {4, 8} bit; state = {norm} }\nminimize error(nodes)\n"
    kept = space_of(
        head + "precision of net { both = 8 bit }\n\n\n\nminimize error(nodes)\n"
    )  # makes an equal node first
    assert kept.objectives
    assert told(switched) == ["CS241 error(nodes)"]


@pytest.mark.parametrize(
    ("goal", "fault"),
    [
        ("mean(log(1 + n) + log(1 + u) * scale * n for scale)", "log(1 + u)"),
        ("mean(cost for scale)", "sqrt(u)"),
        ("mean(n / 2 + n / (1 + u) for u)", "n / (1 + u)"),
        ("mean(2 ^ (n * scale + u) + 2 ^ n for u)", "2 ^ (n * scale + u)"),
    ],
)
def test_a_mean_that_is_not_exact_points_at_the_part_that_is_at_fault(goal: str, fault: str) -> None:
    text = (
        'space s\nimport std.learn\nu = quantile("x")\nn = choose {1, 2}\n'
        "scale = adapt {1/2, 1} by (if u < 1/4 then 1/2 else 1)\ncost = n * scale + sqrt(n) + sqrt(u)\n"
        f"minimize {goal}\n"
    )
    (found,) = compile_text(text).diagnostics
    assert found.code == "CS242" and [text[x.span.start : x.span.end] for x in found.labels] == [fault]
