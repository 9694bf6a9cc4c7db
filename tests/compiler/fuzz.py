"""`make fuzz`: many random texts through every pass, how many reached each, and every text that broke one.

python -m tests.compiler.fuzz --texts 100000 --jobs 2 [--start SEED] [--save FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.compiler.mutate import text_of
from tests.compiler.passes import Hang, Reached, run

CHUNK = 250
DEPTH = 10_000


def try_seeds(seeds: range) -> Reached:
    """Every text of a range of seeds; what fails is kept with its seed."""
    reached = Reached()
    for seed in seeds:
        try:
            run(text_of(seed), seed, reached)
        except (Exception, Hang) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            reached.failed.append((seed, f"{type(error).__name__} at {place}: {str(error)[:300]}"))
    return reached


def wanting(reached: Reached) -> list[str]:
    """What a run of texts falls short of."""
    short = [f"seed {seed}: {what}" for seed, what in reached.failed]
    if reached.passed["parse"] < reached.texts / 2:
        short.append("less than half of the texts parse")
    if reached.passed["proofs"] < reached.texts / 4:
        short.append("less than a quarter of the texts reach the proofs")
    return short


def main() -> None:
    """Prints as it goes on standard error and the whole at the end; status 1 where something fell short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--save", type=Path, help="a folder for the texts that broke something")
    given = parser.parse_args()
    began = time.time()
    end = given.start + given.texts
    chunks = [range(at, min(at + CHUNK, end)) for at in range(given.start, end, CHUNK)]
    reached = Reached()
    with tempfile.TemporaryDirectory() as cache, ProcessPoolExecutor(given.jobs) as pool:
        os.environ["COSPACE_CACHE"] = cache
        for done in as_completed([pool.submit(try_seeds, chunk) for chunk in chunks]):
            reached.add(done.result())
            for seed, what in done.result().failed:
                print(f"seed {seed}: {what}", file=sys.stderr, flush=True)
            print(f"{reached.texts:,} texts, {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    if given.save is not None:
        given.save.mkdir(parents=True, exist_ok=True)
        for seed, _ in reached.failed:
            text = text_of(seed)
            data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
            (given.save / f"{seed}.cospace").write_bytes(data)
    print(reached)
    short = wanting(reached)
    print("\n".join(sorted(short)) or "nothing broke")
    sys.exit(bool(short))


if __name__ == "__main__":
    main()
