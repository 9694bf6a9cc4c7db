"""The row-stationary setting of `std.loop_nest`: counts by hand, what a batch shares, what the page says of a chip."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import silicon  # noqa: E402


@pytest.fixture(scope="module")
def modelled() -> dict[str, tuple[float, float, float, float]]:
    return silicon.modelled()


def test_counts_by_hand(modelled: dict[str, tuple[float, float, float, float]]) -> None:
    """conv3: four sets of 3 x 13 elements, 16 channels each; inputs come anew for each 64 channels, weights once."""
    ms, moved, _, elements = modelled["conv3"]
    passes = 384 / (4 * 16) * 256  # of which each takes 13 columns x 3 taps x 16 channels, for each of four images
    assert ms == pytest.approx(passes * 4 * 13 * 3 * 16 / 200e3, rel=1e-12)
    numbers = 384 / 64 * 256 * 15 * 15 * 4 + 384 * 256 * 3 * 3 + 384 * 13 * 13 * 4
    assert moved == pytest.approx(2 * numbers / 1e6, rel=1e-12)
    assert elements == 4 * 3 * 13


def test_no_layer_is_faster_than_its_array_nor_moves_less_than_all_once(
    modelled: dict[str, tuple[float, float, float, float]],
) -> None:
    works = {"conv1": (3, 96, 55, 11, 4, 1), "conv2": (48, 128, 27, 5, 1, 2), "conv3": (256, 384, 13, 3, 1, 1),
             "conv4": (192, 192, 13, 3, 1, 2), "conv5": (192, 128, 13, 3, 1, 2)}  # fmt: skip
    for name, (cin, cout, rows, kernel, stride, groups) in works.items():
        ms, moved, _, elements = modelled[name]
        macs = 4 * groups * cin * cout * rows**2 * kernel**2
        assert ms >= 0.999999 * macs / elements / 200e3 and elements <= 168
        wide = (rows - 1) * stride + kernel
        once = groups * (4 * (cin * wide**2 + cout * rows**2) + cin * cout * kernel**2)
        assert moved >= 2 * once / 1e6


def test_the_page_prints_what_the_benchmark_does(
    modelled: dict[str, tuple[float, float, float, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    silicon.main()
    printed = capsys.readouterr().out.splitlines()
    page = (ROOT / "docs" / "accelerators.md").read_text("utf-8")
    shown = re.search(r"^```text table\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert not set(shown[1].splitlines()) - set(printed)
    assert list(modelled) == list(silicon.PUBLISHED)


def energy(setting: str) -> Fraction:
    found = compile_text(
        "space t\nimport std.works\nimport std.learn\nimport std.loop_nest\n"
        "network net { ask conv(cin = 16, cout = 32, rows = 8, kh = 3); ask matmul(m = 1, k = 64, n = 64) }\n"
        f"precision of net {{ both = 8 bit }}\nchip = loop_nest({setting})\n"
        "minimize chip.energy\nbaseline b { chip.style = multi_cycle }\n"
    )
    assert found.space is not None, [d.message for d in found.diagnostics]
    value = evaluate(found.space.objectives[0].value, dict(found.space.references[0].design))
    assert isinstance(value, Fraction)
    return value


def test_a_batch_shares_weights_and_never_costs_an_image_more() -> None:
    """Energy of one image where energy-delay is minimised: here both fall, as a matrix product is all weights."""
    found = [energy(f"batch = {n}") for n in (1, 2, 4, 8)]
    assert found == sorted(found, reverse=True) and found[-1] < found[0] * Fraction(9, 10)


def test_tiles_may_be_any() -> None:
    assert energy("ktiles = {8, 64, 512}") == energy("") <= energy("ktiles = {8}, ctiles = {8}")
