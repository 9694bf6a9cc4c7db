"""One column of a table: what it holds, and what its cells say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from fractions import Fraction

from attrs import frozen
from cospace.compiler.elaborate.table_files import Wrong
from cospace.compiler.space.graph import Symbol, Type, Value
from cospace.dsl.suggest import closest


@frozen(eq=False)
class Column:
    """One column: its name in a file, the type of its values, one of its unit, the symbols it may hold."""

    name: str
    type: Type
    scale: Fraction = Fraction(1)
    symbols: frozenset[str] = frozenset()
    low: Fraction | None = None
    high: Fraction | None = None
    whole: bool = False


def refused(value: Value, column: Column) -> str | None:
    """Why a value can't stand in a column."""
    if column.symbols and isinstance(value, Symbol) and value.name not in column.symbols:
        near = closest(value.name, sorted(column.symbols))
        return f"can't be `{value.name}`" + (f"; did you mean `{near}`?" if near else "")
    if isinstance(value, Fraction):
        plain = value / column.scale
        if column.whole and plain.denominator != 1:
            return f"is a whole number, not {plain}"
        if column.low is not None and column.high is not None and not column.low <= value <= column.high:
            return f"lies in {column.low}..{column.high}, and {float(plain):g} doesn't"
    return None


_DECIMAL = re.compile(r"[+-]?([0-9]{1,20})(?:\.([0-9]{1,20}))?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")


def is_plain(column: Column) -> Callable[[str], object] | None:
    """What tells at once that a text is a value of a column; not for all that are. None where nothing does."""
    if column.type.kind != "number" or column.low is not None:
        return None
    return (_WHOLE if column.whole else _DECIMAL).fullmatch


def parse(text: str, column: Column) -> Value | None:
    plain = _DECIMAL.fullmatch(text)
    if plain is not None and column.type.kind == "number":
        places, scale = plain[2] or "", column.scale
        whole = int(plain[1] + places) * (-1 if text[0] == "-" else 1)
        return Fraction(whole * scale.numerator, 10 ** len(places) * scale.denominator)
    text = text.strip()
    if not text or text.lower() in ("nan", "na"):
        return None
    if column.type.kind == "text":
        return text
    if column.type.kind == "symbol":
        return Symbol(text)
    if column.type.kind == "bool":
        if text.lower() not in ("true", "false"):
            raise Wrong(f"is true or false, not `{text[:40]}`")
        return text.lower() == "true"
    try:
        if len(text) > 64:
            raise ValueError
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise Wrong(f"is a number, and `{text[:40]}` isn't one") from None
    if abs(value.numerator).bit_length() > 4_096 or value.denominator.bit_length() > 4_096:
        raise Wrong(f"is out of reach: `{text[:40]}`")
    return value * column.scale


def as_declared(key: str, column: Column, kind: str, symbols: Collection[str] | None) -> str | None:
    """What to write where a key is a symbol and its column holds texts, or the other way round."""
    if kind == "symbol" and column.type.kind == "text":
        return f"declare the key by its symbols: `{key}: {{{', '.join(sorted(symbols or ())) or '…'}}}`"
    if kind == "text" and column.type.kind == "symbol":
        return "write a symbol without quotes"
    return None
