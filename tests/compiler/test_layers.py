"""The layer lists of `std.layers` against what is published of the networks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.model import Space

TEXT = """space s
import std.layers
import std.learn
lanes = choose {1, 2}
network net { CALL }
precision of net { both = 8 bit }
accelerator chip {
    on conv(macs)   { cycles = macs; count = 1 }
    on matmul(macs) { cycles = macs; count = 1 }
    macs  = sum(works.cycles) / lanes
    count = sum(works.count)
}
minimize chip.macs
"""


def numbers(call: str) -> tuple[Fraction, Fraction, Space]:
    made = compile_text(TEXT.replace("CALL", call))
    assert made.space is not None, [d.message for d in made.diagnostics]
    quantities = dict(made.space.accelerators[0].quantities)
    macs, count = (evaluate(quantities[q], {"lanes": Fraction(1)}) for q in ("macs", "count"))
    assert isinstance(macs, Fraction) and isinstance(count, Fraction)
    return macs, count, made.space


def test_resnet50_has_its_products_and_layers() -> None:
    macs, count, _ = numbers("resnet50_layers()")
    assert macs == 4_089_184_256, "as counted of torchvision's"
    assert count == 54, "53 convolutions and the classifier"


@pytest.mark.parametrize("tokens", [128, 512])
def test_bert_base_has_its_products_and_layers(tokens: int) -> None:
    macs, count, _ = numbers(f"bert_base_layers(tokens = {tokens})")
    weights = 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert macs == tokens * weights + 12 * 2 * tokens**2 * 768
    assert count == 12 * (6 + 2 * 12)
