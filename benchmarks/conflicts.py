"""Conflicts of generated texts without a design, held against brute force, and how long `check` takes of each.

Prints how many conflicts were proved minimal (the reference, which imports nothing of cospace, says the same of their
lines), of how many the smallest change of one number was compiled, has a design, and nothing nearer does, for how many
no number alone makes room, and the seconds of each: processor time of `check` of a compiled space in this process, and
what it takes to compile one.

    python benchmarks/conflicts.py [--specs 300] [--from 0]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cospace.compiler.driver import compile_text

from tests.compiler.conflicts_agree import Tally, agree
from tests.compiler.unsatisfiable_made import unsatisfiable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", type=int, default=300)
    parser.add_argument("--from", type=int, default=0, dest="first")
    options = parser.parse_args()
    tally = Tally()
    compiling = []
    wrong = 0
    for seed in range(options.first, options.first + options.specs):
        spec = unsatisfiable(seed)
        text, _ = spec.render()
        begin = time.process_time()
        compile_text(text)
        compiling.append(time.process_time() - begin)
        try:
            agree(spec, tally)
        except AssertionError as error:
            wrong += 1
            print(f"seed {seed}: {error}")
    through = {k: n for k, n in sorted(tally.kinds.items()) if k != "plain"}
    print(f"texts              {tally.specs}, of them through {', '.join(f'{k} {n}' for k, n in through.items())}")
    print(f"proved minimal     {tally.minimal}, of {', '.join(f'{n} x {k}' for k, n in sorted(tally.sizes.items()))}")
    print(f"smallest change    {tally.verified} attained and verified, {tally.none_alone} proved that no number does,")
    print(f"                   {tally.undecided} not decided")
    print(f"numbers asked      {tally.numbers}, {tally.by_reference} equal to brute force, {tally.open} not decided")
    print(f"wrong              {wrong}")
    print(f"seconds of check   median {statistics.median(tally.seconds):.2f}, worst {max(tally.seconds):.2f}")
    print(f"seconds to compile median {statistics.median(compiling):.2f}, worst {max(compiling):.2f}")


if __name__ == "__main__":
    main()
