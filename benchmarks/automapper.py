"""Mappings solved for each layer and each bitwidth, against four fixed dataflows whose tiles are mapped as well, and
against the mappings of 8 bit at every bitwidth: AutoMapper's comparison, on ResNet-18 and a network of InstantNet's.

`spaces/dataflows.cospace` says networks and hardware, `std.loop_nest` the dataflows. Every mapping is the least product
of its layer's energy and cycles, exactly; the style of execution is the proved best of 226. A network's energy-delay
is a product of sums, which such mappings need not minimise: what no choice of mappings can be better than is printed
beside (by Cauchy and Schwarz, no product of sums is less than the square of the sum of the roots of layers' products).

The mappings of 8 bit fit at 4; at more bits those that don't are counted, with what they lack. Their layers then keep
the order of their loops and what is spread over the array, with tiles mapped anew; or are mapped freely, where no tiles
fit that either.

    python benchmarks/automapper.py [--quick] [--models resnet18 instantnet] [--bits 4 8 12 16 32] [--size 32]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import exp, isqrt, log
from pathlib import Path
from typing import Any

import attrs
from cospace.compiler.driver import compile_file
from cospace.compiler.elaborate.given import Given
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.mapping import describe, in_base, served, unmet, with_mappings
from cospace.compiler.mapping_file import read_given
from cospace.compiler.mapping_missing import sentence
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Design, Space

SPEC = Path(__file__).resolve().parent / "spaces" / "dataflows.cospace"
FREE = "free"
FIXED = ("weight_stationary", "output_stationary", "input_stationary", "row_stationary")
REUSED = "of 8 bit"
ORDER = ("far_inner", "near_inner", "spread")
"""Of a mapping, what is no tile."""
BITS = (4, 8, 12, 16, 32)
PUBLISHED = """\
Published (InstantNet, DAC 2021, its figure of accuracy over energy-delay): whole systems, network and mapping together,
against two baselines. CIFAR-10: -73.68 % at 4 bit, -50.46 % at 8 bit against the baseline's 12. CIFAR-100: -67.00 % at
4 bit, -84.67 % at 8 bit against the baseline's 32. Here both sides run one network at one bitwidth: what is left is the
mapping's own share. All is modelled."""


@attrs.frozen
class Cost:
    """A network under one way of mapping, in base units; layers: (energy, cycles, times) of each work."""

    energy: Fraction
    latency: Fraction
    layers: Mapping[str, tuple[Fraction, Fraction, Fraction]]

    @property
    def product(self) -> Fraction:
        return self.energy * self.latency


def space_of(model: str, bits: int, dataflow: str = FREE, **settings: str) -> Space:
    asked = {"model": model, "bits": f"{bits} bit", "dataflow": dataflow} | settings
    compiled = compile_file(SPEC, asked)
    if compiled.space is None:
        raise SystemExit("\n".join(d.message for d in compiled.diagnostics))
    return compiled.space


def cost(space: Space, design: Design) -> Cost:
    quantities = dict(space.accelerators[0].quantities)
    layers = {}
    for s in served(space, design):
        own = dict(s.placement.quantities)
        layers[s.work.path] = (*(_number(own[q], design) for q in ("energy", "cycles")), _number(s.work.times, design))
    return Cost(_number(quantities["energy"], design), _number(quantities["latency"], design), layers)


def solved(space: Space) -> tuple[Design, Cost] | None:
    """The best style of execution with its solved mappings, None where some layer has no mapping."""
    found = best(space)
    if not found.designs:
        return None
    if not found.certified:
        raise SystemExit("the best style of execution was not proved")
    return found.designs[0], cost(space, found.designs[0])


def least(of: Cost) -> Fraction:
    """What no mappings of these layers can have as their network's energy-delay, in base units, rounded down."""
    clock = sum(c * n for _, c, n in of.layers.values()) / of.latency
    return sum((_root(e * c) * n for e, c, n in of.layers.values()), Fraction(0)) ** 2 / clock


def _root(x: Fraction) -> Fraction:
    """A square root, rounded down to 30 digits behind the largest."""
    scale = 10**40
    return Fraction(isqrt(x.numerator * x.denominator * scale**2), x.denominator * scale)


def _number(expr: Expr, design: Design) -> Fraction:
    value = evaluate(expr, design)
    assert isinstance(value, Fraction)
    return value


# ---- the mappings of one bitwidth at another


@attrs.frozen
class Reused:
    """broken: works whose mapping does not fit, with what it lacks; anew: those of them that are mapped freely."""

    cost: Cost
    broken: Sequence[Mapping[str, Any]]
    anew: int


def reused(space: Space, design: Design, given: Mapping[str, Sequence[Given]]) -> Reused:
    """The mappings `given` where they fit, else their order and spread with tiles solved anew, else all anew."""
    mapped = with_mappings(space, given)
    broken = unmet(mapped, design, given)
    if not broken:
        return Reused(cost(mapped, design), (), 0)
    lost = {b["path"] for b in broken}
    tiles = {p: [_order(g) for g in found] if p in lost else found for p, found in given.items()}
    mapped = with_mappings(space, tiles)
    anew = {b["path"] for b in unmet(mapped, design, tiles)}
    if anew:
        mapped = with_mappings(space, {p: found for p, found in tiles.items() if p not in anew})
    return Reused(cost(mapped, design), broken, len(anew))


def _order(given: Given) -> Given:
    return attrs.evolve(given, maps={k: v for k, v in given.maps.items() if k.rpartition(".")[2] in ORDER})


# ---- as text


