"""What holds of every fixed mapping of the standard library's accelerators: more bandwidth never takes more cycles,
fewer bits never more energy (nor cycles, nor traffic), a larger buffer never loses a mapping nor moves more. At a
solved mapping it holds of what the rule minimises, and of nothing else.

Layers, parameters and mappings are drawn at random, the same on every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random

import pytest
from attrs import frozen
from cospace.compiler.driver import STANDARD, compile_loaded
from cospace.compiler.elaborate.given import Closely
from cospace.compiler.exact.exact import Enclosure, Result, Undefined, Unknown, evaluate, solve_maps
from cospace.compiler.mapping import served
from cospace.compiler.space.graph import Expr, MapProblem, Value
from cospace.compiler.space.model import Decision, Design, Placement, Space
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load_text

BITS = "precision of net { weights = choose 1..16 bit; activations = choose 1..16 bit }"
NEST = (
    "elements = 96, tall = 8, sizes = [8, 4], shares = {16, 48}, copies = choose copies {1, 2},"
    " buffer = choose buffer {8, 16, 64, 256} KiB, port = choose port {64, 128, 512} bit,"
    " channel = choose channel {8, 16, 64, 256} bit"
)
ENGINES = {
    "systolic": "systolic(psum = choose psum {24, 32} bit)",
    "precision_scalable": "scalable_array(max_area = 1e6 mm2)",
    "loop_nest": f"loop_nest({NEST})",
    "loop_nest folded": f"loop_nest({NEST}, folded = true, bypass = true, batch = 4)",
    "microring": "microring(max_laser = 1e9 W, max_area = 1e9 mm2)",
    "gnn_engine": "gnn_engine(multipliers = 10_000)",
    "fpga_chunks": "fpga_chunks(dsps = 1e9, brams = 1e9)",
}
SWEPT = {"fpga_chunks": "precision of net { both = choose {4, 6, 8} bit }"}
"""Where the widths that there may be are the accelerator's."""

FOLDED = "loop_nest folded"
BANDWIDTH = {n: ("engine.channel", "engine.port") for n in ("loop_nest", FOLDED)} | {
    "microring": ("engine.converters",)
}
"""What moves more in a cycle. The others have none: their rules charge operations alone, as the models they follow."""
BUFFER = {n: ("engine.buffer",) for n in ("systolic", "precision_scalable", "loop_nest", FOLDED, "gnn_engine")}
WIDTHS = ("precision.",)
MOVED = ("off", "on_chip", "near", "far", "traffic", "spilled", "fetched", "passed", "reads")
"""What rules call what they move."""


def layers(name: str, rng: Random) -> str:
    """A few works that the accelerator serves, of random sizes."""
    size = rng.choice
    if name == "gnn_engine":
        v, fin = rng.randint(20, 300), rng.randint(8, 100)
        edges, filled, out = rng.randint(v, 6 * v), rng.randint(v, v * fin), size([4, 16, 40])
        return (
            f"ask propagate(v = {v}, e = {edges}, nnz = {filled}, fin = {fin}, fout = {out}, busiest = 5)\n"
            f"ask matmul(m = {v}, k = {fin}, n = {out})\nask edge_softmax(e = {edges}, heads = {size([1, 4])})"
        )
    rows, kernel = size([4, 7, 13, 28]), size([1, 3, 5])
    conv = f"rows = {rows}, kh = {kernel}, stride = {size([1, 2])}"
    return (
        f"ask conv(cin = {size([3, 8, 24])}, cout = {size([8, 20, 64])}, {conv})\n"
        f"ask dwconv(channels = {size([8, 24])}, {conv})\n"
        f"ask matmul(m = {size([1, 9])}, k = {size([16, 50])}, n = {size([10, 64])})\n"
        + ("" if name == "fpga_chunks" else f"ask add(channels = {size([8, 24])}, size = {rows})")
    )


Bounds = tuple[Fraction, Fraction]


