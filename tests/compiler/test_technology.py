"""Technologies of the standard library: published figures, nodes, memories that grow, and what a spec overrides."""

from __future__ import annotations

import sys
from fractions import Fraction
from math import sqrt
from pathlib import Path

import pytest
from cospace.compiler.driver import Compiled, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.designs import decode

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
NODES = ("65nm", "45nm", "32nm", "20nm", "16nm", "14nm", "10nm", "7nm")


def value(wanted: str, arguments: str = "", **settings: str) -> Fraction:
    """Of an expression over the library's names, in base units."""
    found = compiled(wanted, arguments, **settings)
    assert found.space is not None, [d.message for d in found.diagnostics]
    result = evaluate(found.space.objectives[0].value, {})
    assert isinstance(result, Fraction)
    return result


def compiled(wanted: str, arguments: str = "", **settings: str) -> Compiled:
    text = f"space t\nimport std.energy({arguments}) as tech\nminimize {wanted}\n"
    return compile_text(text, settings={f"tech.{k}": v for k, v in settings.items()})


def node(name: str) -> str:
    return f'node = "{name}"'


@pytest.mark.parametrize(
    ("wanted", "published"),
    [
        ("tech.add_energy(8 bit) / pJ", "0.03"),
        ("tech.add_energy(32 bit) / pJ", "0.1"),
        ("tech.multiply_energy(8 bit, 8 bit) / pJ", "0.2"),
        ("tech.multiply_energy(32 bit, 32 bit) / pJ", "3.1"),
        ("tech.float_energy(16 bit) / pJ", "1.5"),
        ("tech.float_energy(32 bit) / pJ", "4.6"),
        ("tech.sram_at(8 KiB) * 8 byte / pJ", "10"),
        ("tech.sram_at(32 KiB) * 8 byte / pJ", "20"),
        ("tech.dram * 8 byte / nJ", "1.95"),  # the mean of 1.3 and 2.6
    ],
)
def test_published_figures_at_45_nm(wanted: str, published: str) -> None:
    assert value(wanted, node("45nm")) == Fraction(published)


def test_the_third_published_memory_is_met_within_a_fit() -> None:
    assert abs(value("tech.sram_at(1024 KiB) * 8 byte / pJ", node("45nm")) / 100 - 1) < Fraction(7, 100)


def test_the_published_example_of_scaling() -> None:
    """1 pJ at 65 nm and 1.3 V is 0.1755 pJ at 32 nm and 0.9 V (Stillmaker and Baas 2017, as corrected)."""
    new, old = (value(f"tech.switching({at})", node("32nm")) for at in ('"32nm", 0.9 V', '"65nm", 1.3 V'))
    assert (round(float(new), 4), round(float(old), 3)) == (0.4571, 2.604)
    assert abs(new / old - Fraction("0.1755")) < Fraction("0.0001")


def test_the_default_is_what_the_published_models_charge() -> None:
    assert value("tech.dram * 1 byte / pJ") == 100
    assert value("tech.sram * 1 byte / pJ") == 3
    assert value("tech.sram_at(1 MiB, 512 bit) * 1 byte / pJ") == 3, "the same at any size"
    assert value("tech.sram_area(1 KiB) / um2") == Fraction(3, 10) * 8192
    for bits in (2, 4, 8, 16):
        energy = Fraction("0.00307") * bits**2 + Fraction("0.00753") * bits + Fraction("0.041")
        assert value(f"tech.mac_energy({bits} bit, {bits} bit) / pJ") == energy
        assert value(f"tech.mac_area({bits} bit) / um2") == Fraction("7.34") * bits**2 + Fraction("13.2") * bits + 112
    assert value("tech.mac_energy(16 bit, 16 bit) / pJ", node("eyeriss")) == 1


def test_a_smaller_node_never_charges_more() -> None:
    for wanted in ("tech.mac_energy(8 bit, 8 bit)", "tech.sram_at(64 KiB)", "tech.sram_area(64 KiB)",
                   "tech.mac_area(8 bit)", "tech.float_energy(32 bit)"):  # fmt: skip
        found = [value(f"{wanted}", node(n)) for n in NODES]
        assert found == sorted(found, reverse=True) and len(set(found)) > 6, wanted


