"""Layers under given mappings: the reference's files brought into the tables and designs of spaces/mapped.cospace.

Nothing is counted here; what a mapping costs is all in the spec and in `std.accesses`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any

import attrs
from cospace.compiler.cost import holds
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.designs import parse_design
from cospace.compiler.space.model import Space

SPEC = Path(__file__).resolve().parent / "spaces" / "mapped.cospace"
LAYER = ("K", "C", "OY", "OX", "FY", "stride")
GOALS = ("best_energy", "best_latency", "best_edp")
PLACES = 6
PICOJOULE = Fraction(1, 10**12)


@attrs.frozen
class Outcome:
    """One mapping: ours beside the reference's, energies in pJ."""

    hardware: str
    layer: str
    goal: str
    divides: bool
    """The loops along the array fill it, or as much of it as the layer is large, without a fraction."""
    feasible: bool
    energy: Fraction
    cycles: Fraction
    wanted_energy: float
    wanted_cycles: float

    @property
    def energy_off(self) -> float:
        return float(self.energy) / self.wanted_energy - 1

    @property
    def cycles_off(self) -> float:
        return float(self.cycles) / self.wanted_cycles - 1


def write_tables(
    folder: Path, layers: Mapping[str, Mapping[str, int]], hardware: Mapping[str, Mapping[str, Any]]
) -> None:
    """layers.csv, arrays.csv and memories.csv; layers by their dimensions K C OY OX FY stride."""
    _write(
        folder / "layers.csv",
        ["layer", "outs", "ins", "rows", "cols", "kernel", "stride"],
        [[name, *(dims[key] for key in LAYER)] for name, dims in layers.items()],
    )
    _write(
        folder / "arrays.csv",
        ["hardware", "tall", "wide", "mac", "chained", "input_registers", "down", "across"],
        [
            [
                name,
                h["rows"],
                h["cols"],
                h["e_mac"],
                _flag(h["o_rf"]["served"] == ["D1"]),
                _flag("i_rf" in h),
                h["sp1"],
                h["sp2"],
            ]
            for name, h in hardware.items()
        ],
    )
    _write(
        folder / "memories.csv",
        ["hardware", "memory", "size", "port", "least", "read", "write"],
        [
            [name, memory, m.get("bits", ""), m["bw"], m.get("bw_min", m["bw"]), m["e_r"], m["e_w"]]
            for name, h in hardware.items()
            for memory, m in h.items()
            if isinstance(m, dict)
        ],
    )


def space_of(folder: Path, hardware: str, layer: str, width: str = "8 bit") -> Space:
    result = compile_file(SPEC, {"hardware": hardware, "layer": layer, "width": width}, data=folder)
    if result.space is None:
        raise SystemExit("\n".join([f"{SPEC} does not compile", *(d.message for d in result.diagnostics)]))
    return result.space


def design_of(kept: Mapping[str, list[list[list[Any]]]]) -> dict[str, Any]:
    """A mapping as a design. kept: for each tensor its loops at each memory, [loop, size], innermost first."""
    loops = [tuple(entry) for level in kept["W"] for entry in level]
    loops += [("K", 1)] * (PLACES - len(loops))
    design: dict[str, Any] = {f"loop[{p}]": loop for p, (loop, _) in enumerate(loops, 1)}
    design |= {f"size[{p}]": size for p, (_, size) in enumerate(loops, 1)}
    for tensor, name in (("W", "weights"), ("I", "inputs"), ("O", "sums")):
        levels = kept[tensor] if len(kept[tensor]) == 3 else [[], *kept[tensor]]  # no registers: nothing is in them
        design[f"near.{name}"] = len(levels[0])
        design[f"kept.{name}"] = len(levels[0]) + len(levels[1])
    return design


def outcomes(folder: Path, tables: Path) -> Iterator[Outcome]:
    """Every mapping of the reference in `folder`; `tables` is a place for the files that the spec reads."""
    hardware = json.loads((folder / "hardware.json").read_text("utf-8"))
    mappings = json.loads((folder / "layer_cost_mappings.json").read_text("utf-8"))
    write_tables(tables, {entry["layer"]: entry["dims"] for entry in mappings}, hardware)
    for entry in mappings:
        dims, name = entry["dims"], entry["hw"]
        if dims["FY"] != dims["FX"]:
            raise SystemExit(f"{entry['layer']}: a filter that is not square has no operator here")
        space = space_of(tables, name, entry["layer"])
        quantities = dict(space.accelerators[0].quantities)
        for goal in GOALS:
            wanted = entry[goal]
            design = parse_design(space, design_of(wanted["temporal_mapping"]))
            energy, cycles = (evaluate(quantities[q], design) for q in ("energy", "cycles"))
            assert isinstance(energy, Fraction) and isinstance(cycles, Fraction)
            yield Outcome(
                hardware=name,
                layer=entry["layer"],
                goal=goal,
                divides=_divides(wanted["temporal_mapping"]["W"], dims, hardware[name]),
                feasible=all(holds(r, design) is True for r in space.requirements),
                energy=energy / PICOJOULE,
                cycles=cycles,
                wanted_energy=wanted["energy_pj"],
                wanted_cycles=wanted["cycles"],
            )


def _divides(levels: list[list[list[Any]]], dims: Mapping[str, int], hardware: Mapping[str, Any]) -> bool:
    return all(
        Fraction(dims[loop], prod(size for level in levels for found, size in level if found == loop))
        == min(dims[loop], hardware[side])
        for loop, side in ((hardware["sp1"], "rows"), (hardware["sp2"], "cols"))
    )


def _write(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _flag(value: bool) -> str:
    return "true" if value else "false"
