"""An Eyeriss as it was built beside `std.loop_nest` set up as one: AlexNet's convolutions, four images at a time.

Published: Chen et al., JSSC 52(1), 2017, table V (ISSCC 2016, figure 14.5.6). Processing in ms, power of the chip in
mW and elements at work stand alike in two copies of the table (github.com/cucapra/fodlam, github.com/stanford-
mast/nn_dataflow), and the layers' times add up to its total. MB off the chip stand by layer in the first copy alone;
they add up to its total, which is what the paper's abstract says: 0.0029 accesses of 16 bit a multiplication.

Each layer's mapping is solved by the rule; the array is the chip's, sets of a filter's rows. The rule leaves out what
starts and ends a pass; how the chip codes the zeros of what it moves off, and skips their multiplications; that a
window slides in the registers, and that these hold more than one channel, so that it counts more of the buffer's
traffic than there is; control, clocks and leakage. Energies are those of `std.energy`'s `eyeriss` at 16 bit, of no
chip.

    python benchmarks/silicon.py
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import exp, log
from pathlib import Path
from typing import Any

from cospace.compiler.driver import compile_file
from cospace.compiler.mapping import describe, in_base

SPEC = Path(__file__).resolve().parent / "spaces" / "eyeriss.cospace"
IMAGES, CLOCK = 4, 200e6
PUBLISHED = {  # processing in ms, off the chip in MB, power in mW, elements at work
    "conv1": (16.5, 5.0, 332, 154),
    "conv2": (39.2, 4.0, 288, 135),
    "conv3": (21.8, 3.0, 266, 156),
    "conv4": (16.0, 2.1, 235, 156),
    "conv5": (10.0, 1.3, 236, 156),
}
NAMES = ("computing", "off", "a", "b", "sets")
FIGURES = ("ms", "MB off", "mW", "elements")


def modelled() -> dict[str, tuple[float, float, float, float]]:
    """The same of our rule, and of the same batch."""
    space = compile_file(SPEC).space
    assert space is not None
    record = describe(space, dict(space.references[0].design))
    return {layer["works"][0].split("[")[1].split("]")[0]: _figures(layer) for layer in record["layers"]}


def _figures(layer: Mapping[str, Any]) -> tuple[float, float, float, float]:
    computing, off, a, b, sets = (in_base(layer["quantities"][f"nest.{q}"]) for q in NAMES)
    times = IMAGES * float(Fraction(str(layer["times"])))
    seconds = times * computing / CLOCK
    on_chip = times * sum(in_base(f) for part, f in layer["splits"]["energy"].items() if part != "memory")
    return seconds * 1e3, times * off / 8e6, on_chip / seconds * 1e3, a * b * sets


def main() -> None:
    ours = modelled()
    print("AlexNet on an Eyeriss, 4 images: published, std.loop_nest, and how far off it is")
    print(f"{'':<7}" + "".join(f"{name:>28}" for name in FIGURES))
    for layer, published in PUBLISHED.items():
        cells = (f"{p:>9.4g}{o:>9.4g}{o / p - 1:>+10.1%}" for p, o in zip(published, ours[layer], strict=True))
        print(f"{layer:<7}" + "".join(cells))
    total = [[sum(row[k] for row in rows.values()) for k in (0, 1)] for rows in (PUBLISHED, ours)]
    cells = (f"{p:>9.4g}{o:>9.4g}{o / p - 1:>+10.1%}" for p, o in zip(*total, strict=True))
    print(f"{'total':<7}" + "".join(cells))
    means = (exp(sum(log(ours[x][k] / PUBLISHED[x][k]) for x in PUBLISHED) / len(PUBLISHED)) for k in range(4))
    print("ratio, geometric mean: " + ", ".join(f"{m:.2f} {name}" for m, name in zip(means, FIGURES, strict=True)))


if __name__ == "__main__":
    main()
