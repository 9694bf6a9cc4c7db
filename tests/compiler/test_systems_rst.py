"""Tickets in untrained weights: how many scores a layer keeps, what its mask takes, what a dense ticket costs."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import log2
from pathlib import Path

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

SPECS = Path(__file__).parents[2] / "specs"
DENSITIES = (1, 3, 5, 7, 8, 10, 15, 20, 30, 40, 50, 60, 90)
BACKBONES = ("resnet18", "vgg16", "wide_resnet32", "mobilenet_v2")
PATTERNS = ("element", "row", "kernel", "filter")


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPECS / "rst.cospace")
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


@pytest.mark.parametrize("scores, wanted", [(1_728, (87, 173, 346)), (36_864, (1_844, 3_687, 7_373)),
                                            (2_359_296, (117_965, 235_930, 471_860))])  # fmt: skip
def test_how_many_scores_are_kept(scores: int, wanted: tuple[int, ...]) -> None:
    space = compile_text(f"""space kept_scores
import std.learn
density = choose {{5, 10, 20}} %
maximize kept({scores}, density)
""").space
    assert space is not None
    found = [evaluate(space.objectives[0].value, {"density": Fraction(k, 100)}) for k in (5, 10, 20)]
    assert tuple(found) == wanted


def convolutions(backbone: str, width: int) -> list[tuple[int, int, int]]:
    """(in, out, kernel) of each, the classifier as a 1x1 convolution, in plain Python."""
    if backbone == "vgg16":
        widths = [width * w for w, n in zip((1, 2, 4, 8, 8), (2, 2, 3, 3, 3), strict=True) for _ in range(n)]
        return [(c, d, 3) for c, d in itertools.pairwise([3, *widths])] + [(8 * width, 10, 1)]
    if backbone == "wide_resnet32":
        layers, c = [(3, 16, 3)], 16
        for stage in range(3):
            out = width * 5 // 2 * 2**stage
            layers += [(c, out, 3), (c, out, 1), *[(out, out, 3)] * 9]
            c = out
        return [*layers, (c, 10, 1)]
    if backbone == "mobilenet_v2":
        layers, c = [(3, width // 2, 3)], width // 2
        for w, n, wider in zip((16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1), (1, *[6] * 6), strict=True):
            for _ in range(n):
                out, between = w * width // 64, c * wider
                layers += [(c, between, 1), (1, between, 3), (between, out, 1)]
                c = out
        return [*layers, (c, 1280, 1), (1280, 10, 1)]
    layers, c = [(3, width, 3)], width
    for stage in range(4):
        out = width * 2**stage
        layers += [(c, out, 3), (out, out, 3), (out, out, 3), (out, out, 3)]
        layers += [(c, out, 1)] if stage else []
        c = out
    return [*layers, (c, 10, 1)]


def units(pattern: str, layers: list[tuple[int, int, int]]) -> int:
    per = {"element": lambda k: k * k, "row": lambda k: k, "kernel": lambda k: 1}
    return sum(d if pattern == "filter" else c * d * per[pattern](k) for c, d, k in layers)


def mask(pattern: str, density: int, layers: list[tuple[int, int, int]]) -> float:
    k = density / 100
    return units(pattern, layers) * (k * log2(1 / k) + (1 - k) * log2(1 / (1 - k)))


def test_the_space_is_counted_exactly(space: Space) -> None:
    found = count(space)
    assert found.raw == len(PATTERNS) * len(DENSITIES) * 5 * 2 * len(BACKBONES) * 2
    fits = sum(
        mask(pattern, density, convolutions(backbone, width)) <= 8 * 2**20
        for pattern in PATTERNS for density in DENSITIES for backbone in BACKBONES for width in (32, 64)
    )  # fmt: skip
    assert found.exact and found.feasible == 5 * 2 * fits


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_a_mask_takes(space: Space, pattern: str, backbone: str) -> None:
    design: dict[str, Value] = {
        "robust.pattern": Symbol(pattern), "robust.density": Fraction(1, 20), "robust.init": Symbol("signed_constant"),
        "classifier.width": Fraction(64), "classifier.backbone": Symbol(backbone),
    }  # fmt: skip
    found = evaluate(space.objectives[-1].value, design)
    assert isinstance(found, (Fraction, Enclosure))
    middle = found.middle if isinstance(found, Enclosure) else found
    assert float(middle) == pytest.approx(mask(pattern, 5, convolutions(backbone, 64)), rel=1e-9)


def test_what_a_bit_of_a_mask_takes_when_it_is_coded() -> None:
    space = compile_text("space coded\nimport std.learn\nshare = choose {5, 50} %\nminimize entropy(share)\n").space
    assert space is not None
    found = evaluate(space.objectives[0].value, {"share": Fraction(5, 100)})
    assert isinstance(found, Enclosure)
    assert float(found.middle) == pytest.approx(0.286, abs=5e-4)
