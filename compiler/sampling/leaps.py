"""From a state of a group back to its decisions: several steps at once, a draw among the ways that lead there.

A leap's ways tell the classes of the values that its steps take, as parts of the numbers of the columns that decisions
stand in; then each column's number is drawn among those of its classes, each as likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.guided import BITS
from cospace.compiler.counting.states import Table, Taken
from cospace.compiler.sampling.columns import Column
from cospace.compiler.sampling.ragged import Ragged, of_weights
from cospace.compiler.sampling.scratch import LOT, Scratch
from numpy.typing import NDArray

Array = NDArray[Any]
WORD = 64
"""Bits of a random number that columns share, those included that its product with a size takes."""
FAIR = 24
"""Bits that it has more than the product of all sizes, so that few draws are made again."""
WAYS = 4_000_000
"""Ways of one leap, at most, but for one step alone."""


@frozen(eq=False)
class _Leap:
    """ways: drawn by the state they lead to; what each tells is several numbers side by side in bits.

    parts: for each column that the leap's steps are part of, which it is, and where in the bits its part stands and how
    wide it is; above them all is the state that the way comes from, unless it is the start.
    """

    ways: Ragged
    parts: tuple[tuple[int, int, int], ...]
    above: int | None


class Back:
    """The columns of one kind of group, drawn from its last states with probability exactly their share.

    columns: their decisions are those of the table's steps, by the step's `variable`; indices: of each decision's
    positions in its domain, the index of the value.
    """

    def __init__(self, table: Table, columns: Sequence[Column], indices: dict[int, Array], scratch: Scratch) -> None:
        self._scratch = scratch
        self._columns = [_Members(c, table.steps, indices, scratch) for c in columns]
        self._stride = {v: (k, s) for k, m in enumerate(self._columns) for v, s in m.strides.items()}
        self._word = WORD - max(m.most for m in self._columns).bit_length()
        self._lots: list[list[int]] = []
        product = 1
        for k, m in enumerate(self._columns):
            product *= m.most
            if not self._lots or product >= 1 << (self._word - FAIR):
                self._lots.append([])
                product = m.most
            self._lots[-1].append(k)
        self._leaps: list[_Leap] = []
        last = len(table.steps)
        while last:
            last = self._leap(table, last)

    def _leap(self, table: Table, last: int) -> int:
        """The longest leap to the states after step `last` (from 1); the step it starts after."""
        layout: dict[int, int] = {}
        used = self._room_for(table.steps[last - 1], layout, 0)
        step = table.steps[last - 1]
        starts = numpy.append(step.first, len(step.source)).astype(numpy.int64)
        source, told = step.source.astype(numpy.int64), self._told(step, layout)[step.group]
        weight = _sizes(step)[step.group]
        at = last - 1
        while at:
            step = table.steps[at - 1]
            ends = numpy.append(step.first, len(step.source)).astype(numpy.int64)
            many = (ends[1:] - ends[:-1])[source]
            total = int(many.sum())
            needed = self._room_for(step, dict(layout), used)
            if total > WAYS or needed + len(table.weights[at - 2] if at > 1 else ()).bit_length() > BITS:
                break
            used = self._room_for(step, layout, used)
            way = numpy.repeat(ends[source] - (numpy.cumsum(many) - many), many) + numpy.arange(total)
            starts = numpy.concatenate([[0], numpy.cumsum(many)])[starts]
            group = step.group[way]
            weight = numpy.repeat(weight, many) * _sizes(step)[group]
            told = numpy.repeat(told, many) + self._told(step, layout)[group]
            source = step.source[way].astype(numpy.int64)
            at -= 1
        if at:
            weight = weight * table.weights[at - 1][source]
        told, parts, used = self._packed(told, layout)
        if at:
            told = told + (source << used)
        self._leaps.append(_Leap(of_weights(starts, weight, told, self._scratch), parts, used if at else None))
        return at

    def _packed(self, told: Array, layout: dict[int, int]) -> tuple[Array, tuple[tuple[int, int, int], ...], int]:
        """The same parts close together, where they stand, and the bits that they take."""
        used, parts = 0, []
        made: Array = numpy.zeros(len(told), dtype=numpy.int64)
        for k, low in layout.items():
            part = (told >> low) & ((1 << self._columns[k].bits) - 1)
            bits = int(part.max(initial=0)).bit_length()
            if bits:
                made += part << used
                parts.append((k, used, bits))
                used += bits
        return made, tuple(parts), used

    def _room_for(self, step: Taken, layout: dict[int, int], used: int) -> int:
        """Bits in use when a step's column has its place."""
        k, _ = self._stride[step.variable]
        if k in layout or not self._columns[k].bits:
            return used
        layout[k] = used
        return used + self._columns[k].bits

    def _told(self, step: Taken, layout: dict[int, int]) -> Array:
        """What a step's classes add to the bits."""
        k, stride = self._stride[step.variable]
        return numpy.arange(len(step.classes), dtype=numpy.int64) * stride << layout.get(k, 0)

    def draw(self, state: Array, rng: numpy.random.Generator) -> list[Array]:
        """For each column its numbers, (n,), in arrays of the scratch."""
        n = len(state)
        codes = [self._scratch.get(f"codes {k}", n, m.kind) for k, m in enumerate(self._columns)]
        for start in range(0, n, LOT):
            self._draw(state[start : start + LOT], rng, [c[start : start + LOT] for c in codes])
        return codes

    def _draw(self, state: Array, rng: numpy.random.Generator, codes: list[Array]) -> None:
        n, made = len(state), self._scratch
        classes: list[Array | None] = [None] * len(self._columns)
        for number, leap in enumerate(self._leaps):
            told = leap.ways.draw(state, rng)
            for last, (k, low, bits) in enumerate(leap.parts, 1 - len(leap.parts)):
                before = classes[k]
                part = made.get(f"class {k}" if before is None else "part of a class", n, numpy.int64)
                numpy.right_shift(told, low, out=part)
                if last or leap.above is not None:
                    part &= (1 << bits) - 1
                if before is None:
                    classes[k] = part
                else:
                    before += part
            if leap.above is not None:
                state = made.get(f"state {number}", n, numpy.int64)
                numpy.right_shift(told, leap.above, out=state)
        for lot in self._lots:
            self._draw_codes(lot, classes, rng, codes)

    def _draw_codes(
        self, lot: Sequence[int], classes: Sequence[Array | None], rng: numpy.random.Generator, codes: Sequence[Array]
    ) -> None:
        """Numbers of some columns by their classes: one word for all of them, by Lemire's way.

        A word times a size is a place in the class, and what is left below it the word for the next column; in all that
        is as if the word were multiplied by the product of the sizes. Redrawn where that would favour some.
        """
        n, made = len(codes[0]), self._scratch
        words: Array | None = None
        if any(self._columns[k].most > 1 for k in lot):
            words = made.long_words(n, rng)
            words >>= numpy.uint64(64 - self._word)
        product = 1
        for k in lot:
            self._columns[k].draw(classes[k], words, self._word, codes[k])
            product *= self._columns[k].most
        if words is None:
            return
        left = numpy.flatnonzero(numpy.less(words, product, out=made.get("same", n, numpy.bool_)))
        if not len(left):
            return
        own = [None if c is None else c[left] for c in classes]
        whole = numpy.ones(len(left), dtype=numpy.uint64)
        for k in lot:
            whole *= self._columns[k].sizes[0 if own[k] is None else own[k]]
        unfair = words[left] < numpy.uint64(1 << self._word) % whole
        left = left[unfair]
        if len(left):
            again = [numpy.empty(len(left), dtype=c.dtype) for c in codes]
            self._draw_codes(lot, [None if c is None else c[unfair] for c in own], rng, again)
            for k in lot:
                codes[k][left] = again[k]


