"""Sums of requirements against brute force on random spaces, and a long sum that nothing else settles."""

from __future__ import annotations

import random

from cospace.compiler.bounds.boxes import Boxes
from cospace.compiler.driver import compile_text
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.summed import exceeding
from cospace.compiler.space.model import Space

from tests.compiler import raw


def compiled(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


def random_text(rng: random.Random) -> str:
    """Two sums over products of five decisions and three more, under bounds that are near each other."""
    lines = ["space s", "a, b, c, d, e = choose {1, 2, 5}", "f, g, h = choose {1, 3}"]
    weights = [[rng.randint(1, 5) for _ in range(5)] for _ in range(2)]

    def total(kind: int) -> str:
        more = ["* f", "* g", "* h", "", "* f"] if rng.random() < 0.7 else [""] * 5
        return " + ".join(f"{w} * {x} {m}" for w, x, m in zip(weights[kind], "abcde", more, strict=True))

    most = rng.randint(20, 90)
    lines.append(f"require {total(0)} <= {most}")
    scaled = rng.choice([total(0), total(1)])
    guard = " when f > 1" if rng.random() < 0.2 else ""
    lines.append(f"require {scaled} {rng.choice(['>=', '>'])} {most + rng.randint(-30, 60)}{guard}")
    return "\n".join(lines) + "\n"


def test_what_is_excluded_has_no_design() -> None:
    excluded = both = possible = 0
    for seed in range(60):
        space = compiled(random_text(random.Random(seed)))
        found = exceeding(Boxes(space.decisions), space.requirements, {})
        if found is None:
            possible += 1
            continue
        excluded += 1
        both += len(found) == 2
        assert all(w.weight > 0 for w in found)
        assert not raw.feasible(space), seed
    assert excluded >= 6 and both >= 3 and possible >= 20, (excluded, both, possible)


def test_two_long_sums_over_the_same_blocks_are_compared_block_by_block() -> None:
    blocks = range(12)
    names = [f"{kind}{i}" for kind in ("op", "wb", "ab") for i in blocks]
    lists = [f"{kind} = [{', '.join(f'{kind}{i}' for i in blocks)}]" for kind in ("op", "wb", "ab")]
    text = "\n".join(
        [
            "space s",
            *(f"{n} = choose {'{1, 2, 3, 6}' if n.startswith('op') else '{4, 8, 16}'}" for n in names),
            *lists,
            "require sum(op[i] * op[i] * wb[i] for i in 1..12) <= 800",
            "require sum(op[i] * wb[i] + ab[i] for i in 1..12) >= BOUND",
        ]
    )
    short = compiled(text.replace("BOUND", "600") + "\n")
    verdict = Prover(short).settle(short.requirements)
    assert verdict.possible is False and len(verdict.core) == 2
    fits = compiled(text.replace("BOUND", "400") + "\n")
    assert Prover(fits).settle(fits.requirements).possible is True
