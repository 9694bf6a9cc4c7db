"""The best open design from tables: what trying every one of them exactly finds, for any setting of the others."""

from __future__ import annotations

from fractions import Fraction

import numpy
import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.engines import tabulated
from cospace.compiler.engines.exhaustive import Exhaustive
from cospace.compiler.engines.group_tables import Tangled
from cospace.compiler.engines.problem import Problem
from cospace.compiler.engines.tabulated import Tabulated
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers import alike
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.space.designs import DesignError, decode
from cospace.compiler.space.model import Space

TEXT = """space tables
import std.learn
import std.works
def job(x: tensor[a], m: int) -> tensor[a] from "t.job" { ask matmul(m = m, k = 12, n = 20) }
def point(x: tensor[a], m: int) -> tensor[a] from "t.point" { ask dwconv(channels = m, rows = 6, kh = 3) }
def rest(x: tensor[a]) -> tensor[a] from "t.rest"
def things() -> task from "t.things" { row = tensor[4] }
data = things()
def block(x, m) {
    choose op { wide = job(x, m = 3 * m), thin = job(x, m = m), point = point(x, m = m), skip = rest(x) }
}
network net(x: data.row) { block(block(block(job(x, m = 5), 4), 7), 10) }
precision of net { both = choose {4, 8} bit per layer }
accelerator chip {
    lanes = choose 1..6
    room  = choose {24, 60, 200} bit
    cores = choose 1..4
    clock = choose {1, 2, 3} GHz
    area  = lanes * cores * 1 mm2 + room * 0.01 mm2 / 1 bit
    on matmul(m, k, n, wbits, abits) {
        tile = map {1, 2, 3, 4, 6, 12}
        side = map {down, across}
        over = if side == down then m else n
        require tile * (wbits + abits) <= room
        cycles = ceil(over / lanes) * ceil(k / tile) + tile / 3
        energy = 1 pJ * (over * k / tile + tile ^ 2 * wbits / 4 bit)
        minimize cycles * energy
    }
    on dwconv(channels, abits) { cycles = channels * abits / 1 bit; energy = 1 pJ * channels }
    energy  = sum(works.energy) * (1 + SWING)
    latency = PACE / clock / (1 + cores)
}
require chip.area <= 14 mm2
require chip.latency <= LIMIT
GOAL
"""
PLAIN = {"SWING": "chip.clock / 2 GHz", "PACE": "sum(works.cycles)", "LIMIT": "60 ns",
         "GOAL": "minimize chip.energy * chip.latency"}  # fmt: skip
OPEN = ("chip.lanes", "chip.room", "chip.cores", "chip.clock")
CASES = {
    "products of sums": {},
    "roots, which no rational number is": {"SWING": "sqrt(chip.clock / 1 GHz)"},
    "the slowest layer": {"PACE": "max(works.cycles)", "LIMIT": "20 ns"},
    "a budget that few networks meet": {"LIMIT": "5 ns"},
    "more is better": {"GOAL": "maximize 1 / (chip.energy * chip.latency)"},
    "one sum": {"GOAL": "minimize chip.energy"},
}


def compiled(monkeypatch: pytest.MonkeyPatch, **said: str) -> Space:
    monkeypatch.setattr(placing, "LARGE", 1 << 60)  # maps are solved where they are read
    body = TEXT
    for name, text in (PLAIN | said).items():
        body = body.replace(name, text.replace("chip.clock", "clock") if name == "SWING" else text)
    made = compile_text(body)
    assert made.space is not None, [d.message for d in made.diagnostics]
    return made.space


def networks(space: Space, tables: Tabulated, n: int) -> numpy.ndarray:
    rows = Problem(space, 0, seed=3).fill(numpy.full((n, len(space.decisions)), -1, numpy.int64))
    names = [d.path for d in space.decisions]
    return rows[:, [names.index(d.path) for d in tables.closed]]


