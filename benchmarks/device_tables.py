"""The measured devices of the two shipped spaces as the CSV files that their texts read.

    python benchmarks/device_tables.py --data FOLDER --out FOLDER [--pixels 32]

The first folder holds `help_latency.npz` (27 devices), `nb201_accuracy.npz` and `fbnet_lut.json` (five). Written
are `nb201_devices.csv` and `nb201_accuracy.csv` for `specs/hw_nas_bench.cospace`, `fbnet_blocks.csv` and
`fbnet_rest.csv` for `specs/hw_nas_bench_fbnet.cospace` at images of so many pixels; a cell is empty where a device has
no such column.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy

DEPTHS, WIDTHS = (1, 4, 4, 4, 4, 4, 1), (16, 24, 32, 64, 112, 184, 352)
BLOCKS = [(stage, i) for stage, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]
COLUMNS = ("latency", "energy")


def write_cells(data: Path, out: Path) -> None:
    """Latencies (ms) of all 15,625 networks on each device, and the share of test images that each has right."""
    devices = numpy.load(data / "help_latency.npz", allow_pickle=False)
    trained = numpy.load(data / "nb201_accuracy.npz", allow_pickle=False)
    if not (devices["nb201_ops"] == trained["ops"]).all():
        raise SystemExit("help_latency.npz and nb201_accuracy.npz list the networks in different orders")
    words = [[str(trained["op_names"][o]) for o in row] for row in trained["ops"]]
    keys = [f"op_{i}" for i in range(1, 7)]
    names = [name.partition("/")[2] for name in devices.files if name.startswith("nb201/")]
    rows = ([d, *ops, str(v)] for d in names for ops, v in zip(words, devices[f"nb201/{d}"], strict=True))
    write(out / "nb201_devices.csv", ["device", *keys, "latency"], rows)
    sets = ["cifar10", "cifar100", "imagenet16_120"]
    shares = ([str(Decimal(str(v)) / 100) for v in row] for row in zip(*(trained[s] for s in sets), strict=True))
    write(out / "nb201_accuracy.csv", [*keys, *sets], ([*o, *s] for o, s in zip(words, shares, strict=True)))


def write_blocks(data: Path, out: Path, pixels: int, devices: Sequence[str] = ()) -> None:
    """What each operator takes as each block (ms, mJ), and stem, header, pool and classifier together; all devices
    where none is named."""
    found = json.loads((data / "fbnet_lut.json").read_text(encoding="utf-8"))
    setting = next(s for s in found["datasets"].values() if s["input"] == pixels)
    blocks, rest = [], []
    for device in devices or list(found["tables"]):
        costs = [found["tables"][device].get(name) for name in COLUMNS]
        side, cin = pixels // setting["stem_stride"], 16
        for n, (stage, i) in enumerate(BLOCKS, 1):
            out_, stride = WIDTHS[stage - 1], setting["strides"][stage - 1] if i == 1 else 1
            blocks += [[device, n, op, *_sums(costs, [key(op, side, cin, out_, stride)])] for op in found["ops"]]
            side, cin = side // stride, out_
        head = setting["header_channels"]
        keys = [
            f"ConvNorm_H{pixels}_W{pixels}_Cin3_Cout16_kernel3_stride{setting['stem_stride']}_group1",
            f"ConvNorm_H{side}_W{side}_Cin352_Cout{head}_kernel1_stride1_group1",
            f"AvgP_H{side}_W{side}_Cin{head}_Cout{head}_kernel{side}_stride1",
            f"FC_Cin{head}_Cout{setting['classes']}",
        ]
        rest.append([device, *_sums(costs, keys)])
    write(out / "fbnet_blocks.csv", ["device", "block", "op", *COLUMNS], blocks)
    write(out / "fbnet_rest.csv", ["device", *COLUMNS], rest)


def key(op: str, size: int, cin: int, out: int, stride: int) -> str:
    shape = f"_H{size}_W{size}_Cin{cin}_Cout{out}"
    if op == "skip":
        return f"Skip{shape}_stride{stride}"
    kernel, expansion, *group = (part[1:] for part in op.split("_"))
    return f"ConvBlock{shape}_exp{expansion}_kernel{kernel}_stride{stride}_group{group[0] if group else 1}"


def _sums(costs: Sequence[dict[str, float] | None], keys: Sequence[str]) -> list[str]:
    return ["" if c is None else repr(sum(c[k] for k in keys)) for c in costs]


def write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heads, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with the files that are read")
    parser.add_argument("--out", type=Path, required=True, help="where the CSV files go")
    parser.add_argument("--pixels", type=int, choices=(32, 224), default=32, help="of an image, for FBNet's blocks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_cells(options.data, options.out)
    write_blocks(options.data, options.out, options.pixels)
    print("\n".join(str(path) for path in sorted(options.out.glob("*.csv"))))


if __name__ == "__main__":
    main()