def compare(model: str, bits: Sequence[int], settings: Mapping[str, str]) -> dict[int, dict[str, Cost]]:
    """Print a network's table; the costs of each way at each bitwidth."""
    base = space_of(model, 8, **settings)
    start = solved(base)
    if start is None:
        tell_missing(model, base)
        return {}
    design, eight = start
    given = read_given(json.loads(json.dumps(describe(base, design))), "the mapping of 8 bit")
    kinds: dict[str, set[str]] = {}
    found: dict[int, dict[str, Cost]] = {}
    table = [
        f"{'bits':>4} {'mapping':<17} {'energy, uJ':>11} {'latency, ms':>11} {'energy-delay, uJ s':>18} {'to free':>8}"
    ]
    notes = []
    for b in bits:
        space = base if b == 8 else space_of(model, b, **settings)
        for layer in describe(space, design)["layers"]:
            for path in layer["works"]:
                kinds.setdefault(path, set()).add(str(layer["maps"]))
        ways = {name: solved(space_of(model, b, name, **settings)) for name in (FREE, *FIXED)}
        costs = {name: way[1] for name, way in ways.items() if way is not None}
        again = reused(space, design, given)
        found[b] = costs | {REUSED: again.cost}
        for name, c in found[b].items():
            hold_against(costs[FREE], c, f"{name} at {b} bit")
            table.append(_line(b, name, c, costs[FREE]))
        bound = least(costs[FREE])
        table.append(f"{b:>4} {'none is below':<29} {'':>11} {_micro(bound):>18} {_ratio(bound, costs[FREE].product)}")
        notes += _lacks(b, again)
    changed = sum(len(k) > 1 for k in kinds.values())
    print(f"\n{model}: {len(eight.layers)} works, of which {changed} are mapped otherwise at some bitwidth")
    print("\n".join([*table, *notes]))
    return found


def hold_against(free: Cost, other: Cost, said: str) -> None:
    """Nothing may be better than what was solved, in any layer."""
    for path, (energy, cycles, _) in other.layers.items():
        if energy * cycles < free.layers[path][0] * free.layers[path][1]:
            raise SystemExit(f"{path}: the mapping {said} is better than the free one, which is wrong")


def summarise(model: str, found: Mapping[int, Mapping[str, Cost]]) -> None:
    """What the free mapping takes off each other way's energy-delay, over all bitwidths that differ."""
    print(f"{model}: energy-delay of the free mapping against")
    for name in (*FIXED, REUSED):
        off = [1 - float(c[FREE].product / c[name].product) for b, c in found.items() if name != REUSED or b != 8]
        if not off:
            continue
        mean = 1 - exp(sum(log(1 - x) for x in off) / len(off))
        print(f"  {name:<18} {_percent(-mean)} on (geometric) average, {_percent(-min(off))} to {_percent(-max(off))}")


def tell_missing(model: str, space: Space) -> None:
    """The layers that no mapping fits, with what the nearest lacks, one layer after another."""
    style = space.decision("chip.style")
    print(f"\n{model}: some layers have no mapping, whatever the dataflow is")
    for layer in describe(space, {style.path: style.values[0]})["layers"]:
        if layer["missing"] is not None:
            print(f"  {', '.join(layer['works'])}: {'; '.join(map(sentence, layer['missing']['missing']))}")


def _line(bits: int, name: str, c: Cost, free: Cost) -> str:
    energy, latency = float(c.energy) * 1e6, float(c.latency) * 1e3
    ratio = _ratio(c.product, free.product)
    return f"{bits:>4} {name:<17} {energy:>11,.1f} {latency:>11.3f} {_micro(c.product):>18} {ratio}"


def _lacks(bits: int, again: Reused) -> list[str]:
    """Which mappings of 8 bit do not fit, by what they lack: how many, and the one that lacks the most."""
    if not again.broken:
        return []
    worst: dict[str, list[tuple[float, str, str]]] = {}
    for b in again.broken:
        for m in b["missing"]:
            lack = in_base(m["missing"]) if m["missing"] else 0.0
            worst.setdefault(m["requirement"], []).append((lack, b["path"], sentence(m)))
    freely = f", {again.anew} of them freely" if again.anew else ""
    lines = [
        f"{bits} bit: {len(again.broken)} of the mappings of 8 bit do not fit; their tiles are mapped anew{freely}"
    ]
    for of in worst.values():
        _, path, said = max(of)
        lines.append(f"  {len(of)} of them, most of all {path}: {said}")
    return lines


def _ratio(x: Fraction, free: Fraction) -> str:
    return f"{float(x / free):>7.3f}x"


def _micro(x: Fraction) -> str:
    return f"{float(x) * 1e6:,.2f}"


def _percent(x: float) -> str:
    return f"{x:+.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet18", "instantnet"])
    parser.add_argument("--bits", nargs="+", type=int, default=list(BITS))
    parser.add_argument("--size", type=int, default=32, help="rows of an image")
    parser.add_argument("--ends", type=int, default=32, help="bits of the first and the last layers")
    parser.add_argument("--quick", action="store_true", help="4 and 32 bit of ResNet-18 alone")
    given = parser.parse_args()
    if given.quick:
        given.models, given.bits = ["resnet18"], [4, 32]
    begin = time.perf_counter()
    settings: dict[str, Any] = {"size": str(given.size), "ends": f"{given.ends} bit"}
    found = {model: compare(model, given.bits, settings) for model in given.models}
    print()
    for model, costs in found.items():
        if costs:
            summarise(model, costs)
    print(f"\n{PUBLISHED}\n\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