def _sizes(step: Taken) -> Array:
    return numpy.array([len(c) for c in step.classes], dtype=numpy.int64)


class _Members:
    """Numbers of one column by the classes of its decisions: one of those of a combination of classes, each as likely.

    strides: what a decision's class counts in the number of the combination; bits: how many that number takes.
    """

    def __init__(self, column: Column, taken: Sequence[Taken], indices: dict[int, Array], scratch: Scratch) -> None:
        self._scratch = scratch
        self.strides: dict[int, int] = {}
        many = 1
        # what is taken last counts least: it is what a leap tells along with many states
        for step in reversed([s for s in taken if s.variable in column.members]):
            self.strides[step.variable] = many
            many *= len(step.classes)
        self.bits = (many - 1).bit_length()
        steps = {s.variable: s for s in taken}
        which: Array = numpy.zeros(1, dtype=numpy.int64)
        codes: Array = numpy.zeros(1, dtype=numpy.int64)
        for v, size in zip(column.members, column.sizes, strict=True):
            classes = steps[v].classes
            of = numpy.concatenate([numpy.full(len(c), number) for number, c in enumerate(classes)])
            which = (which[:, None] + of * self.strides[v]).reshape(-1)
            codes = (codes[:, None] * size + indices[v][numpy.concatenate(classes)]).reshape(-1)
        self._codes = codes[numpy.argsort(which, kind="stable")].astype(column.kind)
        self.kind = self._codes.dtype
        sizes = numpy.bincount(which, minlength=many)
        self.most = int(sizes.max(initial=1))
        self.sizes = sizes.astype(numpy.uint64)
        # where the codes of each combination begin, and below that how many they are
        self._parts = (numpy.cumsum(sizes) - sizes).astype(numpy.uint64) << numpy.uint64(32) | self.sizes

    def draw(self, which: Array | None, words: Array | None, bits: int, into: Array) -> None:
        """which: combinations of classes; None where there is one. words: each of some bits, what is left of it is put
        in its place; None where every class is of one."""
        made, n = self._scratch, len(into)
        if which is None:
            which = numpy.zeros(n, dtype=numpy.int64)
        if words is None or self.most == 1:
            self._codes.take(which, out=into, mode="clip")
            return
        part = made.taken("part", self._parts, which)
        place = made.get("product", n, numpy.uint64)
        numpy.bitwise_and(part, numpy.uint64((1 << 32) - 1), out=place)
        words *= place
        numpy.right_shift(words, numpy.uint64(bits), out=place)
        words &= numpy.uint64((1 << bits) - 1)
        part >>= numpy.uint64(32)
        place += part
        self._codes.take(place.view(numpy.int64), out=into, mode="clip")


__all__ = ["Back"]
