"""Works placed on accelerators: coverage, lowering, guards of rules, maps against brute force, precision, sums."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from cospace.compiler.exact.exact import UNDEFINED, evaluate, solve_maps
from cospace.compiler.space.graph import Symbol

from tests.compiler import spaces

space_of, told, holds, value = spaces.space_of, spaces.told, spaces.holds, spaces.value
IMPORTS, NETWORK = spaces.IMPORTS, spaces.NETWORK

LINEAR = f"space t\n{IMPORTS}{NETWORK} {{ linear(x, out = nodes.classes) }}\nprecision of net {{ both = 8 bit }}\n"
GCN = f"space t\n{IMPORTS}{NETWORK} {{ gcn(x, adj, out = nodes.classes) }}\nprecision of net {{ both = 8 bit }}\n"
DIGITS = {name: int(e.value) for name, e in space_of(f"space t\n{IMPORTS}").tasks[0].facts if e.type.kind == "number"}
V, F, E, CLASSES = DIGITS["nodes"], 64, DIGITS["edges"], DIGITS["classes"]


def quantity(space, name: str, chosen=None):
    return evaluate(dict(space.accelerators[0].quantities)[name], chosen or {})


def test_a_rule_picks_dimensions_by_name_in_any_order() -> None:
    text = """
accelerator engine {
    on matmul(n, wbits, m, k) { cycles = m * 1_000_000 + n; bits = wbits * k }
    cycles = sum(works.cycles)
    bits   = sum(works.bits)
}
"""
    space = space_of(LINEAR + text)
    assert quantity(space, "cycles") == V * 1_000_000 + CLASSES
    assert quantity(space, "bits") == 8 * F


def test_a_unit_alone_is_one_of_it() -> None:
    text = """
accelerator engine {
    side = mm2
    on matmul(m) { cycles = m; energy = pJ }
    energy = sum(works.energy)
    twice = 2 * side
}
"""
    space = space_of(LINEAR + text)
    assert quantity(space, "energy") == Fraction(1, 10**12)
    assert quantity(space, "side") == Fraction(1, 10**6) and quantity(space, "twice") == Fraction(2, 10**6)


def test_a_kind_without_a_rule_is_asked_for_as_what_it_is_made_of() -> None:
    text = f"""
space t
{IMPORTS}
work pair(a: int, b: int) {{
    total = a + b
    ask matmul(m = a, k = 1, n = 1, times = 3)
    ask matmul(m = b, k = 1, n = 1)
}}
def op(x: tensor[v, f]) -> tensor[v, f] from "graph.op" {{ ask pair(a = v, b = f, times = 2) }}
{NETWORK} {{ x = op(x); linear(x, out = nodes.classes) }}
precision of net {{ both = 8 bit }}
accelerator engine {{
    on matmul(m) {{ cycles = m }}
    cycles = sum(works.cycles)
}}
"""
    assert quantity(space_of(text), "cycles") == 2 * (3 * V + F) + V
    own = text.replace("cycles = m }", "cycles = m }\n    on pair(total) { cycles = total }")
    assert quantity(space_of(own), "cycles") == 2 * (V + F) + V


def test_coverage_names_operator_and_accelerator() -> None:
    text = f"""
space t
{IMPORTS}
{NETWORK} {{ choose conv {{ gcn = gcn(x, adj, out = nodes.classes), gat = gat(x, adj, out = nodes.classes) }} }}
precision of net {{ both = 8 bit }}
accelerator engine {{
    on matmul(m, k, n) {{ cycles = m * k * n }}
    on propagate(v, e, fin, fout) {{ cycles = v * fin * fout + e * fout }}
    cycles = sum(works.cycles)
}}
"""
    assert told(text) == ["CS501 gat(x, adj, out = nodes.classes)"]


@pytest.mark.parametrize(
    ("text", "rule", "codes"),
    [
        (LINEAR, "on matmull(m) { cycles = m }", ["CS201 matmull"]),
        (LINEAR, "on matmul(m) when m > 4_000 { cycles = m }\n on matmull(m) { cycles = m }", ["CS201 matmull"]),
        (GCN, "on propagatee(v) { cycles = v }", ["CS201 propagatee"]),
        # what the misspelt rule was meant for isn't what is missing
        (LINEAR, "on propagatee(v) { cycles = v }", ["CS501 linear(x, out = nodes.classes)", "CS201 propagatee"]),
    ],
)
def test_a_misspelt_kind_is_said_once(text: str, rule: str, codes: list[str]) -> None:
    assert told(f"{text}accelerator engine {{\n {rule}\n cycles = sum(works.cycles)\n}}\n") == codes


def test_the_first_rule_whose_guard_holds_serves() -> None:
    text = (
        LINEAR
        + """
