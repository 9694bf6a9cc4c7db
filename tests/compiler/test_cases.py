"""Maps whose values hang on decisions: each design tries what it allows, and finds what trying everything does."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy
import pytest
from attrs import evolve
from cospace.compiler.checks.check import check
from cospace.compiler.counting import listed
from cospace.compiler.counting.count import Limits, count, kept_values, solve_space
from cospace.compiler.counting.values import values_of
from cospace.compiler.driver import compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.engines import best as engines
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers import build, cases, maps
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.numbers.numbers import Decider, Program
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode, encode
from cospace.compiler.space.graph import Value, implies
from cospace.compiler.space.model import Space

from tests.compiler.spaces import JOBS, designs

HEAD = (
    "space cases"
    + JOBS
    + """
network net(x: data.row) { job(job(x, m = 6, n = 8), m = 9, n = 20) }
precision of net { both = 4 bit }
"""
)
CHIP = """
accelerator chip {
    cores = choose 1..6
    lanes = choose {1, 2, 4}
    mode  = choose kind { plain = 1, wide = choose reach {2, 5, 6} }
    clock = choose {1, 3} GHz
    on matmul(m, k, n) {
        spread = map factors(cores, 2)
        tile   = map [t for t in 1..24 when mod(6 * lanes, t) == 0]
        keep   = map {hold, stream} when cores > 3
        depth  = map 1..cores + lanes
        steps  = ceil(m / spread[1]) * ceil(k / tile) * ceil(n / (spread[2] * mode)) + abs(depth - 2)
        slow   = if cores > 3 then (if keep == hold then 1 else m / 7) else 2
        cycles = steps * slow + tile / 3
        energy = 1 pJ * (EFFORT * cores * steps + 5 * tile * slow)
        seconds = cycles / clock
        minimize energy * seconds
    }
    energy  = sum(works.energy)
    latency = sum(works.seconds)
}
minimize chip.energy * chip.latency
"""
BOUNDS = """
require chip.latency <= 30 ns
require chip.energy * chip.latency <= 15_000 * 1 pJ * 1 ns
"""
SPARE = """
spare = choose 1..3
require spare != 2 or chip.lanes < 3
"""


def compiled(text: str, monkeypatch: pytest.MonkeyPatch) -> Space:
    """With its maps solved where they are read, whatever their number."""
    monkeypatch.setattr(placing, "LARGE", 1 << 60)
    made = compile_text(text)
    assert made.space is not None, [d.message for d in made.diagnostics]
    return made.space


def text(effort: str = "3") -> str:
    return HEAD + CHIP.replace("EFFORT", effort)


def feasible(space: Space, design: dict[str, Value]) -> bool:
    return all(evaluate(implies(r.guard, r.value), design) is True for r in space.requirements)


@pytest.fixture(scope="module")
def met() -> list[dict[str, Value]]:
    """The designs that meet the bounds, one assignment of maps tried after the other."""
    with pytest.MonkeyPatch.context() as patched:
        space = compiled(text() + BOUNDS, patched)
    every = designs(space)
    found = [d for d in every if feasible(space, d)]
    assert 0.2 < len(found) / len(every) < 0.8
    return found


def with_spare(met: list[dict[str, Value]]) -> list[dict[str, Value]]:
    return [{**d, "spare": Fraction(k)} for d in met for k in (1, 2, 3) if k != 2 or d["chip.lanes"] != 4]


def number(found: Any) -> float:
    return float(found.middle) if isinstance(found, Enclosure) else float(found)


@pytest.mark.parametrize("started", [0, 4_000, 1 << 60], ids=["each case alone", "as it is", "all cases together"])
@pytest.mark.parametrize("effort", ["3", "2 ^ (cores / 5)"], ids=["rational", "real"])
def test_each_design_tries_what_it_allows(monkeypatch: pytest.MonkeyPatch, started: int, effort: str) -> None:
    monkeypatch.setattr(cases, "STARTED", started)
    space = compiled(text(effort), monkeypatch)
    quantities = [e for _, e in space.accelerators[0].quantities if e.type.kind == "number"]
    listed_designs = designs(space)
    assert len(listed_designs) == 6 * 3 * 4 * 2
    rows = encode(space.decisions, listed_designs)
    rows = rows[numpy.random.default_rng(1).permutation(len(rows))]
    program = Program(quantities, space.decisions, certify=True)
    values, defined, doubt = program.certified(rows)
    assert not doubt.any() and all(there.all() for there in defined)
    for row, told in list(zip(rows, numpy.stack(values, axis=1), strict=True))[:: 4 if effort == "3" else 24]:
        exact = [number(evaluate(q, decode(space.decisions, row))) for q in quantities]
        assert numpy.all(numpy.abs(told - exact) <= numpy.array(program.errors) + 1e-12 * numpy.abs(exact))


def test_no_more_is_tried_than_a_design_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compiled(text(), monkeypatch)
    latency = dict(space.accelerators[0].quantities)["latency"]
    program = Program([latency], space.decisions)
    rows = encode(space.decisions, designs(space))
    groups: list[cases.Group] = []
    before = cases.Cases.groups

    def noted(self: cases.Cases, columns: Any) -> list[cases.Group]:
        groups.extend(before(self, columns))
        return groups

    monkeypatch.setattr(cases.Cases, "groups", noted)
    monkeypatch.setattr(cases, "STARTED", 0)
    program(rows)
    assert len(groups) == 6 * 3, "one run for all designs of one number of cores and lanes"
    for g in groups:
        assert g.rows is not None
        taken = {(d["chip.cores"], d["chip.lanes"]) for d in (decode(space.decisions, rows[i]) for i in g.rows)}
        ((cores, lanes),) = taken
        divide = [sum(1 for t in range(1, 25) if n % t == 0) for n in (int(cores), 6 * int(lanes))]  # type: ignore[call-overload]
        wanted = {"spread": divide[0], "tile": divide[1], "keep": 1 + (cores > 3), "depth": cores + lanes}  # type: ignore[operator]
        assert {p.split(".")[-1].split("~")[0]: len(at) for p, at in g.keep.items()} == wanted
        assert len(g.keep) == 2 * len(wanted)
    monkeypatch.setattr(build, "CELLS", 0)
    assert Program([latency], space.decisions).width > 4 * program.width


def test_tables_of_what_is_allowed_are_left_out_where_they_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compiled(text() + BOUNDS, monkeypatch)
    exprs = [implies(r.guard, r.value) for r in space.requirements]
    rows = encode(space.decisions, designs(space))
    found = Decider(exprs, space.decisions)(rows)
    for module, name, few in ((build, "CELLS", 0), (maps, "MARKS", 0), (build, "CELLS", 12)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, few)
            assert (Decider(exprs, space.decisions)(rows) == found).all()
    with monkeypatch.context() as patched:
        patched.setattr(cases, "CASES", 12)
        assert (Decider(exprs, space.decisions)(rows) == found).all()


def test_a_map_without_an_allowed_value_has_no_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = text().replace(
        "map [t for t in 1..24 when mod(6 * lanes, t) == 0]", "map [t for t in 1..24 when t >= 3 * lanes * cores]"
    )
    space = compiled(chip, monkeypatch)
    rows = encode(space.decisions, designs(space))
    exprs = [implies(r.guard, r.value) for r in space.requirements]
    found = Decider(exprs, space.decisions)(rows).all(axis=1)
    assert list(found) == [feasible(space, decode(space.decisions, row)) for row in rows]
    assert 0 < found.sum() < len(rows)
    assert count(space).feasible == found.sum()


@pytest.mark.parametrize("brute", [1_000_000, 0], ids=["listed whole", "beside tables"])
def test_every_count_is_that_of_brute_force(
    monkeypatch: pytest.MonkeyPatch, met: list[dict[str, Value]], brute: int
) -> None:
    space = compiled(text() + SPARE + BOUNDS, monkeypatch)
    beside = with_spare(met)
    whole = solve_space(space, None, Limits(brute=brute, table=100))
    assert whole.count.exact and whole.count.feasible == len(beside)
    assert whole.count.method.startswith("listed" if brute == 0 else "enumeration")
    told = values_of(whole)
    assert told is not None
    for d, own in zip(space.decisions, told, strict=True):
        for value, (low, high) in zip(d.values, own.counts, strict=True):
            assert low == high == sum(1 for m in beside if m.get(d.path) == value), (d.path, value)


def test_what_is_too_much_to_list_is_counted_by_its_sums(
    monkeypatch: pytest.MonkeyPatch, met: list[dict[str, Value]]
) -> None:
    space = compiled(text() + SPARE + BOUNDS, monkeypatch)
    few = Limits(brute=0, table=100)
    methods = {evolve(few, rows=100): "sums convolved", evolve(few, terms=100): "enumeration", few: "listed over"}
    for limits, method in methods.items():
        found = count(space, None, limits)
        assert found.method.startswith(method) and found.feasible == len(with_spare(met))
    monkeypatch.setattr(listed, "DOUBTED", -1)
    assert not count(space, None, few).method.startswith("listed")


def test_wanted_values_are_shown_without_deciding_all(
    monkeypatch: pytest.MonkeyPatch, met: list[dict[str, Value]]
) -> None:
    space = compiled(text() + SPARE + BOUNDS, monkeypatch)
    monkeypatch.setattr(listed, "FIRST", 4)
    frame = Frame.of(space)
    beside = with_spare(met)
    every = {(v, k) for v, d in enumerate(space.decisions) for k in range(len(d.values))}
    spare = next(v for v, d in enumerate(space.decisions) if d.path == "spare")
    for wanted in (every, {(v, k) for v, k in every if v != spare}, *({pair} for pair in sorted(every))):
        low, high = kept_values(frame, Limits(brute=0, table=100), space.requirements, wanted)
        for v, k in wanted:
            d, at = space.decisions[v], list(frame.domains[v]).index(k)
            kept = any(m.get(d.path) == d.values[k] for m in beside)
            assert bool(low[v][at]) == bool(high[v][at]) == kept, (d.path, k, len(wanted))


def test_what_is_dead_best_and_drawn_of_a_space(monkeypatch: pytest.MonkeyPatch, met: list[dict[str, Value]]) -> None:
    space = compiled(text() + BOUNDS, monkeypatch)
    report = check(space)
    assert report.ok is True
    dead = {(c.path, c.value) for c in report.claims if c.kind == "dead"}
    assert dead == {(d.path, v) for d in space.decisions for v in d.values if not any(m.get(d.path) == v for m in met)}
    assert dead
    found = engines.best(space)
    goal = space.objectives[0].value
    assert found.certified and evaluate(goal, found.designs[0]) == min(evaluate(goal, m) for m in met)
    drawn = Sampler(space).sample(40 * len(met), 3)
    kinds, counts = numpy.unique(drawn, axis=0, return_counts=True)
    assert {tuple(r) for r in kinds.tolist()} == {tuple(r) for r in encode(space.decisions, met).tolist()}
    assert sum((n - 40) ** 2 / 40 for n in counts.tolist()) < len(met) + 5 * (2 * len(met)) ** 0.5
