"""A kernel as LLVM's intermediate representation: a few designs at a time, one lane of a vector each.

Every operation is the one that its array step does, in the same order and rounding, so that both give the same bits.

    void kernel(i64 first, i64 last, i64 n, i8** arrays, i64* sizes)

goes over the designs first ... last - 1 of n, at least as many as there are lanes; the last few may be done twice.
arrays: what the kernel reads, gives and keeps, in this order; an array has the axes (maps ..., n), one that is kept
(maps ..., lanes). sizes: of `axes_read`. Booleans take a byte.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from cospace.compiler.native.folds import Fold
from cospace.compiler.native.operations import I8, I64, SCALARS, Operations
from cospace.compiler.native.schedule import FOLDS, PICKS, Axes, Axis, Kernel, Nest, Operand, Task
from llvmlite import ir

NAME = "kernel"


def arrays_of(kernel: Kernel) -> tuple[Operand, ...]:
    """The arrays that it is called with."""
    return (*kernel.reads, *kernel.gives, *kernel.kept)


def axes_read(kernel: Kernel) -> list[Axis]:
    """The axes whose sizes it is called with."""
    found = {a for nest in kernel.nests for a in nest.over}
    return sorted(found | {a for o in arrays_of(kernel) for a in o.axes}, reverse=True)


def emit(kernel: Kernel, lanes: int) -> str:
    """Its text."""
    return str(Writer(kernel, lanes).module)


@frozen(eq=False)
class _Loop:
    """One loop that is open: where its counter is kept, and its blocks."""

    cell: Any
    head: Any
    done: Any


class Writer(Operations):
    """Writes a kernel. b: where it writes."""

    def __init__(self, kernel: Kernel, lanes: int) -> None:
        self.kernel, self.lanes = kernel, lanes
        self.module = ir.Module()
        arguments = [I64, I64, I64, I8.as_pointer().as_pointer(), I64.as_pointer()]
        self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), NAME)
        self.entry = self.function.append_basic_block("entry")
        self.b = ir.IRBuilder(self.entry)
        self.known: dict[int, Any] = {}  # values without axes
        self.inside: dict[int, Any] = {}  # those of the place where the nest is
        self.counters: dict[Axis, Any] = {}
        self.flats: dict[Axes, Any] = {}
        first, last, self.n, arrays, sizes = self.function.args
        given, kept = (*kernel.reads, *kernel.gives), kernel.kept
        pointers = [self._pointer(arrays, k, o.kind) for k, o in enumerate((*given, *kept))]
        self.given = {o.id: p for o, p in zip(given, pointers, strict=False)}
        self.kept = {o.id: p for o, p in zip(kept, pointers[len(given) :], strict=True)}
        self.gives = {o.id for o in kernel.gives}
        self.sizes = {a: self.b.load(self.b.gep(sizes, [ir.Constant(I64, k)])) for k, a in enumerate(axes_read(kernel))}
        self._designs(first, last)

    def _pointer(self, arrays: Any, k: int, kind: str) -> Any:
        raw = self.b.load(self.b.gep(arrays, [ir.Constant(I64, k)]))
        return self.b.bitcast(raw, SCALARS[kind].as_pointer())

    def _designs(self, first: Any, last: Any) -> None:
        """The loop over designs."""
        at = self.b.alloca(I64)
        self.b.store(first, at)
        head, body, end = (self.function.append_basic_block(n) for n in ("designs", "some", "end"))
        self.b.branch(head)
        self.b.position_at_end(head)
        now = self.b.load(at)
        self.b.cbranch(self.b.icmp_signed("<", now, last), body, end)
        self.b.position_at_end(body)
        limit = self.b.sub(last, ir.Constant(I64, self.lanes))
        self.v = self.b.select(self.b.icmp_signed("<", now, limit), now, limit)
        for o in self.kernel.reads:
            if not o.axes:
                self.known[o.id] = self._alone(o)
        for nest in self.kernel.nests:
            self._nest(nest)
        self.b.store(self.b.add(now, ir.Constant(I64, self.lanes)), at)
        self.b.branch(head)
        self.b.position_at_end(end)
        self.b.ret_void()

    # ---- memory

    def _load(self, pointer: Any, at: Any, kind: str) -> Any:
        where = self.b.gep(pointer, [at])
        of = self.vector(SCALARS[kind])
        value = self.b.load(self.b.bitcast(where, of.as_pointer()), align=1 if kind == "bool" else 8)
        return self._truths(value) if kind == "bool" else value

    def _store(self, value: Any, pointer: Any, at: Any, kind: str) -> None:
        if kind == "bool":
            value = self.b.zext(value, self.vector(I8))
        where = self.b.bitcast(self.b.gep(pointer, [at]), value.type.as_pointer())
        self.b.store(value, where, align=1 if kind == "bool" else 8)

    def _read(self, o: Operand, flat: Any) -> Any:
        """What comes from outside, at a place of its axes."""
        pointer = self.given[o.id]
        if o.uniform:
            value = self.b.load(self.b.gep(pointer, [flat]))
            return self._truths(self.splat(value)) if o.kind == "bool" else self.splat(value)
        return self._load(pointer, self.b.add(self.b.mul(flat, self.n), self.v), o.kind)

    def _alone(self, o: Operand) -> Any:
        """What comes from outside and has no axes."""
        array = None if o.ref is None else o.ref.const
        if array is None or array.size != 1:
            return self._read(o, ir.Constant(I64, 0))
        value = array.reshape(-1)[0]
        if o.kind == "number":
            return self.number(float(value))
        return self.truth(bool(value)) if o.kind == "bool" else self.whole(int(value))

    def _fetch(self, o: Operand, flat: Any) -> Any:
        """A value with axes that was made before, or comes from outside."""
        if o.id in self.kept:
            return self._load(self.kept[o.id], self.b.mul(flat, ir.Constant(I64, self.lanes)), o.kind)
        return self._read(o, flat)

    # ---- loops

    def _nest(self, nest: Nest) -> None:
        made = {t.out.id for t in nest.tasks}
        wanted = {
            a.id: a
            for t in nest.tasks
            if t.name not in PICKS
            for k, a in enumerate(t.args)
            if a.axes and a.id not in made and not (t.name in ("gather", "take") and k == 0)
        }
        self.inside = {}
        self.flats = {(): ir.Constant(I64, 0)}
        folds = [Fold(self, t) for t in nest.tasks if t.name in FOLDS] if nest.over else []
        loops: list[_Loop] = []
        for axis in nest.over:
            loops.append(self._open(axis))
            for o in wanted.values():
                if o.axes[-1] == axis:
                    self.inside[o.id] = self._fetch(o, self.flat(o.axes))
        for t in nest.tasks:
            if t.name in FOLDS and nest.over:
                next(f for f in folds if f.task is t).step()
                continue
            value = self._make(t, nest.over)
            (self.inside if nest.over else self.known)[t.out.id] = value
            if t.out.id in self.kept:
                at = self.b.mul(self.flat(t.out.axes), ir.Constant(I64, self.lanes))
                self._store(value, self.kept[t.out.id], at, t.out.kind)
            self._give(t.out, value, nest.over)
        for loop in reversed(loops):
            self.b.store(self.b.add(self.b.load(loop.cell), ir.Constant(I64, 1)), loop.cell)
            self.b.branch(loop.head)
            self.b.position_at_end(loop.done)
        self.inside = {}
        for f in folds:
            value = self.known[f.task.out.id] = f.end()
            self._give(f.task.out, value, ())

    def _give(self, o: Operand, value: Any, over: Axes) -> None:
        if o.id in self.gives:
            flat = self.flat(o.axes) if o.axes else ir.Constant(I64, 0)
            self._store(value, self.given[o.id], self.b.add(self.b.mul(flat, self.n), self.v), o.kind)

    def cell(self, of: Any) -> Any:
        """Room for one value, made once."""
        with self.b.goto_block(self.entry):
            self.b.position_before(self.entry.instructions[0])
            return self.b.alloca(of)

    def _open(self, axis: Axis) -> _Loop:
        cell = self.cell(I64)
        self.b.store(ir.Constant(I64, 0), cell)
        head, body, done = (self.function.append_basic_block() for _ in range(3))
        self.b.branch(head)
        self.b.position_at_end(head)
        self.counters[axis] = self.b.load(cell)
        self.b.cbranch(self.b.icmp_signed("<", self.counters[axis], self.sizes[axis]), body, done)
        self.b.position_at_end(body)
        return _Loop(cell, head, done)

    def flat(self, axes: Axes) -> Any:
        """The flat place in an array over some of the axes of the nest."""
        found = self.flats.get(axes)
        if found is None:
            before = self.flat(axes[:-1])
            found = self.b.add(self.b.mul(before, self.sizes[axes[-1]]), self.counters[axes[-1]])
            self.flats[axes] = found
        return found

    def value(self, o: Operand) -> Any:
        if o.id in self.inside:
            return self.inside[o.id]
        if o.axes:
            found = self.inside[o.id] = self._fetch(o, self.flat(o.axes))
            return found
        return self.known[o.id]

    # ---- operations

    def _make(self, t: Task, over: Axes) -> Any:
        if t.name == "pick":
            return self._pick(t)
        if t.name == "sub_position":
            return self._sub_position(t)
        if t.name in ("gather", "take"):
            return self._gather(t, over)
        args = [self.value(a) for a in t.args]
        if t.name in FOLDS:  # over no axes
            return Fold.alone(self, t, args)
        return getattr(self, f"_{t.name}")(t, *args)

    def _gather(self, t: Task, over: Axes) -> Any:
        """Entries of a constant's last axis."""
        table, index = t.args
        assert table.ref is not None and table.ref.const is not None
        cells = table.ref.const.shape[-1]
        where = self.value(index)
        where = self.b.select(self.b.icmp_signed("<", where, self.whole(0)), self.whole(0), where)
        where = self.b.select(self.b.icmp_signed(">", where, self.whole(cells - 1)), self.whole(cells - 1), where)
        pointer = self.given[table.id]
        if table.axes:
            row = self.b.mul(self.flat(table.axes), ir.Constant(I64, cells))
            pointer = self.b.gep(pointer, [row])
        return self.lanes_of(where, lambda k: self.b.load(self.b.gep(pointer, [k])), table.kind)

    def _pick(self, t: Task) -> Any:
        quantity, position = t.args
        if not quantity.axes:
            return self.value(quantity)
        where = self.value(position)
        if quantity.id in self.kept:
            pointer = self.kept[quantity.id]
            places = self.b.mul(where, self.whole(self.lanes))
            places = self.b.add(places, ir.Constant(self.vector(I64), list(range(self.lanes))))
        elif quantity.uniform:
            pointer, places = self.given[quantity.id], where
        else:
            pointer = self.given[quantity.id]
            lanes = self.b.add(self.splat(self.v), ir.Constant(self.vector(I64), list(range(self.lanes))))
            places = self.b.add(self.b.mul(where, self.splat(self.n)), lanes)
        return self.lanes_of(places, lambda k: self.b.load(self.b.gep(pointer, [k])), quantity.kind)

    def _sub_position(self, t: Task) -> Any:
        """A flat position over all axes as one over those of a quantity."""
        position, whole, own = t.args
        where = self.value(position)
        total = self.whole(0)
        divisor, stride = ir.Constant(I64, 1), ir.Constant(I64, 1)
        for axis in reversed(whole.axes):
            size = self.sizes[axis]
            if axis in own.axes:
                place = self.b.srem(self.b.sdiv(where, self.splat(divisor)), self.splat(size))
                total = self.b.add(total, self.b.mul(place, self.splat(stride)))
                stride = self.b.mul(stride, size)
            divisor = self.b.mul(divisor, size)
        return total


__all__ = ["NAME", "Writer", "arrays_of", "axes_read", "emit"]
