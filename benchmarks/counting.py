"""Counts, per-value counts and samples of the benchmark spaces: what they cost, in seconds of one core.

python benchmarks/counting.py [SPACE ...]
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

SPACES = Path(__file__).parent / "spaces"
SAMPLES = 1 << 19
LARGE = 300
"""A space of more decisions than this is sampled less, and its count told by its magnitude."""
RAW = 1_000_000
"""Raw designs that the exact count is compared with."""


def measure(name: str) -> dict[str, object]:
    """Seconds, MiB and answers of one space."""
    from cospace.compiler.counting.count import Limits, count
    from cospace.compiler.counting.values import per_value_counts
    from cospace.compiler.driver import compile_file
    from cospace.compiler.sampling.estimate import estimate
    from cospace.compiler.sampling.sample import Sampler, Unsampled

    space = compile_file(SPACES / f"{name}.cospace").space
    assert space is not None
    said: dict[str, object] = {}
    start, used = time.perf_counter(), time.process_time()
    found = count(space)
    large = len(space.decisions) > LARGE
    tell = (lambda n: f"10^{math.log10(n):.4f}") if large else str
    assert found.raw is not None and found.bounds[1] is not None
    said["raw"] = tell(found.raw)
    low, high = (tell(n) for n in found.bounds)
    said["count"] = f"exactly {low}" if found.exact else f"between {low} and {high}"
    said["count, s"] = round(time.perf_counter() - start, 2)
    said["count, s of one core"] = round(time.process_time() - used, 2)
    said["count, peak MiB"] = peak()
    start = time.process_time()
    low, high = count(space, limits=Limits(combinations=1 << 20)).bounds
    if not low or not high:  # what is counted point by point is counted exactly, or not at all
        start = time.process_time()
        low, high = count(space).bounds
    said["proved bounds, s"] = round(time.process_time() - start, 2)
    said["upper over lower bound"] = round(high / low, 4) if high and low else None
    start = time.process_time()
    kept = per_value_counts(space)
    said["value counts, s"] = round(time.process_time() - start, 2)
    said["dead"] = [f"{c.path} = {space.decision(c.path).values[k]}" for c in kept or () for k in c.dead]
    try:
        sampler = Sampler(space)
        sampler.sample(1)
        many = SAMPLES >> 1 if large else SAMPLES
        said["samples/s, each checked anew"] = rate(sampler.designs, many)
        said["and written out"] = rate(sampler.sample, many >> 2 if large else many)
        said["unchecked"] = rate(sampler.draw, many)
        said["accepted"] = round(sampler.acceptance, 3)
    except Unsampled as stop:
        said["samples/s, each checked anew"] = stop.reason
    if found.feasible:
        share = float(Fraction(found.feasible, found.raw))
        met = estimate(space, RAW).met
        off = (met - RAW * share) / math.sqrt(RAW * share * (1 - share))
        said["of 10^6 raw samples feasible"] = f"{met}, {off:+.2f} sigma from the count's {RAW * share:.1f}"
    said["peak, MiB"] = peak()
    return said


def rate(draw: Callable[[int], object], many: int) -> int:
    """Designs a second of processor time: the median of five batches, after one that makes room."""
    seconds = []
    for _ in range(6):
        start = time.process_time()
        draw(many)
        seconds.append(time.process_time() - start)
    return round(many / statistics.median(seconds[1:]))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(json.dumps(measure(sys.argv[2])))
        return
    for name in sys.argv[1:] or sorted(f.stem for f in SPACES.glob("*.cospace")):
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        print(name)
        for what, value in json.loads(done.stdout).items():
            print(f"  {what:32}{value}")


if __name__ == "__main__":
    main()
