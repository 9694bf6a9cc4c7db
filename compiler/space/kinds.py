"""What values are: numbers in a unit, Booleans, symbols, texts, and kinds that only the runtime knows."""

from __future__ import annotations

from fractions import Fraction

from attrs import frozen
from cospace.compiler.space.dimension import Dimension, plain


@frozen(cache_hash=True)
class Symbol:
    """A bare name used as a value: `relu`, `combine_first`, `sequential`."""

    name: str

    def __str__(self) -> str:
        return self.name


Value = Fraction | bool | Symbol | str
"""What a decision takes and an expression evaluates to."""


@frozen(cache_hash=True)
class Type:
    """kind: number, bool, symbol, text, or an opaque kind of the runtime (loss, engine, optimiser, …)."""

    kind: str
    unit: Dimension = ()


NUMBER = Type("number")
BOOL = Type("bool")
SYMBOL = Type("symbol")
TEXT = Type("text")
_numbers: dict[Dimension, Type] = {(): NUMBER}


def number_in(unit: Dimension) -> Type:
    """The type of numbers in a unit: one object for each."""
    if not unit:
        return NUMBER
    found = _numbers.get(unit)
    if found is None:
        found = _numbers[unit] = Type("number", plain(unit))
    return found
