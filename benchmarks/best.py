"""Proved optima of spaces that nobody can list: what `cospace best` takes for them.

Auto-NBA's example network on boards of five sizes: the accelerator with the least bottleneck, against the published
optima. Exact fronts have a benchmark of their own, `fronts.py`.

    python benchmarks/best.py

Seconds are the processor's, in one process, without its imports and without compiling the text; least of three runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.engines.exhaustive import Best
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

SPECS = Path(__file__).resolve().parent.parent / "specs"
EXAMPLE = (
    "k5_e6 6, k5_e6 8, k3_e1 6, k5_e3 6, k5_e3 4, k5_e6 8, k5_e1_g2 6, k5_e1 6, k5_e6 6, k5_e6 8, k5_e3 6, k5_e6 8, "
    "k5_e1_g2 8, k3_e6 8, k5_e6 6, k3_e3 6, k5_e6 6, k5_e6 6, k5_e3 6, k5_e6 6, k5_e3 6, k5_e6 6"
)
"""Operator and bits of each block."""
DEPTHS = (1, 4, 4, 4, 4, 4, 1)
BLOCKS = [(stage, i) for stage, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]
CLOCK = 200_000_000
BOARDS: tuple[tuple[dict[str, str], bool, str], ...] = (
    ({"sixth": "192"}, True, "1131204"), ({"sixth": "192"}, False, "490968"),
    ({}, True, "1116102"), ({}, False, "474849"),
    ({"dsps": "200", "brams": "250"}, False, "581275.5"), ({"dsps": "120", "brams": "200"}, False, "794480"),
    ({"dsps": "60", "brams": "150"}, False, "1126227"),
)  # fmt: skip
"""Settings, whether how each chunk is unrolled is fixed, the published cycles of the slowest chunk."""


def compiled(found: Any) -> Space:
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    space: Space = found.space
    return space


def timed(work: Callable[[], Best]) -> tuple[float, Best]:
    least, found = float("inf"), None
    for _ in range(3):
        begin = time.process_time()
        found = work()
        least = min(least, time.process_time() - begin)
    assert found is not None
    return least, found


def with_network(space: Space, frozen: bool) -> dict[str, Value]:
    """The example network's values, and how each chunk is unrolled where that is `frozen`."""
    fixed: dict[str, Value] = {}
    for (stage, i), words in zip(BLOCKS, EXAMPLE.split(", "), strict=True):
        op, bits = words.split()
        fixed[f"net.fbnet_block[{stage}, {i}].op"] = Symbol(op)
        fixed[f"precision.both[net.fbnet_block[{stage}, {i}]]"] = Fraction(bits)
    for d in space.decisions:
        if frozen and d.path.endswith(".unroll"):
            fixed[d.path] = Symbol("lines" if "channelwise" in d.path else "pairs")
    return fixed


def board(settings: dict[str, str], frozen: bool) -> tuple[float, Fraction, bool]:
    """Seconds, cycles of the slowest chunk, whether these are proved."""
    space = compiled(compile_file(SPECS / "auto_nba.cospace", settings))
    fixed = with_network(space, frozen)
    seconds, found = timed(lambda: best(space, fixed))
    ((interval,),) = found.objectives
    assert isinstance(interval, Fraction)
    return seconds, interval * CLOCK, found.certified


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    print("| board | unrolling | cycles of the slowest chunk | published | proved | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for settings, frozen, published in BOARDS:
        seconds, cycles, proved = board(settings, frozen)
        said = ", ".join(f"{k} = {v}" for k, v in settings.items()) or "as in the text"
        print(f"| {said} | {'fixed' if frozen else 'free'} | {float(cycles):,} | {float(published):,} | "
              f"{'yes' if proved and cycles == Fraction(published) else 'NO'} | {seconds:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
