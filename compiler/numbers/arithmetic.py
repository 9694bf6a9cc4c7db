"""Arithmetic as array steps: which operation comes first, and which of them may have no value.

Small arrays are folded first. What is over maps is folded apart from what is not, so that sums and products that scale
the same array share it; products under a rounding keep the order in which they are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy
from cospace.compiler.numbers import ranges
from cospace.compiler.numbers.steps import Emitter, Ref, Value_, weight
from cospace.compiler.space.graph import Expr, Value


class Arithmetic(Emitter):
    """The part of the builder that knows numbers."""

    def __init__(self, certify: bool = False) -> None:
        super().__init__(certify)
        self._split: set[int] = set()
        self._met: set[int] = set()
        self._rounded: set[int] = set()
        self._scaled: dict[int, tuple[Ref, Ref]] = {}
        """Products: what reads no map, and what does."""

    def _const(self, value: Value) -> Value_:
        if isinstance(value, bool):
            return Value_(self.scalar(value))
        key = ("constant", value.__class__, value)
        if key not in self._emitted:
            if isinstance(value, Fraction):
                span = ranges.of_constant(value)
                number = span.low if math.isfinite(span.low) else math.nan
                self._emitted[key] = self.constant(numpy.array([number]), "number", (), span)
            else:
                self._emitted[key] = self.constant(numpy.array([self.code(value)]), "index")
        return Value_(self._emitted[key])

    def _arithmetic(self, node: Expr, args: list[Ref]) -> Ref:
        op = node.op
        if op == "mul":
            return self._product(node, args)
        if op in ("add", "min", "max"):
            return self._fold(op, args)
        if op == "div":
            a, b = args
            if a.id in self._scaled and not b.dims and not may_be_zero(b) and id(node) not in self._rounded:
                factor, over = self._scaled[a.id]
                return self._scale(self._divide(factor, b), over)
            return self._divide(a, b)
        if op == "pow":
            return self._power(node, args[0], args[1])
        if op == "mod":
            a, b = args
            checks: tuple[Ref, ...] = ()
            quotient = ranges.div(a.range, b.range)
            if self.certify and not (a.range.exact and b.range.exact):
                checks = (self.emit("near_integer", self._divide(a, b), kind="bool", setting=quotient.error * 1.01),)
            return self.emit("mod", a, b, checks=checks, nan=a.nan or b.nan or may_be_zero(b))
        a = args[0]
        if op in ("floor", "ceil"):
            watch = self.certify and not (a.range.exact or a.range.ratio)
            apart = ranges.between_integers(a.range) if watch else 0.0
            if apart:
                moved = self.emit("add", a, self.scalar(apart / 2 if op == "floor" else -apart / 2))
                return self.emit(op, moved)
            near = (self.emit("near_integer", a, kind="bool", setting=a.range.error * 1.01),) if watch else ()
            return self.emit(op, a, checks=near)
        partial = op in ("sqrt", "log2", "log10", "log") and not a.range.low > 0
        if op == "sqrt" and a.range.low >= 0:
            partial = False
        return self.emit(op, a, nan=a.nan or partial)

    def _fold(self, name: str, args: Iterable[Ref]) -> Ref:
        """Small arrays first, so that few operations run at full size; what is over maps is folded by itself, for
        other sums and products have that in common."""
        total: Ref | None = None
        over: Ref | None = None
        args = self._gathered_terms(args) if name == "add" else args
        for a in sorted(args, key=lambda a: (math.prod(a.dims), *weight(a))):
            if a.dims and name in ("mul", "min", "max"):
                over = a if over is None else self.emit(name, over, a)
            else:
                total = a if total is None else self.emit(name, total, a)
        if total is None or over is None:
            found = over if total is None else total
            assert found is not None
            return found
        return self._scale(total, over) if name == "mul" else self.emit(name, total, over)

    def _scale(self, factor: Ref, over: Ref) -> Ref:
        """A product of what reads no map and what does."""
        made = self.emit("mul", factor, over)
        self._scaled[made.id] = factor, over
        return made

    def _gathered_terms(self, args: Iterable[Ref]) -> list[Ref]:
        """Terms of a sum with those that scale the same array over maps made one."""
        factors: dict[int, list[Ref]] = {}
        overs: dict[int, Ref] = {}
        found: list[Ref] = []
        for a in args:
            if a.id in self._scaled and a.const is None:
                factor, over = self._scaled[a.id]
                factors.setdefault(over.id, []).append(factor)
                overs[over.id] = over
            else:
                found.append(a)
        return found + [self._scale(self._fold("add", own), overs[i]) for i, own in factors.items()]

    def _product(self, node: Expr, args: list[Ref]) -> Ref:
        head = node.args[0]
        if id(node) in self._split and head.is_const and isinstance(head.value, Fraction):
            factor = head.value
            below = factor.denominator
            if below & (below - 1) and below < 2**53 and abs(factor.numerator) < 2**53:
                top = self._const(Fraction(factor.numerator)).ref
                rest = [*args[1:]] if factor.numerator == 1 else [top, *args[1:]]
                return self._divide(self._fold("mul", rest), self._const(Fraction(below)).ref)
        return self._fold("mul", args)

    def _divide(self, a: Ref, b: Ref) -> Ref:
        zero = may_be_zero(b)
        return self.emit("div" if zero else "quotient", a, b, nan=a.nan or b.nan or zero)

    def _power(self, node: Expr, a: Ref, b: Ref) -> Ref:
        exponent = node.args[1]
        if exponent.is_const and isinstance(exponent.value, Fraction) and exponent.value.denominator == 1:
            n = int(exponent.value)
            if 0 < abs(n) <= 64:
                raised = self._repeated(a, abs(n))
                return raised if n > 0 else self._divide(self.scalar(1.0), raised)
        sure = a.range.low > 0 or (a.range.low >= 0 and b.range.low > 0)
        return self.emit("pow", a, b, nan=a.nan or b.nan or not sure)

    def _repeated(self, a: Ref, n: int) -> Ref:
        result: Ref | None = None
        square = a
        while n:
            if n & 1:
                result = square if result is None else self.emit("mul", result, square)
            n >>= 1
            if n:
                square = self.emit("mul", square, square)
        assert result is not None
        return result

    def _mark_split(self, root: Expr) -> None:
        """Products with a factor p/q under a rounding or a comparison are divided by q, which is exact."""
        pending: list[Expr] = []
        below = [root]
        while below:
            node = below.pop()
            if id(node) not in self._met:
                self._met.add(id(node))
                below.extend(node.args)
                if node.op in ("floor", "ceil", "mod", "eq", "le", "lt"):
                    pending.extend(node.args)
        while pending:
            node = pending.pop()
            if id(node) in self._rounded:
                continue
            self._rounded.add(id(node))
            if node.op == "mul":
                self._split.add(id(node))
            if node.op in ("add", "mul", "min", "max", "abs", "div"):
                pending.extend(node.args)
            elif node.op == "if":
                pending.extend(node.args[1:])


def may_be_zero(b: Ref) -> bool:
    return not (b.range.low > b.range.error or b.range.high < -b.range.error)
