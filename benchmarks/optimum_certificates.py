"""Certificates of proved optima: how long solving, proving and checking take, and false ones.

Auto-NBA's example network on boards of five sizes, whose optima are published, the front of latency against
multiply-accumulates kept over all 9^22 networks of the FBNet space, and shipped specs that `cospace best` proves. Then
1,000 certificates of small random spaces changed into false claims, of which brute force says that they are false. A
claim is too slow to check where that takes both more than a minute and more than five times the solving.

    python benchmarks/optimum_certificates.py [--false N]

Seconds are the processor's, in one process, without compiling the text. Checking is `checker/certificates.py`, with
reading both files; proving is what `best --certificate` adds before the checker is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cospace.checker.certificates import Rejected, judge
from cospace.checker.certificates import Space as Printed
from cospace.checker.optimum import Optimum as Reader
from cospace.compiler.checks import optimum
from cospace.compiler.checks.certify import FORMAT, SCHEMA
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.proofs.tabulate import tabulate
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import dumps, to_json

from benchmarks.best import BOARDS, SPECS, compiled, with_network
from benchmarks.fronts import text_of

SLOW, TIMES = 60, 5
"""Seconds, and times the solving, that checking may take; one of them is enough."""
CHECKER = Path(__file__).resolve().parent.parent / "checker"


def certified(name: str, space: Space, fixed: dict[str, Value]) -> bool:
    """One row of the table; whether a certificate is accepted, in time."""
    begin = time.process_time()
    found = best(space, fixed)
    solving = time.process_time() - begin
    text = dumps(to_json(space, tabulate(space)))
    begin = time.process_time()
    reader = Reader(Printed(text))
    asked = optimum.Asked(found.designs, fixed, tuple(fixed))
    said = "none was found"
    size = checking = proving = 0.0
    proofs: Iterator[Any] = iter(())
    try:
        item = optimum.claim(space, asked)
        reader.claimed(item)
        proofs = optimum.proofs(space, asked, item, reader)
    except Rejected as why:
        said = str(why)
    for proof in proofs:
        proving += time.process_time() - begin
        begin = time.process_time()
        if isinstance(proof, str):
            said = proof
            continue
        written = json.dumps({"format": FORMAT, "schema": SCHEMA, "space": reader.mark, "certificates": [proof]})
        begin = time.process_time()
        ((_, why),) = judge((text, written))
        checking, size = time.process_time() - begin, len(written) / 1024
        begin = time.process_time()
        if why is None:
            said = "accepted"
            break
        said = why
    print(
        f"| {name} | {len(found.designs):,} | {'yes' if found.certified else 'NO'} | {solving:.2f} | {proving:.2f} | "
        f"{checking:.2f} | {checking / solving:.1f} | {size:,.0f} | {said} |",
        flush=True,
    )
    return said == "accepted" and (checking <= SLOW or checking <= TIMES * solving)


def claims() -> Iterator[tuple[str, Space, dict[str, Value]]]:
    """Each space by a name, with what is fixed in it."""
    for name in ("dance", "hw_nas_bench", "hw_nas_bench_fbnet", "rst", "r2s", "two_in_one"):
        yield name, compiled(compile_file(SPECS / f"{name}.cospace")), {}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "front.cospace"
        spec.write_text(text_of("two"), encoding="utf-8")
        for large in ("false", "true"):
            space = compiled(compile_file(spec, {"device": "rule", "large": large}))
            yield f"front of 9^22 networks{' (224 pixels)' if large == 'true' else ''}", space, {}
    for settings, frozen, _ in BOARDS:
        space = compiled(compile_file(SPECS / "auto_nba.cospace", settings))
        said = ", ".join(f"{k} = {v}" for k, v in settings.items()) or "as in the text"
        yield f"board {said}{', unrolling fixed' if frozen else ''}", space, with_network(space, frozen)


def false_certificates(count: int) -> str:
    """How many were tried, and how many accepted."""
    import random

    from tests.checker.test_optimum import Optimum, false_ones, optima

    rng = random.Random(11)
    made: list[tuple[Optimum, dict[str, object]]] = []
    for o in optima(60):
        if o.found.certified and o.is_rational:
            made += [(o, item) for item in o.certificates()]
    tried = accepted = 0
    while tried < count:
        o, item = rng.choice(made)
        for false in false_ones(o, item, rng):
            if not o.is_true(false):
                tried += 1
                accepted += o.judged([false])[0] is None
    return f"{tried:,} false certificates, from {len(made)} true ones: {accepted} accepted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--false", type=int, default=1_000, help="false certificates that are tried (1000)")
    options = parser.parse_args()
    sys.setrecursionlimit(12_000)
    print("| space | best designs | proved | solving s | proving s | checking s | checking/solving | KiB | checker |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    late = [name for name, space, fixed in claims() if not certified(name, space, fixed)]
    print(
        f"\nnot accepted, or checked in more than {SLOW} s and {TIMES} times the solving: {', '.join(late) or 'none'}"
    )
    lines = {f: len((CHECKER / f).read_text(encoding="utf-8").splitlines()) for f in ("certificates.py", "optimum.py")}
    print("lines of the checker: " + ", ".join(f"{count} in {file}" for file, count in lines.items()))
    if options.false:
        print(f"\n{false_certificates(options.false)}")


if __name__ == "__main__":
    main()
