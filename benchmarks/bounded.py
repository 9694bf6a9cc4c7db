"""How long `check` and `count` take of a shipped spec with one bound more, as a user adds it to a text at hand.

For each objective and each quantity of an accelerator that designs differ in, the spec is taken with a requirement
that half of a few hundred feasible designs meet, with one that few meet, and with one that none does. Prints seconds
of processor time of fresh processes, start included, and what each said.

    python benchmarks/bounded.py [SPEC ...] [--most 60] [--designs 300] [--only loose,tight,none]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from cospace.compiler.driver import compile_file
from cospace.compiler.exact import exact
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.graph import TRUE
from cospace.compiler.space.model import Space
from cospace.compiler.space.units import natural_unit

SPECS = Path(__file__).resolve().parent.parent / "specs"
KINDS = ("loose", "tight", "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=sorted(p.stem for p in SPECS.glob("*.cospace")))
    parser.add_argument("--most", type=int, default=60, help="seconds after which a process is stopped")
    parser.add_argument("--designs", type=int, default=300)
    parser.add_argument("--only", default=",".join(KINDS))
    options = parser.parse_args()
    worst = 0.0
    for name in options.specs:
        source = SPECS / f"{name}.cospace"
        space = compile_file(source).space
        assert space is not None
        print(f"{name:46} check  {run('check', source, options.most)[1]}")
        for kind, bound in bounds(space, options.designs):
            if kind not in options.only.split(","):
                continue
            with tempfile.TemporaryDirectory() as folder:
                for beside in SPECS.glob("*.cospace"):
                    (Path(folder) / beside.name).write_text(beside.read_text())
                spec = Path(folder) / source.name
                spec.write_text(f"{source.read_text()}\nrequire {bound}\n")
                checked, said = run("check", spec, options.most)
                counted, number = run("count", spec, options.most)
            worst = max(worst, checked, counted)
            print(f"  {kind:6} {bound:70} check {said:28} count {number}", flush=True)
    print(f"worst {worst:.1f} s")


def bounds(space: Space, designs: int) -> Iterator[tuple[str, str]]:
    """Requirements as text, each with its kind: what half of some designs meet, what few do, what none does."""
    named = {o.text: o.value for o in space.objectives if not o.measured}
    for a in space.accelerators:
        named |= {f"{a.path}.{name}": value for name, value in a.quantities if a.guard is TRUE}
    drawn = [decode(space.decisions, row) for row in Sampler(space).sample(designs)]
    values = [exact.evaluate_all(list(named.values()), design) for design in drawn]
    for (text, expr), column in zip(named.items(), zip(*values, strict=True), strict=True):
        met = sorted({v for v in column if isinstance(v, Fraction)})
        if len(met) > 1:
            ordered = sorted(v for v in column if isinstance(v, Fraction))
            for kind, at in zip(KINDS, (len(ordered) // 2, len(ordered) // 100, 0), strict=True):
                value = ordered[at] / (1000 if kind == "none" else 1)
                yield kind, f"{text} <= {_written(value, expr.type.unit)}"


def _written(value: Fraction, dimension: Dimension) -> str:
    """A quantity as the language reads it."""
    unit, scale = natural_unit(value, dimension)
    units = [f"1 {u}" for u in unit.replace("·", " ").split()]
    return " * ".join([f"{float(value / scale):.4g}", *units])


def run(verb: str, spec: Path, most: int) -> tuple[float, str]:
    """Seconds of processor time of a fresh process without a cache, and what it said in a word."""
    with tempfile.TemporaryDirectory() as cache:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "cospace", verb, str(spec), "--json"]
        environment = {**os.environ, "COSPACE_CACHE": cache}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, preexec_fn=lambda: _limit(most)
        )
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    if seconds > most:
        return seconds, f"> {most} s"
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return seconds, f"{seconds:.1f} s {(done.stderr or done.stdout)[-200:]!r}"
    if verb == "check":
        lost = [s for s in told["skipped"] if not s.startswith("redundant requirements")]
        word = {True: "fine", False: "refused", None: "unknown"}[told["ok"]]
        return seconds, f"{seconds:.1f} s {' '.join([word, *lost])}"
    if told.get("exact"):
        return seconds, f"{seconds:.1f} s {_short(told['feasible'])}"
    return seconds, f"{seconds:.1f} s {' to '.join(map(_short, told['bounds']))} {told.get('why') or told.get('limit')}"


def _limit(seconds: int) -> None:
    """Of processor time, for the process that is started."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds + 1, seconds + 2))


def _short(number: str) -> str:
    return number if len(number) < 8 else f"{number[0]}.{number[1:4]}e{len(number) - 1}"


if __name__ == "__main__":
    main()