@frozen
class Machine:
    """An accelerator with its parameters and bits free, and a network for it."""

    space: Space

    def draw(self, rng: Random) -> dict[str, Value]:
        """A value for each decision that is there; those of chunks that differ in their bits are alike."""
        found: dict[str, Value] = {}
        seed = rng.random()
        for d in self.space.decisions:
            mine = Random(f"{seed} {d.path.rpartition('].')[2]}")
            if (values := list(self.allowed(d, found))) and evaluate(d.guard, found) is True:
                found[d.path] = mine.choice(values)
        return found

    @staticmethod
    def allowed(d: Decision, design: Design) -> Iterator[Value]:
        for k, value in enumerate(d.values):
            if d.allowed is None or evaluate(d.allowed[k], design) is True:
                yield value

    def better(self, design: Design, names: Sequence[str], lower: bool, rng: Random) -> dict[str, Value]:
        """The design with some of the named parameters moved one way."""
        changed = dict(design)
        mine = [d for d in self.space.decisions if d.path in design and d.path.startswith(tuple(names))]
        for d in rng.sample(mine, rng.randint(1, len(mine))):
            there = list(self.allowed(d, design))
            k = there.index(design[d.path])
            if ahead := there[:k] if lower else there[k + 1 :]:
                changed[d.path] = rng.choice(ahead)
        return changed


def machine(name: str, rng: Random, more: str = "") -> Machine:
    text = (
        f"space physics\nimport std.works\nimport std.learn\nimport std.{name.split()[0]}\n{more}\n"
        f"network net {{\n{layers(name, rng)}\n}}\n{SWEPT.get(name, BITS)}\nengine = {ENGINES[name]}\n"
    )
    reporter = Reporter()
    works = ("conv", "dwconv", "matmul", "add", "propagate", "edge_softmax")
    closely = Closely({f"net.{w}.{w}{lowered}": () for w in works for lowered in ("", ".matmul", ".elementwise")})
    compiled = compile_loaded(load_text(text, "physics.cospace", reporter, STANDARD), {}, reporter, None, closely)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return Machine(compiled.space)


def some_mapping(problem: MapProblem, design: Design, rng: Random) -> dict[str, Value] | None:
    """A mapping that fits, drawn map after map; None where none does."""
    last = {
        id(r): max((i for i, m in enumerate(problem.maps) if m.path in r.free), default=-1)
        for r in problem.requirements
    }

    def extend(found: dict[str, Value], i: int) -> dict[str, Value] | None:
        at = {**design, **found}
        if not all(evaluate(r, at) is True for r in problem.requirements if last[id(r)] == i - 1):
            return None
        if i == len(problem.maps):
            return found
        m = problem.maps[i]
        if evaluate(m.guard, at) is not True:
            return extend(found, i + 1)
        there = [v for k, v in enumerate(m.values) if m.allowed is None or evaluate(m.allowed[k], at) is True]
        for value in rng.sample(there, len(there)):
            if (whole := extend({**found, m.path: value}, i + 1)) is not None:
                return whole
        return None

    return extend({}, 0)


def fits(problem: MapProblem, design: Design, mapping: Mapping[str, Value]) -> bool:
    at = {**design, **mapping}
    live = all((evaluate(m.guard, at) is True) == (m.path in mapping) for m in problem.maps)
    among = all(
        m.allowed is None or evaluate(m.allowed[m.values.index(mapping[m.path])], at) is True
        for m in problem.maps
        if m.path in mapping
    )
    return live and among and all(evaluate(r, at) is True for r in problem.requirements)


def figures(
    placement: Placement, design: Design, mapping: Mapping[str, Value], names: Sequence[str]
) -> dict[str, Bounds]:
    """The quantities of these names at a mapping, as bounds."""
    found = {}
    at = {**design, **mapping}
    own = {m.path for m in placement.problem.maps}
    for name, there, e in (*((n, None, q) for n, q in placement.quantities), *placement.details):
        if name.rpartition(".")[2] in names and (there is None or evaluate(_inner(there, own), at) is True):
            found[name] = _bounds(evaluate(_inner(e, own), at))
    return found


def _bounds(value: Result) -> Bounds:
    if isinstance(value, Enclosure):
        return value.low, value.high
    assert isinstance(value, Fraction)
    return value, value


def _inner(e: Expr, own: set[str]) -> Expr:
    """At a mapping that is given, what is solved for otherwise."""
    return e.args[0] if e.op == "solve" and {m.path for m in e.payload.maps} <= own else e  # type: ignore[union-attr]


def compared(
    name: str, names: Sequence[str], lower: bool, wanted: Sequence[str], trials: int, seed: int, more: str = ""
) -> Iterator[tuple[str, Bounds, Bounds]]:
    """Quantities at a fixed mapping, before and after some parameters moved for the better. A mapping still fits."""
    rng = Random(seed)
    for _ in range(1 if name == FOLDED else 4):  # its mappings are looked for longer
        m = machine(name, rng, more)
        for _ in range(trials):
            design = m.draw(rng)
            changed = m.better(design, names, lower, rng)
            before, after = ({s.work.path: s.placement for s in served(m.space, d)} for d in (design, changed))
            assert before.keys() == after.keys()
            for path, p in before.items():
                mapping = some_mapping(p.problem, design, rng)
                if mapping is None:
                    continue
                assert fits(after[path].problem, changed, mapping), (path, design, changed, mapping)
                old, new = (figures(q, d, mapping, wanted) for q, d in ((p, design), (after[path], changed)))
                for quantity in old.keys() & new.keys():
                    yield f"{path} {quantity}", old[quantity], new[quantity]


