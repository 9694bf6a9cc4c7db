"""What each node of `std.energy` charges, and how far the fits of its memories lie from the points they go through.

CACTI's points (benchmarks/spaces/sram_cacti.csv) are what it printed; how it was asked stands in the space beside them.

    python benchmarks/technology.py
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from pathlib import Path

from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.model import Space

SPEC = Path(__file__).resolve().parent / "spaces" / "technology.cospace"
NODES = ("synthesised", "eyeriss", "65nm", "45nm", "32nm", "20nm", "16nm", "14nm", "10nm", "7nm")
CHARGED = {
    "8-bit MAC": ("tech.mac_energy(8 bit, 8 bit)", 1e12),
    "16-bit": ("tech.mac_energy(16 bit, 16 bit)", 1e12),
    "SRAM 8 KB": ("tech.sram_at(8 KiB) * 64 bit", 1e12),
    "32 KB": ("tech.sram_at(32 KiB) * 64 bit", 1e12),
    "1 MB": ("tech.sram_at(1024 KiB) * 64 bit", 1e12),
    "DRAM": ("tech.dram * 64 bit", 1e12),
    "MAC um2": ("tech.mac_area(8 bit)", 1e12),
    "32 KB mm2": ("tech.sram_area(32 KiB)", 1e6),
}


def deviations() -> tuple[list[float], list[float]]:
    """Of the fits from CACTI's points, as shares: of an access, of the area."""
    space = compile_file(SPEC).space
    assert space is not None
    points = space.decisions[0].values
    energy, area = ([_number(space, k, {"i": v}) for v in points] for k in (0, 1))
    return energy, area


def charged(node: str) -> dict[str, float]:
    """Energies in pJ, areas in the unit of their name, at a node."""
    goals = "\n".join(f"minimize {text}" for text, _ in CHARGED.values())
    space = compile_text(f'space t\nimport std.energy(node = "{node}") as tech\n{goals}\n').space
    assert space is not None
    return {name: _number(space, k, {}) * scale for k, (name, (_, scale)) in enumerate(CHARGED.items())}


def _number(space: Space, goal: int, design: dict[str, object]) -> float:
    value = evaluate(space.objectives[goal].value, design)  # type: ignore[arg-type]
    assert isinstance(value, Fraction)
    return float(value)


def main() -> None:
    print("in pJ; an access of 64 bit; DRAM is not at_node, `dram_kind` names its kind")
    print(f"{'node':<12}" + "".join(f"{name:>11}" for name in CHARGED))
    for node in NODES:
        print(f"{node:<12}" + "".join(f"{value:>11.4g}" for value in charged(node).values()))
    for name, found in zip(("energy", "area"), deviations(), strict=True):
        spread = sqrt(sum(d * d for d in found) / len(found))
        print(
            f"{name} of SRAM against {len(found)} points of CACTI 7 at 45 nm: {spread:.1%} root mean square,"
            f" {min(found):+.1%} to {max(found):+.1%}"
        )


if __name__ == "__main__":
    main()
