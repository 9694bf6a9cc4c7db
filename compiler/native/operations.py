"""What each array step does, as instructions on vectors of a few designs: the same operation, in the same rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cospace.compiler.native.schedule import Task
from llvmlite import ir

I1, I8, I64, F64 = ir.IntType(1), ir.IntType(8), ir.IntType(64), ir.DoubleType()
SCALARS = {"number": F64, "bool": I8, "index": I64}
"""What an array holds."""


class Operations:
    """Instructions, written where the builder `b` stands. Each operation is `_name(task, arguments)`."""

    b: Any
    module: Any
    lanes: int

    def vector(self, of: Any) -> Any:
        return ir.VectorType(of, self.lanes)

    def splat(self, value: Any) -> Any:
        """One scalar in all lanes."""
        of = self.vector(value.type)
        one = self.b.insert_element(ir.Constant(of, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(self.vector(ir.IntType(32)), [0] * self.lanes)
        return self.b.shuffle_vector(one, ir.Constant(of, ir.Undefined), zeros)

    def number(self, value: float) -> Any:
        return ir.Constant(self.vector(F64), [value] * self.lanes)

    def whole(self, value: int) -> Any:
        return ir.Constant(self.vector(I64), [value] * self.lanes)

    def truth(self, value: bool) -> Any:
        return ir.Constant(self.vector(I1), [int(value)] * self.lanes)

    def lanes_of(self, where: Any, value: Callable[[Any], Any], kind: str) -> Any:
        """Lane by lane: what `value` gives for the lane of an index."""
        found = ir.Constant(self.vector(SCALARS[kind]), ir.Undefined)
        for k in range(self.lanes):
            lane = ir.Constant(ir.IntType(32), k)
            found = self.b.insert_element(found, value(self.b.extract_element(where, lane)), lane)
        return self._truths(found) if kind == "bool" else found

    def _truths(self, bytes_: Any) -> Any:
        return self.b.trunc(bytes_, self.vector(I1))

    def call(self, name: str, *args: Any) -> Any:
        full = f"llvm.{name}.v{self.lanes}f64"
        function = self.module.globals.get(full)
        if function is None:
            of = self.vector(F64)
            function = ir.Function(self.module, ir.FunctionType(of, [of] * len(args)), full)
        return self.b.call(function, args)

    # ---- operations

    def _add(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.fadd(a, b)

    def _mul(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.fmul(a, b)

    def _quotient(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.fdiv(a, b)

    def _div(self, t: Task, a: Any, b: Any) -> Any:
        zero = self.b.fcmp_ordered("==", b, self.number(0.0))
        return self.b.select(zero, self.number(math.nan), self.b.fdiv(a, b))

    def _mod(self, t: Task, a: Any, b: Any) -> Any:
        nothing = self.number(0.0)
        rest = self.b.frem(a, b)
        apart = self.b.xor(self.b.fcmp_ordered("<", b, nothing), self.b.fcmp_ordered("<", rest, nothing))
        moved = self.b.select(apart, self.b.fadd(rest, b), rest)
        whole = self.b.fcmp_ordered("==", rest, nothing)
        found = self.b.select(whole, self.call("copysign", nothing, b), moved)
        return self.b.select(self.b.fcmp_ordered("==", b, nothing), self.number(math.nan), found)

    def _floor(self, t: Task, a: Any) -> Any:
        return self.call("floor", a)

    def _ceil(self, t: Task, a: Any) -> Any:
        return self.call("ceil", a)

    def _abs(self, t: Task, a: Any) -> Any:
        return self.call("fabs", a)

    def _sqrt(self, t: Task, a: Any) -> Any:
        return self.call("sqrt", a)

    def _min(self, t: Task, a: Any, b: Any) -> Any:
        return self.least(a, b, t.nan, "<")

    def _max(self, t: Task, a: Any, b: Any) -> Any:
        return self.least(a, b, t.nan, ">")

    def least(self, a: Any, b: Any, nan: bool, sign: str = "<") -> Any:
        """As numpy's minimum (or maximum): nan where one is."""
        taken = self.b.fcmp_ordered(sign, a, b)
        if nan:
            taken = self.b.or_(taken, self.b.fcmp_unordered("uno", a, a))
        return self.b.select(taken, a, b)

    def _compared(self, sign: str, t: Task, a: Any, b: Any) -> Any:
        if t.args[0].kind == "number":
            return self.b.fcmp_ordered(sign, a, b)
        return self.b.icmp_signed(sign, a, b)

    def _eq(self, t: Task, a: Any, b: Any) -> Any:
        return self._compared("==", t, a, b)

    def _lt(self, t: Task, a: Any, b: Any) -> Any:
        return self._compared("<", t, a, b)

    def _le(self, t: Task, a: Any, b: Any) -> Any:
        return self._compared("<=", t, a, b)

    def _and(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.and_(a, b)

    def _or(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.or_(a, b)

    def _not(self, t: Task, a: Any) -> Any:
        return self.b.not_(a)

    def _isnan(self, t: Task, a: Any) -> Any:
        return self.b.fcmp_unordered("uno", a, a)

    def _finite(self, t: Task, a: Any) -> Any:
        return self.b.fcmp_ordered("<", self.call("fabs", a), self.number(math.inf))

    def _same(self, t: Task, a: Any) -> Any:
        return a

    def _where(self, t: Task, c: Any, a: Any, b: Any) -> Any:
        return self.b.select(c, a, b)

    def _choose(self, t: Task, index: Any, *items: Any) -> Any:
        found = items[-1]
        for k, item in enumerate(items[:-1], int(t.setting)):
            found = self.b.select(self.b.fcmp_ordered("==", index, self.number(float(k))), item, found)
        return found

    def _masked(self, t: Task, a: Any, c: Any) -> Any:
        return self.b.select(c, a, self.number(float(t.setting)))

    def _near(self, t: Task, a: Any, b: Any) -> Any:
        slack = float(t.setting)
        if math.isinf(slack):
            return self.truth(True)
        return self.b.fcmp_ordered("<=", self.call("fabs", self.b.fsub(a, b)), self.number(slack))

    def _near_integer(self, t: Task, a: Any) -> Any:
        slack = float(t.setting)
        if math.isinf(slack):
            return self.truth(True)
        off = self.call("fabs", self.b.fsub(a, self.call("rint", a)))
        return self.b.fcmp_ordered("<=", off, self.number(slack))

    def _joint(self, t: Task, a: Any, b: Any) -> Any:
        return self.b.add(self.b.mul(a, self.whole(int(t.setting))), b)

    def _at_most(self, t: Task, a: Any, least: Any) -> Any:
        relative, absolute = t.setting
        return self.b.fcmp_ordered("<=", a, self.slack(least, relative, absolute))

    def slack(self, least: Any, relative: float, absolute: float) -> Any:
        """What still counts as the least."""
        if relative:
            least = self.b.fadd(least, self.b.fmul(self.call("fabs", least), self.number(relative)))
        return self.b.fadd(least, self.number(absolute)) if absolute else least

    def _within_tie(self, t: Task, tied: Any, goal: Any, least: Any) -> Any:
        relative, absolute = t.setting
        values = self.b.select(tied, goal, self.number(math.inf))
        off = self.b.fadd(self.b.fmul(self.call("fabs", least), self.number(relative)), self.number(absolute))
        return self.b.and_(self.b.fcmp_ordered("<=", values, self.b.fadd(least, off)), tied)