accelerator engine {
    big = choose {true, false}
    on matmul(m) when big and m > 100 { cycles = 1 }
    on matmul(m) when big             { cycles = 2 }
    on matmul(m)                      { cycles = 3 }
    cycles = sum(works.cycles)
}
"""
    )
    space = space_of(text)
    assert quantity(space, "cycles", {"engine.big": True}) == 1
    assert quantity(space, "cycles", {"engine.big": False}) == 3
    assert quantity(space_of(text.replace("m > 100", "m > 10_000")), "cycles", {"engine.big": True}) == 2


def test_guards_that_leave_a_design_unserved_are_refused() -> None:
    text = LINEAR + "accelerator engine {\n big = choose {true, false}\n on matmul(m) when big { cycles = 1 }\n}\n"
    assert told(text) == ["CS503 linear(x, out = nodes.classes)"]


def test_works_of_a_layer_that_is_not_taken_do_not_count() -> None:
    text = f"""
space t
{IMPORTS}
{NETWORK} {{
    x = choose first {{ linear = linear(x, out = 16), skip = skip(x) }}
    linear(x, out = nodes.classes)
}}
precision of net {{ both = 8 bit }}
accelerator engine {{
    on matmul(m, k, n) {{ cycles = m * k * n }}
    cycles = sum(works.cycles)
    most   = max(works.cycles)
    many   = count(works)
}}
"""
    space = space_of(text)
    taken, skipped = {"net.first": Symbol("linear")}, {"net.first": Symbol("skip")}
    assert quantity(space, "cycles", taken) == V * F * 16 + V * 16 * CLASSES
    assert quantity(space, "cycles", skipped) == V * F * CLASSES
    assert quantity(space, "most", taken) == V * F * 16
    assert (quantity(space, "many", taken), quantity(space, "many", skipped)) == (2, 1)


MAPPED = (
    GCN
    + """
accelerator engine {
    rows   = choose {4, 16}
    buffer = choose {2, 8, 32, 512} KiB
    on matmul(m, k, n, wbits, abits) {
        tile   = map {16, 64, 256, 1_024}
        require tile * k * abits <= buffer "a tile fits"
        cycles = ceil(m / rows) * k * n
        energy = k * n * ceil(m / tile) * wbits + m * k * abits
        minimize cycles * energy
    }
    on spmm(nnz, n) { cycles = nnz * n; energy = nnz * n * 3 bit }
    on propagate(v, e, fin, fout) {
        order  = map {combine_first, aggregate_first}
        dense  = ask matmul(m = v, k = fin, n = fout)
        sums   = ask spmm(m = v, k = v, nnz = e, n = if order == combine_first then fout else fin,
                          sparse_bits = 8 bit, dense_bits = 8 bit)
        cycles = max(dense.cycles, sums.cycles)
        energy = dense.energy + sums.energy
        minimize cycles * energy
    }
    cycles = sum(works.cycles)
    energy = sum(works.energy)
}
"""
)


def test_a_misspelt_kind_that_only_rules_ask_for_is_said_once() -> None:
    assert told(MAPPED.replace("on spmm(", "on spmmm(")) == ["CS201 spmmm"]


def by_hand(rows: int, kib: int):
    """The best (order, tile) by trying all in declared order: least cycles x energy, then energy, then the first."""
    best = None
    for order, tile in itertools.product(("combine_first", "aggregate_first"), (16, 64, 256, 1_024)):
        if tile * F * 8 > kib * 8 * 1_024:
            continue
        width = CLASSES if order == "combine_first" else F
        cycles = max(math.ceil(V / rows) * F * CLASSES, E * width)
        energy = F * CLASSES * math.ceil(V / tile) * 8 + V * F * 8 + E * width * 3
        key = (cycles * energy, energy)
        if best is None or key < best[0]:
            best = (key, order, tile, cycles, energy)
    return best


@pytest.mark.parametrize("rows, kib", list(itertools.product((4, 16), (2, 8, 32, 512))))
def test_maps_equal_brute_force(rows: int, kib: int) -> None:
    space = space_of(MAPPED)
    chosen = {"engine.rows": Fraction(rows), "engine.buffer": Fraction(kib * 8_192)}
    placement = space.works[0].placements[0]
    best = by_hand(rows, kib)
    mapped = next(r for r in space.requirements if r.origin == "map")
    if best is None:
        assert quantity(space, "cycles", chosen) is UNDEFINED
        return
    _, order, tile, cycles, energy = best
    assert evaluate(mapped.value, chosen) is True
    assert quantity(space, "cycles", chosen) == cycles and quantity(space, "energy", chosen) == energy
    solved = solve_maps(placement.problem, chosen)
    assert sorted(map(str, solved.values())) == sorted([order, str(tile)])


def test_a_work_without_a_mapping_makes_the_design_infeasible_with_the_reason() -> None:
    space = space_of(MAPPED.replace("{16, 64, 256, 1_024}", "{256, 1_024}"))
    mapped = next(r for r in space.requirements if r.origin == "map")
    assert "a tile fits" in mapped.reason
    small, large = ({"engine.rows": Fraction(4), "engine.buffer": Fraction(kib * 8_192)} for kib in (2, 512))
    assert evaluate(mapped.value, small) is False and evaluate(mapped.value, large) is True


def test_ties_go_to_less_energy_and_then_to_the_first() -> None:
    text = (
        LINEAR
        + """
