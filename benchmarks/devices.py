"""Devices against each other on all networks of NAS-Bench-201: fronts, ranks, and what a front is worth elsewhere.

    python benchmarks/devices.py --data FOLDER [--out FOLDER]

The folder holds what `benchmarks/device_tables.py` writes; the shipped text is compiled once with every device of it as
an objective. Printed: how long all designs take on all devices once that is compiled; for each device its front of test
error against latency, over the networks whose output hangs on their input, Kendall's tau (b) of its latencies with
other devices', and the regret of other devices' fronts on it: the latency of a network of another's front, over the
least of any network that is as accurate, less one. Pictures go to --out. Needs scipy and matplotlib (`cospace[run]`).
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.improvement import stairs
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.model import Space
from scipy.stats import kendalltau

SPEC = Path(__file__).resolve().parent.parent / "specs" / "hw_nas_bench.cospace"
SHOWN = 1e3
"""Milliseconds of a second."""


def devices_of(data: Path) -> list[str]:
    with (data / "nb201_devices.csv").open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["device"] for row in csv.DictReader(file)))


def compiled(data: Path, devices: list[str]) -> Space:
    """The shipped space with the error, the rule's latency and that of each device as objectives."""
    text = SPEC.read_text(encoding="utf-8")
    lines = [line for line in text[: text.index("\nsearch {")].splitlines() if not line.startswith("minimize")]
    lines += ["minimize test_error", "minimize fpga.latency"]
    lines += [f'minimize on_device("{d}", net.op).latency' for d in devices]
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "devices.cospace"
        spec.write_text("\n".join([*lines, ""]), encoding="utf-8")
        found = compile_file(spec, {"known": "true", "connected": "true", "cut": "1 s"}, data)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return found.space


def regret(errors: Any, own: Any, front: Any) -> Any:
    """Of each network of a front elsewhere: what it takes here over the least of any as accurate, less one."""
    order = numpy.argsort(errors, kind="stable")
    least = numpy.minimum.accumulate(own[order])
    at = numpy.searchsorted(errors[order], errors[front], side="right") - 1
    return own[front] / least[at] - 1


def draw(out: Path, names: list[str], tau: Any, lost: Any, fronts: dict[str, tuple[Any, Any]]) -> list[Path]:
    import matplotlib

    matplotlib.use("svg")
    from cospace.runtime.report_plots import COLOURS, STYLE
    from matplotlib import pyplot

    out.mkdir(parents=True, exist_ok=True)
    written = []
    plain = STYLE | {name: "black" for name, ink in STYLE.items() if isinstance(ink, str) and ink.startswith("#")}
    with matplotlib.rc_context(plain):
        for values, title, name in (
            (tau, "Kendall's tau of latencies", "tau"),
            (100 * lost, "median regret [%] of the row's front on the column's device", "regret"),
        ):
            figure, axes = pyplot.subplots(figsize=(9, 8))
            image = axes.imshow(values, cmap="viridis")
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_yticks(range(len(names)), names)
            axes.set_title(title)
            axes.grid(visible=False)
            figure.colorbar(image, shrink=0.8)
            written.append(save(figure, out / f"devices_{name}.svg"))
        figure, axes = pyplot.subplots(figsize=(7, 4.5))
        for k, (name, (costs, errors)) in enumerate(fronts.items()):
            style = ("-", "--", "-.", ":")[k // len(COLOURS) % 4]
            axes.step(costs, 100 * errors, style, where="post", lw=1, color=COLOURS[k % len(COLOURS)], label=name)
        axes.set_xscale("log")
        axes.set_xlabel("latency [ms]")
        axes.set_ylabel("test error [%]")
        axes.legend(fontsize=5, ncols=3)
        written.append(save(figure, out / "devices_fronts.svg"))
    return written


def save(figure: Any, path: Path) -> Path:
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="where pictures go")
    options = parser.parse_args()
    names = devices_of(options.data)
    space = compiled(options.data, names)
    sizes = [len(d.values) for d in space.decisions]
    rows = numpy.stack(numpy.unravel_index(numpy.arange(numpy.prod(sizes)), sizes), axis=1)
    begin = time.perf_counter()
    program = Program([o.value for o in space.objectives], space.decisions)
    found = program(rows)
    first = time.perf_counter() - begin
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        found = program(rows)
        seconds.append(time.perf_counter() - begin)
    print(f"{len(rows):,} designs: error, rule and {len(names)} devices in {min(seconds):.3f} s, least of 5,")
    print(f"{first:.3f} s the first time, with what prepares it.")
    whole = numpy.all(Program([r.value for r in space.requirements], space.decisions)(rows), axis=0)
    errors, rule, *columns = (column[whole] for column in found)
    print(f"{whole.sum():,} of them hang on their input.")
    if "fpga" in names:
        far = numpy.abs(rule / columns[names.index("fpga")] - 1).max()
        print(f"The rule is within {far:.1e} of the published FPGA column, which is kept in 32 bit.")
    fronts = [stairs(own, errors) for own in columns]
    tau = numpy.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            tau[i, j] = tau[j, i] = kendalltau(columns[i], columns[j]).statistic
    losses = [[regret(errors, own, front) for own in columns] for front in fronts]
    lost = numpy.array([[numpy.median(x) for x in row] for row in losses])
    print(
        "\n| device | front | least to greatest [ms] | tau with others: least, median | regret of others' fronts here: "
    )
    print("| --- | --- | --- | --- | --- |")
    for j, name in enumerate(names):
        others = [i for i in range(len(names)) if i != j]
        own = SHOWN * columns[j][fronts[j]]
        nearest, worst = (pick(others, key=lambda i: tau[i, j]) for pick in (max, min))
        far = max(others, key=lambda i: lost[i, j])
        print(
            f"| {name} | {len(own)} | {own.min():.3f} to {own.max():.3f} | {tau[worst, j]:.2f} ({names[worst]}), "
            f"{numpy.median(tau[others, j]):.2f}; most {tau[nearest, j]:.2f} ({names[nearest]}) | median "
            f"{100 * numpy.median(lost[others, j]):.1f} %, most {100 * lost[far, j]:.1f} % ({names[far]}) |"
        )
    apart = tau[numpy.triu_indices(len(names), 1)]
    off = lost[~numpy.eye(len(names), dtype=bool)]
    print(f"\ntau over all pairs: {apart.min():.2f} to {apart.max():.2f}, median {numpy.median(apart):.2f}")
    most = 100 * numpy.percentile(off, 90)
    print(f"median regret over all pairs: {100 * numpy.median(off):.1f} %, 90 % of them below {most:.1f} %")
    if options.out is not None:
        points = {n: (SHOWN * c[f], errors[f]) for n, c, f in zip(names, columns, fronts, strict=True)}
        print("\n".join(f"picture: {path}" for path in draw(options.out, names, tau, lost, points)))


if __name__ == "__main__":
    main()
