"""Exact fronts over all 9^22 networks of the FBNet space: what `cospace best` takes, and that it is the front.

Latency against multiply-accumulates kept, by the FPGA's rule and with `--data FOLDER` on each device of its
`fbnet_lut.json`, at images of 32 and of 224 pixels; the same with a score of each operator, a whole number, as third
goal; latency against energy, where a device has both; and with every FPGA free that fits a board
(`spaces/free_fpga.cospace`), also with the board's multipliers as third goal. Each design of a front is evaluated anew;
small cases, most blocks fixed, are compared with every design.

    python benchmarks/fronts.py [--data FOLDER] [--cases 20] [--only two|three|energy|free|board|cases]

Each row is a process of its own. Seconds are the processor's, without imports and without compiling the text, least of
three runs and the first of them; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.apart import best_apart
from cospace.compiler.engines.best import best, only_read, restrict
from cospace.compiler.engines.exhaustive import Best, conditions_of
from cospace.compiler.exact import columns, exact
from cospace.compiler.numbers.enumerate import Frame, holds_at
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.designs import encode
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Objective, Space
from device_tables import write_blocks

HERE = Path(__file__).resolve().parent
SPEC, HARDWARE = HERE.parent / "specs" / "hw_nas_bench_fbnet.cospace", HERE / "spaces" / "free_fpga.cospace"
DEVICES, SIZES = ("edgegpu", "eyeriss", "fpga", "pixel3", "raspi4"), (32, 224)
FREE = {"free": "", "board": "minimize fpga.dsp\n"}
"""Kinds of fronts with hardware free, and what their text has besides."""
SCORES = {
    "k3_e1": 1,
    "k3_e1_g2": 1,
    "k3_e3": 3,
    "k3_e6": 4,
    "k5_e1": 2,
    "k5_e1_g2": 2,
    "k5_e3": 4,
    "k5_e6": 5,
    "skip": 0,
}
"""How wide and how far a block looks, in steps: any whole number of an operator could stand here."""


def text_of(kind: str) -> str:
    """The shipped spec without its limit on latency, or the space of free hardware, with the goals of a front."""
    if kind in FREE:
        return HARDWARE.read_text(encoding="utf-8") + FREE[kind]
    text = SPEC.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("require latency")]
    if kind == "energy":
        blocks = "sum(of_block(device, i, op[i]).energy for i in 1..22)"
        return "\n".join([*lines, f"minimize of_rest(device).energy + {blocks}", ""])
    lines.append("maximize sum(net.works.macs)")
    if kind == "three":
        score = "".join(f"if o == {op} then {n} else " for op, n in SCORES.items() if n)
        lines += [f"def score(o) = {score}0", "maximize sum(score(o) for o in op)"]
    return "\n".join([*lines, ""])


def space_of(kind: str, device: str, size: int, data: Path | None) -> Space:
    large = {"large": str(size == 224).lower()}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "front.cospace"
        spec.write_text(text_of(kind), encoding="utf-8")
        if data is not None and device in DEVICES:
            write_blocks(data, Path(folder), size, [device])
        found = compile_file(spec, large if kind in FREE else {"device": device, **large})
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return found.space


# ---- one row


def row(kind: str, device: str, size: int, data: Path | None) -> dict[str, Any]:
    space = space_of(kind, device, size, data)
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        found = best(space)
        seconds.append(time.process_time() - begin)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer: dict[str, Any] = {"first": seconds[0], "seconds": min(seconds), "points": len(found.designs)}
    answer |= {"proved": found.certified, "memory": memory, "again": agrees(space, found)}
    if kind in FREE:
        frame = Frame.of(space)
        hub = [v for v, d in enumerate(space.decisions) if d.path.startswith("fpga.")]
        answer["hardware"] = len(frame.enumerate(hub, frame.clauses(space.requirements)))
        answer["used"] = len({tuple(d[space.decisions[v].path] for v in hub) for d in found.designs})
    return answer


def goals_of(space: Space) -> list[Objective]:
    return [o for o in space.objectives if is_modelled(o.value)]


def agrees(space: Space, found: Best) -> bool:
    """Whether each point is a design of the space that meets every requirement and has the values that are told."""
    goals = [o.value for o in goals_of(space)]
    encode(space.decisions, found.designs)  # raises at a value that a decision can't take
    read = sorted({p for e in (*goals, *conditions_of(space)) for p in e.free})
    at = {p: columns.column([d[p] for d in found.designs]) for p in read}
    values = columns.evaluate([*goals, *conditions_of(space)], at, len(found.designs))
    told = zip(*found.objectives, strict=True)
    same = all(bool((a == columns.column(b)).all()) for a, b in zip(values, told, strict=False))
    distinct = len(set(found.objectives)) == len(found.designs)
    return same and distinct and all(bool(numpy.all(v)) for v in values[len(goals) :])


# ---- small cases


def small_case(space: Space, seed: int, blocks: int, open_hardware: Sequence[str]) -> tuple[int, bool]:
    """With all but a few blocks fixed at random, and hardware but for what is open: designs, and whether the front by
    groups is that of every design by the reference evaluator."""
    rng = random.Random(seed)
    ops = [d.path for d in space.decisions if d.path.endswith(".op")]
    left = {*rng.sample(ops, blocks), *open_hardware}
    first: dict[str, Value] = {"fpga.outputs": Fraction(16), "fpga.inputs": Fraction(16)}
    fixed = {d.path: first.get(d.path, rng.choice(d.values)) for d in space.decisions if d.path not in left}
    inner = only_read(restrict(space, fixed))
    found = best_apart(inner)
    goals = goals_of(inner)
    signs = [1 if o.sense == "minimize" else -1 for o in goals]
    met = set()
    designs = 0
    for values in itertools.product(*(d.values for d in inner.decisions)):
        design = dict(zip((d.path for d in inner.decisions), values, strict=True))
        designs += 1
        if all(holds_at(r, design) for r in inner.requirements if is_modelled(r.value, r.guard)):
            each = exact.evaluate_all([o.value for o in goals], design)
            met.add(tuple(s * v for s, v in zip(signs, each, strict=True)))  # type: ignore[operator]
    expected = set()
    for point in sorted(met):  # whatever is as good in all stands before it
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in expected):
            expected.add(point)
    told = [tuple(s * v for s, v in zip(signs, each, strict=True)) for each in found.objectives] if found else []
    equal = found is not None and found.certified and len(told) == len(expected) and set(told) == expected
    return designs, equal


def cases(kind: str, data: Path | None, count: int) -> dict[str, Any]:
    devices = ["rule"] if data is None or kind in FREE else [*DEVICES, "rule"]
    right = most = 0
    spaces: dict[tuple[str, int], Space] = {}
    for seed in range(count):
        asked = devices[seed % len(devices)], SIZES[seed // len(devices) % 2]
        if asked not in spaces:
            spaces[asked] = space_of(kind, *asked, data)
        opened = ["fpga.square", "fpga.deep"] if kind in FREE else []
        designs, equal = small_case(spaces[asked], seed, 2 if kind in FREE else 3, opened)
        right, most = right + equal, max(most, designs)
    return {"right": right, "most": most}


# ---- all rows


def ask(*arguments: object) -> dict[str, Any]:
    """The answer of a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with fbnet_lut.json")
    parser.add_argument("--cases", type=int, default=20, help="small cases of each kind")
    parser.add_argument("--only", choices=("two", "three", "energy", "free", "board", "cases"))
    parser.add_argument("--row", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        kind, *rest = options.row
        answer = row(kind, rest[0], int(rest[1]), options.data) if rest else cases(kind, options.data, options.cases)
        print(json.dumps(answer))
        return
    data = ["--data", options.data] if options.data else []
    if not options.data:
        print("NO MEASURED DEVICES: --data FOLDER names none, so only the FPGA's rule is shown.\n")
    devices = ["rule", *(DEVICES if options.data else ())]
    wanted = [options.only] if options.only else ["two", "three", "energy", "free", "board", "cases"]
    said = {
        "two": "latency against operations kept",
        "three": "latency against operations kept against a score, a whole number",
        "energy": "latency against energy",
        "free": "latency against operations kept, hardware free",
        "board": "latency against operations kept against multipliers of the board, hardware free",
    }
    for kind in wanted:
        if kind == "cases":
            print("\n| small cases | equal to every design | designs of the largest |\n| --- | --- | --- |", flush=True)
            for inner in ("two", "three", "free", "board"):
                got = ask(*data, "--cases", options.cases, "--row", inner)
                print(f"| {said[inner]} | {got['right']} of {options.cases} | {got['most']:,} |", flush=True)
            continue
        print(f"\n| {said[kind]} | points | proved | evaluated anew | seconds | first run | MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        shown = {
            "energy": [d for d in devices if d in ("edgegpu", "eyeriss", "fpga")],
            "free": ["any"],
            "board": ["any"],
        }
        for device, size in itertools.product(shown.get(kind, devices), SIZES):
            got = ask(*data, "--row", kind, device, size)
            name = f"{got['hardware']:,} accelerators" if kind in FREE else device
            used = f" on {got['used']} accelerators" if kind in FREE else ""
            print(
                f"| {name}, {size} pixels | {got['points']:,}{used} | {'yes' if got['proved'] else 'NO'} | "
                f"{'equal' if got['again'] else 'NOT EQUAL'} | {got['seconds']:.3f} | {got['first']:.3f} | "
                f"{got['memory']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
