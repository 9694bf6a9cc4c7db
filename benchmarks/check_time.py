"""How long `cospace check` takes in a fresh process, against importing the libraries it stands on.

Prints ratios of runs taken in turn: with the cache folder there (where what was proved of unchanged files is kept),
proving again with only parsed files kept (`--fresh`), and with an empty cache folder. Python keeps its bytecode, for
cospace as for the libraries, as it does where a package is installed.

With `--systems`, a line for each spec (all of `specs/`, unless some are named): the processor seconds, user and system,
of `check --fresh` less those of the imports, once with an empty cache folder and once where parsed files and solved
mappings are kept, and of `count`; the least of a few runs, for others use the machine too.

    python benchmarks/check_time.py [SPEC ...] [--runs 11]
    python benchmarks/check_time.py --systems [SPEC ...] [--runs 3]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = "import lark, attrs, rich, numpy, z3, typer"
ALL = IMPORTS + "\ntry:\n    from pydantic import TypeAdapter\nexcept ImportError:\n    pass"
"""With what a typer of today imports as soon as it reads a command line."""
ROOT = Path(__file__).resolve().parent.parent


def measure(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of wall time of a process that has to succeed."""
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def processor(command: list[str], environment: dict[str, str]) -> float:
    """Processor seconds of a process that has to succeed, and of those it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--systems", action="store_true")
    parser.add_argument("--runs", type=int)
    options = parser.parse_args()
    if options.systems:
        tabulate(options.specs or sorted(map(str, (ROOT / "specs").glob("*.cospace"))), options.runs or 3)
        return
    for spec in options.specs or [str(ROOT / "specs" / "gcos.cospace")]:
        compare(spec, options.runs or 11)


def _first(command: list[str], environment: dict[str, str]) -> float:
    """Processor seconds of a process that finds nothing in its cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        return processor(command, environment | {"COSPACE_CACHE": folder})


def tabulate(specs: list[str], runs: int) -> None:
    """Print what a check and a count of each spec take."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    cospace = [sys.executable, "-m", "cospace"]
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"COSPACE_CACHE": folder, "OMP_NUM_THREADS": "1"}

        def least(command: list[str]) -> float:
            return min(processor(command, environment) for _ in range(runs))

        base = least([sys.executable, "-c", ALL])
        print(f"{IMPORTS} (and pydantic for it): {base:.2f} s of processor time; least of {runs} runs")
        print(f"load of the machine {os.getloadavg()[0]:.1f}")
        print("| spec | first check over the imports, s | check again | count |\n| --- | --- | --- | --- |")
        for spec in specs:
            first = min(_first([*cospace, "check", "--fresh", spec], environment) for _ in range(runs))
            processor([*cospace, "check", "--fresh", spec], environment)
            check, count = least([*cospace, "check", "--fresh", spec]), least([*cospace, "count", spec])
            print(f"| {Path(spec).stem} | {first - base:.2f} | {check - base:.2f} | {count:.1f} |", flush=True)


def compare(spec: str, runs: int) -> None:
    """Print the ratios for one spec."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    imports = [sys.executable, "-c", ALL]
    check = [sys.executable, "-m", "cospace", "check", spec]
    with tempfile.TemporaryDirectory() as folder:
        warm = {**environment, "COSPACE_CACHE": folder}
        measure(imports, warm)
        measure(check, warm)
        base, cached, fresh, cold = [], [], [], []
        for _ in range(runs):
            base.append(measure(imports, warm))
            cached.append(measure(check, warm))
            fresh.append(measure([*check, "--fresh"], warm))
            with tempfile.TemporaryDirectory() as empty:
                cold.append(measure(check, {**environment, "COSPACE_CACHE": empty}))
        trace = [sys.executable, "-X", "importtime", *check[1:], "--fresh"]
        traced = subprocess.run(trace, env=warm, check=True, capture_output=True, text=True)
    print(f"{IMPORTS} (and pydantic for it): median {statistics.median(base):.3f} s")
    for name, times in (
        ("with the cache folder", cached),
        ("proving again (--fresh)", fresh),
        ("without the cache folder", cold),
    ):
        ratios = sorted(t / b for t, b in zip(times, base, strict=True))
        print(
            f"cospace check {Path(spec).name}, {name}: median {statistics.median(times):.3f} s, "
            f"{statistics.median(ratios):.2f}x the imports (runs {ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    loaded = any(line.rsplit("|", 1)[-1].strip() == "torch" for line in traced.stderr.splitlines())
    print(f"torch imported: {'yes' if loaded else 'no'}")


if __name__ == "__main__":
    main()