accelerator engine {
    on matmul(m) {
        tile   = map {1, 2, 3, 4}
        cycles = if tile == 1 then 9 else 5
        energy = if tile == 2 then 4 pJ else 3 pJ
        best   = tile
    }
    best = sum(works.best)
}
"""
    )
    assert quantity(space_of(text), "best") == 3


def test_a_requirement_of_a_rule_without_maps_is_one_of_the_design() -> None:
    text = (
        LINEAR
        + """
accelerator engine {
    rows = choose {4, 4_000}
    on matmul(m) { require rows <= m "rows are used"; cycles = ceil(m / rows) }
    cycles = sum(works.cycles)
}
"""
    )
    rule = next(r for r in space_of(text).requirements if r.origin == "rule")
    assert "rows are used" in rule.reason
    assert [evaluate(rule.value, {"engine.rows": Fraction(r)}) for r in (4, 4_000)] == [True, False]


def test_asks_of_a_rule_are_not_works_and_rules_may_not_ask_without_end() -> None:
    assert len(space_of(MAPPED).works) == 1
    text = (
        LINEAR
        + "accelerator engine { on matmul(m, k, n) { half = ask matmul(m = m, k = k, n = n)\n"
        + "cycles = half.cycles } }\n"
    )
    assert [c.split()[0] for c in told(text)] == ["CS506"]


def test_precision_reaches_the_rule_and_is_assumed_with_a_warning() -> None:
    rule = "accelerator engine { on matmul(m, k, n, wbits, abits) { bits = wbits + abits }\n bits = sum(works.bits) }\n"
    assert (
        quantity(space_of(LINEAR.replace("both = 8 bit", "weights = 4 bit; activations = 6 bit") + rule), "bits") == 10
    )
    bare = LINEAR.replace("precision of net { both = 8 bit }\n", "") + rule
    assert [c.split()[0] for c in told(bare)] == ["CS507", "CS507"]
    assert quantity(space_of(bare), "bits") == 64


def test_two_accelerators_and_one_from_a_def_with_arguments() -> None:
    text = (
        LINEAR
        + """
accelerator array(rows, scale = 2) {
    on matmul(m) { cycles = scale * ceil(m / rows) }
    cycles = sum(works.cycles)
}
small = array(rows = 4)
large = array(16, scale = 3)
require small.cycles > large.cycles
"""
    )
    space = space_of(text)
    assert [a.path for a in space.accelerators] == ["small", "large"]
    assert holds(space, {}) is True
    cycles = [evaluate(dict(a.quantities)["cycles"], {}) for a in space.accelerators]
    assert cycles == [2 * math.ceil(V / 4), 3 * math.ceil(V / 16)]


def test_quantities_stand_in_any_order_and_circles_are_told() -> None:
    text = "space t\naccelerator engine {\n area = side * side\n side = choose {1, 2}\n}\nrequire engine.area > 1\n"
    assert holds(space_of(text), {"engine.side": Fraction(2)}) is True
    assert [c.split()[0] for c in told("space t\naccelerator engine {\n a = b + 1\n b = a\n}\n")] == ["CS204"]


@pytest.mark.parametrize(
    "rule, code",
    [
        ("on matmul(m, cols) { cycles = m }", "CS504 cols"),
        ("on matmull(m) { cycles = m }", "CS201 matmull"),
        ("on matmul(m) { tile = map {1, 2}\n reads = m * tile }", "CS505"),
        ("on matmul(m) { cycles = mq }", "CS201 mq"),
        ("on matmul(m) { space x }", "CS226"),
        ("on matmul(m) { cycles = m + 3 pJ }", "CS302 m + 3 pJ"),
    ],
)
def test_mistakes_in_rules(rule: str, code: str) -> None:
    said = told(f"{LINEAR}accelerator engine {{ {rule} }}\n")
    assert any(line.startswith(code) for line in said)
