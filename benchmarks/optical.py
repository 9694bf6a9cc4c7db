"""The optical accelerator searched for four networks, against a fixed one, and what each half of the search gives.

The fixed design has 12 wavelengths, 12 outputs a core, four cores at 5 GHz, and one mapping for every layer: all cores
over the outputs, weights held. `mapping` searches each layer's mapping on it; `micro` the core's parameters under that
one mapping; `both` is `specs/o_has.cospace` as it stands, on a die of up to 60 mm2, and `same die` on one no larger
than the fixed design's. Energy-delay, and how many times better than the fixed one. All is modelled.

    python benchmarks/optical.py [--size 224] [--evaluations 4000] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from cospace.compiler.driver import compile_file
from cospace.compiler.engines.candidates import middle
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.search import search
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Space

SPEC = Path(__file__).resolve().parent.parent / "specs" / "o_has.cospace"
MODELS = ("alexnet", "vgg16", "resnet18", "mobilenet_v2")


def space_of(model: str, bits: int, size: int, mapped: bool, die: str = "60 mm2") -> Space:
    settings = {"die": die, "model": model, "bits": f"{bits} bit", "size": str(size), "mapped": str(mapped).lower()}
    found = compile_file(SPEC, settings)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return found.space


def at_fixed(space: Space, expr: Expr) -> float:
    """Of the fixed design, in base units."""
    value = evaluate(expr, dict(space.references[0].design))
    return float(value.middle if isinstance(value, Enclosure) else value)  # type: ignore[arg-type]


def searched(space: Space, evaluations: int, seed: int) -> tuple[float, float]:
    """The least energy-delay that was met, and the seconds it took."""
    begin = time.perf_counter()
    found = search(space, [(Climb(evaluations), None)], seed, stopped=lambda: True)
    return float(middle(found.best.objectives[0][0])), time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--evaluations", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"images of {given.size} x {given.size}, {given.evaluations:,} evaluations a search; energy-delay in uJ us")
    heads = "".join(f"{head:>10}" for head in ("mapping", "micro", "both", "same die"))
    print(f"{'network':<14}{'bits':>5}{'fixed':>14}{heads}{'both':>14}{'seconds':>9}")
    for model in MODELS:
        for bits in (4, 8):
            one = space_of(model, bits, given.size, mapped=False)
            each = space_of(model, bits, given.size, mapped=True)
            base, mapping = (at_fixed(s, s.objectives[0].value) for s in (one, each))
            micro, _ = searched(one, given.evaluations, given.seed)
            both, seconds = searched(each, given.evaluations, given.seed)
            area = dict(one.accelerators[0].quantities)["area"]
            small = space_of(model, bits, given.size, True, f"{at_fixed(one, area) * 1e12:.0f} um2")
            same, _ = searched(small, given.evaluations, given.seed)
            ratios = "".join(f"{base / value:>9.2f}x" for value in (mapping, micro, both, same))
            print(f"{model:<14}{bits:>5}{base * 1e12:>14,.0f}{ratios}{both * 1e12:>14,.0f}{seconds:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