@pytest.mark.parametrize("said", CASES.values(), ids=CASES)
def test_as_good_as_the_exact_best(monkeypatch: pytest.MonkeyPatch, said: dict[str, str]) -> None:
    monkeypatch.setattr(alike, "LEAVES", 0)
    space = compiled(monkeypatch, **said)
    tables, search = Tabulated(space, OPEN), Exhaustive(space, OPEN)
    empty = 0
    for indices in networks(space, tables, 25):
        fixed = decode(tables.closed, indices)
        assert (tables.indices(fixed) == indices).all()
        exact = search.best(fixed)
        step = tables.best(indices)
        if step is None:
            empty += 1
            assert exact.certified and not exact.designs
            continue
        ((wanted,),) = exact.objectives
        sign = 1 if space.objectives[0].sense == "minimize" else -1
        value = wanted.middle if isinstance(wanted, Enclosure) else wanted
        assert step.value == pytest.approx(sign * float(value), rel=1e-12)
        if step.sure:
            assert exact.designs[0] == {**fixed, **tables.design(step.row)}
        else:
            assert step.slack <= 1e-12 * abs(step.value)
    assert empty < 25 and (empty > 0) == (said.get("LIMIT") == "5 ns")


def test_what_rounding_leaves_in_doubt_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is what one design needs exactly, which is a third of something: no float says whether it is met."""
    space = compiled(monkeypatch)
    tables = Tabulated(space, OPEN)
    indices = networks(space, tables, 1)[0]
    fixed = decode(tables.closed, indices)
    latency = dict(space.accelerators[0].quantities)["latency"]
    best = Exhaustive(space, OPEN).best(fixed).designs[0]
    needed = evaluate(latency, best)
    assert isinstance(needed, Fraction)
    for limit, met in ((needed, True), (needed - Fraction(1, 10**40), False)):
        tight = compiled(monkeypatch, LIMIT=f"{limit.numerator}/{limit.denominator} * 1 s")
        step = Tabulated(tight, OPEN).best(indices)
        wanted = Exhaustive(tight, OPEN).best(fixed)
        found = step and {**fixed, **tables.design(step.row)}
        assert (found == best) is met
        assert found == (wanted.designs[0] if wanted.designs else None)


def test_a_mapping_is_solved_once_whatever_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compiled(monkeypatch)
    tables = Tabulated(space, OPEN)
    asked: list[int] = []
    monkeypatch.setattr(tabulated, "bounds_at", lambda *_: asked.append(1))
    for indices in networks(space, tables, 5):
        tables.best(indices)
    assert not asked
    assert tables.cells < 40_000
    assert len(tables.rows) < 6 * 3 * 4 * 3, "the area leaves some out"


def test_where_there_are_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compiled(monkeypatch)
    with pytest.raises(TooMany):
        Tabulated(space, OPEN, limit=10)
    with pytest.raises(DesignError):
        Tabulated(space, OPEN).indices({"chip.lanes": Fraction(2)})
    monkeypatch.setattr(tabulated, "SETTINGS", 1)
    with pytest.raises(Tangled):
        Tabulated(space, OPEN)
    monkeypatch.setattr(tabulated, "SETTINGS", 4_096)
    monkeypatch.setattr(tabulated, "CELLS", 100)
    with pytest.raises(Tangled):
        Tabulated(space, OPEN)


def test_tables_that_are_added_are_the_sums_of_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit by bit what adding one after the other gives, also where one reads less than the others: their error is so
    much as is said."""
    space = compiled(monkeypatch, PACE="(sum(works.cycles) + lanes / 3)")
    monkeypatch.setattr(tabulated, "MERGED", 0)
    apart = Tabulated(space, OPEN)
    monkeypatch.setattr(tabulated, "MERGED", 1 << 16)
    tables = Tabulated(space, OPEN)
    assert len(tables._given) < len(apart._given)
    for indices in networks(space, tables, 10):
        one, other = tables.best(indices), apart.best(indices)
        assert (one and one.row) == (other and other.row)
        places = numpy.where(indices < 0, tables._dead, indices)
        for given in tables._given:
            first, total = 0, None
            for table in given.tables:
                setting = 0
                for j, size in zip(table.reads, table.sizes, strict=True):
                    setting = setting * size + int(places[j])
                row = given.values[first + setting]
                total = row if total is None else total & row if row.dtype == bool else total + row
                first += table.settings
            assert (given.at(places) == total)[~numpy.isnan(total)].all()
