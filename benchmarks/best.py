"""Proved optima and exact fronts of spaces that nobody can list: what `cospace best` takes for them.

Auto-NBA's example network on boards of five sizes: the accelerator with the least bottleneck, against the published
optima. All 9^22 networks of the FBNet space: the front of latency against multiply-accumulates kept, by the FPGA's rule
at both image sizes, and with `--data FOLDER` on each device of its `fbnet_lut.json` at both.

    python benchmarks/best.py [--data FOLDER]

Seconds are the processor's, in one process, without its imports and without compiling the text; least of three runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
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
DEPTHS, WIDTHS = (1, 4, 4, 4, 4, 4, 1), (16, 24, 32, 64, 112, 184, 352)
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


def text_of_front() -> str:
    """The shipped spec with multiply-accumulates as an objective, and no limit on latency."""
    text = (SPECS / "hw_nas_bench_fbnet.cospace").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("require latency")]
    return "\n".join([*kept, "maximize sum(net.works.macs)", ""])


def tables(data: Path, folder: Path) -> list[tuple[str, bool]]:
    """The device tables of `data` in the spec's form, one name for each device and size."""
    found = json.loads((data / "fbnet_lut.json").read_text(encoding="utf-8"))
    blocks: list[list[object]] = [["device", "block", "op", "latency"]]
    rest: list[list[object]] = [["device", "latency"]]
    names = []
    for device, costs in found["tables"].items():
        for setting in found["datasets"].values():
            large = setting["input"] == 224
            name = f"{device}_{setting['input']}"
            size, cin, values = setting["input"] // setting["stem_stride"], 16, costs["latency"]
            for n, (stage, i) in enumerate(BLOCKS, 1):
                out, stride = WIDTHS[stage - 1], setting["strides"][stage - 1] if i == 1 else 1
                for op in found["ops"]:
                    blocks.append([name, n, op, repr(values[key(op, size, cin, out, stride)])])
                size, cin = size // stride, out
            head = setting["header_channels"]
            keys = (
                f"ConvNorm_H{setting['input']}_W{setting['input']}_Cin3_Cout16_kernel3_stride{setting['stem_stride']}_group1",
                f"ConvNorm_H{size}_W{size}_Cin352_Cout{head}_kernel1_stride1_group1",
                f"AvgP_H{size}_W{size}_Cin{head}_Cout{head}_kernel{size}_stride1",
                f"FC_Cin{head}_Cout{setting['classes']}",
            )
            rest.append([name, repr(sum(values[k] for k in keys))])
            names.append((name, large))
    for name, lines in (("fbnet_blocks.csv", blocks), ("fbnet_rest.csv", rest)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)
    return names


def key(op: str, size: int, cin: int, out: int, stride: int) -> str:
    shape = f"_H{size}_W{size}_Cin{cin}_Cout{out}"
    if op == "skip":
        return f"Skip{shape}_stride{stride}"
    kernel, expansion, *group = (part[1:] for part in op.split("_"))
    return f"ConvBlock{shape}_exp{expansion}_kernel{kernel}_stride{stride}_group{group[0] if group else 1}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with fbnet_lut.json")
    options = parser.parse_args()
    print("| board | unrolling | cycles of the slowest chunk | published | proved | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for settings, frozen, published in BOARDS:
        seconds, cycles, proved = board(settings, frozen)
        said = ", ".join(f"{k} = {v}" for k, v in settings.items()) or "as in the text"
        print(f"| {said} | {'fixed' if frozen else 'free'} | {float(cycles):,} | {float(published):,} | "
              f"{'yes' if proved and cycles == Fraction(published) else 'NO'} | {seconds:.2f} |")  # fmt: skip
    print("\n| table | points of the front | proved | seconds |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        asked = [("rule", False), ("rule", True)]
        asked += tables(options.data, Path(folder)) if options.data else []
        spec = Path(folder) / "front.cospace"
        spec.write_text(text_of_front(), encoding="utf-8")
        for device, large in asked:
            space = compiled(compile_file(spec, {"device": device, "large": str(large).lower()}))
            seconds, found = timed(lambda space=space: best(space))  # type: ignore[misc]
            proved = "yes" if found.certified else "NO"
            print(f"| {device}{' (224 pixels)' if large else ''} | {len(found.designs):,} | {proved} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