def test_a_larger_or_wider_memory_never_charges_less_an_access_nor_a_byte_more() -> None:
    sizes = [value(f"tech.sram_at({kib} KiB)", node("16nm")) for kib in range(1, 80)]
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes)
    widths = [value(f"tech.sram_at(64 KiB, {w} bit)", node("16nm")) for w in (16, 32, 64, 128)]
    assert widths == sorted(widths, reverse=True)
    whole = [w * e for w, e in zip((16, 32, 64, 128), widths, strict=True)]
    assert whole == sorted(whole)


def test_the_root_is_the_square_root_within_a_chord() -> None:
    for x in (Fraction(1, 200), Fraction(1, 3), 1, 2, 3, 5, 16, 100, 2000, 60_000):
        met = float(value(f"tech.root_of({x})")) / sqrt(x)
        assert 0.94 < met < 1 + 1e-12


def test_a_spec_overrides_any_constant() -> None:
    assert value("tech.dram * 1 byte / pJ", "dram = 20 pJ / byte") == 20
    assert value("tech.dram * 1 byte / pJ", 'node = "16nm", dram_kind = "hbm2"') == Fraction("31.36")
    assert value("tech.dram * 1 byte / pJ", node("16nm"), dram_kind="gddr5") == 112
    assert value("tech.sram_at(32 KiB) * 1 byte / pJ", 'node = "16nm", sram = 2 pJ / byte') == 2
    cool = value("tech.mac_energy(8 bit, 8 bit)", 'node = "7nm", supply = 0.6 V')
    assert cool < value("tech.mac_energy(8 bit, 8 bit)", node("7nm"))


def test_reports_say_the_number_of_a_constant_that_is_worked_out() -> None:
    found = compiled("tech.dram * 1 byte + tech.sram_at(8 KiB) * 1 byte", 'node = "7nm", dram_kind = "hbm2"')
    assert found.space is not None
    said = {c.path.rsplit(".", 1)[1]: c.text for c in found.space.constants}
    assert said["dram"] == "31.36 pJ/byte" and said["supply"] == "0.7 V" and said["sram"].endswith(" pJ/byte")


def test_a_node_that_is_not_there_is_told() -> None:
    found = compiled("tech.mac_energy(8 bit, 8 bit)", node("17nm"))
    assert found.space is None and found.diagnostics[0].help == "did you mean `16nm`?"


@pytest.mark.parametrize(
    "text", ["systolic.systolic()", "precision_scalable.scalable_array()", "gnn_engine.gnn_engine()",
             "loop_nest.loop_nest()"],
)  # fmt: skip
def test_accelerators_take_the_node_of_a_spec(text: str) -> None:
    """In one line: energies and areas follow, what is feasible and the cycles at one mapping don't."""
    module = text.split(".")[0]
    found = [
        compile_text(
            f"space t\nimport std.works\nimport std.learn\nimport std.{module}\nimport std.energy({chosen}) as tech\n"
            "network net { ask matmul(m = 64, k = 64, n = 64) }\n"
            "precision of net { both = 8 bit }\n"
            f"chip = {text}\nminimize chip.energy\n"
        ).space
        for chosen in (node("45nm"), node("7nm"), 'node = "7nm", dram_kind = "hbm2"')
    ]
    spaces = [s for s in found if s is not None]
    assert len(spaces) == 3
    for row in sample(spaces[0], 5, 0):
        design = decode(spaces[0].decisions, row)
        charged = [evaluate(s.objectives[0].value, design) for s in spaces]
        assert charged == sorted(charged, reverse=True) and len(set(charged)) == 3  # type: ignore[type-var]


def test_fits_lie_where_the_text_says() -> None:
    import technology

    energy, area = technology.deviations()
    assert len(energy) == len(area) == 60
    for found, spread, most in ((energy, 0.185, 0.34), (area, 0.07, 0.205)):
        assert sqrt(sum(d * d for d in found) / 60) < spread and max(map(abs, found)) < most