def tally(found: Iterator[tuple[str, Bounds, Bounds]]) -> tuple[int, int, list[str]]:
    """Comparisons, those in which a quantity is surely less afterwards, and the names of what is surely more."""
    seen, gained, lost = 0, 0, []
    for name, old, new in found:
        seen, gained = seen + 1, gained + (new[1] < old[0])
        lost += [name] if new[0] > old[1] else []
    return seen, gained, lost


@pytest.mark.parametrize("name", sorted(BANDWIDTH))
def test_more_bandwidth_never_takes_more_cycles(name: str) -> None:
    seen, gained, lost = tally(compared(name, BANDWIDTH[name], False, ("cycles", "seconds", "loading"), 15, 1))
    assert seen > 100 and gained > 20 and not lost


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_fewer_bits_never_take_more(name: str) -> None:
    wanted = ("energy", "cycles", "seconds", "dsp", "bram", *MOVED)
    seen, gained, lost = tally(compared(name, WIDTHS, True, wanted, 15, 2))
    assert seen > 100 and gained > 40 and not lost


@pytest.mark.parametrize("name", sorted(BUFFER))
def test_a_larger_buffer_keeps_every_mapping_and_moves_no_more(name: str) -> None:
    """Nor does it take more energy, where an access costs the same at any size."""
    seen, _, lost = tally(compared(name, BUFFER[name], False, ("energy", "cycles", *MOVED), 15, 3))
    assert seen > 100 and not lost


def test_what_does_not_fit_on_the_chip_is_moved_no_more_where_more_of_it_fits() -> None:
    _, gained, lost = tally(compared("gnn_engine", BUFFER["gnn_engine"], False, ("spilled", "traffic"), 60, 4))
    assert gained and not lost


@pytest.mark.parametrize("name", sorted(BUFFER.keys() - {FOLDED}))
def test_at_a_node_a_larger_buffer_moves_no_more_and_costs_more_an_access(name: str) -> None:
    """There the law of energy rightly fails at a fixed mapping: a longer wire is charged for what did not need it."""
    node = 'import std.energy(node = "16nm", dram_kind = "hbm2") as tech'
    _, _, lost = tally(compared(name, BUFFER[name], False, ("energy", "cycles", *MOVED), 10, 5, node))
    assert lost and all(quantity.endswith("energy") for quantity in lost)
    _, gained, lost = tally(compared(name, WIDTHS, True, ("energy", *MOVED), 10, 6, node))
    assert gained > 50 and not lost


FAVOURED = [
    *((name, names, False) for name, names in (*BANDWIDTH.items(), *BUFFER.items()) if name != FOLDED),
    *((name, WIDTHS, True) for name in ENGINES if name not in ("fpga_chunks", FOLDED)),
]


def solved(trials: int, seed: int) -> Iterator[tuple[str, Bounds, Bounds]]:
    """What a rule minimises (`goal`), energy and cycles at the solved mapping, before and after."""
    rng = Random(seed)
    for name, names, lower in FAVOURED:
        m = machine(name, rng)
        for _ in range(trials):
            design = m.draw(rng)
            changed = m.better(design, names, lower, rng)
            for s in served(m.space, design):
                p = s.placement
                if not p.problem.maps or isinstance(mapping := solve_maps(p.problem, design), Undefined | Unknown):
                    continue
                other = solve_maps(p.problem, changed)
                assert isinstance(other, dict), "where one fitted, one fits"
                old, new = (
                    figures(p, d, at, ("energy", "cycles"))
                    | {"goal": _bounds(evaluate(p.problem.goals[0], {**d, **at}))}
                    for d, at in ((design, mapping), (changed, other))
                )
                for quantity in old:
                    yield f"{name} {s.work.path} {quantity}", old[quantity], new[quantity]


def test_a_solved_mapping_gains_in_what_is_minimised_and_in_nothing_else() -> None:
    _, gained, lost = tally(solved(4, 14))
    assert gained > 50
    assert not [name for name in lost if name.endswith(" goal")]
    assert lost, "energy or cycles alone may be more"
