"""Data and network slimmed together: the worked expectations, and the count against plain Python."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

SPEC = Path(__file__).parents[2] / "specs" / "dance.cospace"
KEPT = [Fraction(n, 8) for n in (2, 3, 4, 5, 6, 7, 8)]
BLOCKS = ("e1", "e2", "e3", "d2", "d1")
PRODUCT = Fraction("0.29772") / 10**12


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPEC)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def macs(kept: tuple[Fraction, ...], branches: tuple[bool, ...]) -> int:
    """Widths are whole: eighths of multiples of 32."""
    e1, e2, e3, d2, d1 = (max(8, int(w * k)) for w, k in zip((32, 64, 128, 64, 32), kept, strict=True))
    full, half, quarter = 360 * 480, 180 * 240, 90 * 120
    middle = sum(k * k for k, there in zip((7, 5, 3), branches, strict=True) if there) * e3 * e3 * quarter
    down = 9 * (3 * e1 * full + e1 * e2 * half + e2 * e3 * quarter)
    return down + middle + 9 * ((e3 + e2) * d2 * half + (d2 + e1) * d1 * full) + 11 * d1 * full


def seen(t: tuple[Fraction, ...]) -> Fraction:
    return t[0] / 4 + (t[1] - t[0]) * Fraction(25, 64) + (t[2] - t[1]) * Fraction(9, 16) + 1 - t[2]


@pytest.mark.parametrize("t, t0, p0, expected, trained", [
    (("0.2", "0.4", "0.7"), "0.2", "0.5", "0.596875", "0.584375"), (("0", "0.25", "0.6"), "0", "0", None, None),
])  # fmt: skip
def test_the_worked_expectations(
    space: Space, t: tuple[str, ...], t0: str, p0: str, expected: str | None, trained: str | None
) -> None:
    design: dict[str, Value] = {f"t{i}": Fraction(v) for i, v in enumerate(t, 1)}
    design |= {"t0": Fraction(t0), "p0": Fraction(p0), "a": Fraction(1)}
    design |= {f"segmenter.{b}.kept": Fraction(1) for b in BLOCKS}
    design |= {f"segmenter.{b}": Symbol("kept") for b in ("wide", "medium", "narrow")}
    forward = macs((Fraction(1),) * 5, (True,) * 3) * PRODUCT
    inference, training = (evaluate(o.value, design) for o in space.objectives if not o.measured)
    share = Fraction(expected) if expected else seen(tuple(map(Fraction, t)))
    assert inference == share * forward
    assert training == 3 * 367 * (Fraction(trained) if trained else share) * forward


def shares(space: Space, design: dict[str, Value]) -> list[Fraction]:
    """`seen`, `trained` and the share of images dropped, as the text has them."""
    asked = ("mean(policy.scale ^ 2 for u)", "mean((1 - p_drop) * policy.scale ^ 2 for u)", "mean(p_drop for u)")
    made = SPEC.read_text("utf-8") + "".join(f"minimize {e}\n" for e in asked)
    compiled = compile_text(made)
    assert compiled.space is not None
    return [evaluate(o.value, design) for o in compiled.space.objectives[-3:]]  # type: ignore[misc]


@pytest.mark.parametrize("t, t0, p0, wanted", [
    (("0.2", "0.4", "0.7"), "0.2", "0.5", ("0.596875", "0.584375", "0.05")),  # a twentieth is dropped
    (("0", "0.25", "0.6"), "0", "0", ("0.69453125", "0.69453125", "0")),     # 30.5 % of training saved
])  # fmt: skip
def test_the_worked_shares(space: Space, t: tuple[str, ...], t0: str, p0: str, wanted: tuple[str, ...]) -> None:
    design: dict[str, Value] = {f"t{i}": Fraction(v) for i, v in enumerate(t, 1)}
    design |= {"t0": Fraction(t0), "p0": Fraction(p0), "a": Fraction(1)}
    assert shares(space, design) == [Fraction(w) for w in wanted]


def test_energy_falls_along_a_threshold_as_worked_out(space: Space) -> None:
    """dE[r^2]/dt1 = 1/4 - 25/64 = -0.140625."""
    design: dict[str, Value] = {"t2": Fraction("0.4"), "t3": Fraction("0.7"), "t0": Fraction(0), "p0": Fraction(0)}
    first, second = (shares(space, design | {"t1": Fraction(t)})[0] for t in ("0.2", "0.25"))
    assert (second - first) / Fraction("0.05") == Fraction("-0.140625")


def test_the_space_is_counted_exactly(space: Space) -> None:
    branches = [b for b in itertools.product((True, False), repeat=3) if any(b)]
    sizes = sorted(macs(kept, b) for kept in itertools.product(KEPT, repeat=5) for b in branches)
    grid = [Fraction(n, 20) for n in range(21)]
    feasible = 0
    for t in itertools.combinations_with_replacement(grid, 3):
        share = seen(t)
        # dropping happens below t0 <= t1, where the scale is 1/2
        policies = sum(share - p * s / 80 <= Fraction(3, 4) for s in grid[:7] if s <= t[0] for p in range(6)) * 3
        feasible += policies * bisect_right(sizes, Fraction(15, 10_000) / (PRODUCT * share))
    found = count(space)
    assert found.raw == 21**3 * 7 * 6 * 3 * 7**5 * 8
    assert found.exact and found.feasible == feasible == 11_890_818_858
