"""What goes over all places of a nest: the least, the first, whether any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cospace.compiler.native.operations import I64
from cospace.compiler.native.schedule import Task
from llvmlite import ir

if TYPE_CHECKING:
    from cospace.compiler.native.emit import Writer


class Fold:
    """What goes over all places of a nest, kept in a register of its own."""

    def __init__(self, writer: Writer, task: Task) -> None:
        self.writer, self.task = writer, task
        w = writer
        first = {
            "least": lambda: w.number(math.inf), "least_tied": lambda: w.number(math.inf),
            "greatest": lambda: w.number(-math.inf),
            "any": lambda: w.truth(False), "differ": lambda: w.truth(False),
            "first_true": lambda: w.whole(-1),
        }[task.name]()  # fmt: skip
        self.cell = w.cell(first.type)
        w.b.store(first, self.cell)

    def step(self) -> None:
        w, t = self.writer, self.task
        now = w.b.load(self.cell)
        args = [w.value(a) for a in t.args]
        if t.name == "least":
            made = w.least(args[0], now, t.nan)
        elif t.name == "greatest":
            made = w.least(args[0], now, False, ">")
        elif t.name == "least_tied":
            made = w.least(w.b.select(args[0], args[1], w.number(math.inf)), now, t.nan)
        elif t.name == "any":
            made = w.b.or_(now, args[0])
        elif t.name == "differ":
            made = w.b.or_(now, self._differs(w, t, args))
        else:
            open_ = w.b.and_(args[0], w.b.icmp_signed("<", now, w.whole(0)))
            made = w.b.select(open_, w.splat(w.flat(t.over)), now)
        w.b.store(made, self.cell)

    def end(self) -> Any:
        w = self.writer
        found = w.b.load(self.cell)
        if self.task.name != "first_true":
            return found
        last = ir.Constant(I64, 1)
        for axis in self.task.over:
            last = w.b.mul(last, w.sizes[axis])
        none = w.splat(w.b.sub(last, ir.Constant(I64, 1)))
        return w.b.select(w.b.icmp_signed("<", found, w.whole(0)), none, found)

    @staticmethod
    def _differs(w: Writer, t: Task, args: Sequence[Any]) -> Any:
        tied, quantity, picked = args
        _, relative, absolute = t.setting
        if t.args[1].kind != "number":
            same = w.b.icmp_signed("==", quantity, picked)
        elif relative or absolute:
            off = w.b.fadd(w.b.fmul(w.call("fabs", picked), w.number(relative)), w.number(absolute))
            same = w.b.fcmp_ordered("<=", w.call("fabs", w.b.fsub(quantity, picked)), off)
        else:
            same = w.b.fcmp_ordered("==", quantity, picked)
        return w.b.and_(tied, w.b.not_(same))

    @staticmethod
    def alone(w: Writer, t: Task, args: Sequence[Any]) -> Any:
        """The same where there is one place."""
        if t.name == "least_tied":
            return w.b.select(args[0], args[1], w.number(math.inf))
        if t.name == "first_true":
            return w.whole(0)
        return Fold._differs(w, t, args) if t.name == "differ" else args[0]
