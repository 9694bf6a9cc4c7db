"""How long `cospace check` takes in a fresh process, against importing the libraries it stands on.

Prints ratios of runs taken in turn: with the cache folder there (where what was proved of unchanged files is kept),
proving again with only parsed files kept (`--fresh`), and with an empty cache folder.

    python benchmarks/check_time.py [SPEC] [--runs 11]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = "import lark, attrs, rich, typer, numpy, z3"
ROOT = Path(__file__).resolve().parent.parent


def measure(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of wall time of a process that has to succeed."""
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", nargs="?", default=str(ROOT / "specs" / "gcos.cospace"))
    parser.add_argument("--runs", type=int, default=11)
    options = parser.parse_args()
    imports = [sys.executable, "-c", IMPORTS]
    check = [sys.executable, "-m", "cospace", "check", options.spec]
    with tempfile.TemporaryDirectory() as folder:
        warm = {**os.environ, "COSPACE_CACHE": folder}
        measure(imports, warm)
        measure(check, warm)
        base, cached, fresh, cold = [], [], [], []
        for _ in range(options.runs):
            base.append(measure(imports, warm))
            cached.append(measure(check, warm))
            fresh.append(measure([*check, "--fresh"], warm))
            with tempfile.TemporaryDirectory() as empty:
                cold.append(measure(check, {**os.environ, "COSPACE_CACHE": empty}))
        torch = subprocess.run(
            [sys.executable, "-X", "importtime", *check[1:], "--fresh"],
            env=warm,
            check=True,
            capture_output=True,
            text=True,
        )
    unit = statistics.median(base)
    print(f"{IMPORTS}: median {unit:.3f} s")
    for name, times in (
        ("with the cache folder", cached),
        ("proving again (--fresh)", fresh),
        ("without the cache folder", cold),
    ):
        ratios = sorted(t / b for t, b in zip(times, base, strict=True))
        print(
            f"cospace check {Path(options.spec).name}, {name}: median {statistics.median(times):.3f} s, "
            f"{statistics.median(ratios):.2f}x the imports (runs {ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    loaded = any(line.rsplit("|", 1)[-1].strip() == "torch" for line in torch.stderr.splitlines())
    print(f"torch imported: {'yes' if loaded else 'no'}")


if __name__ == "__main__":
    main()
