"""The few array operations that batched programs are made of, for numpy (into buffers) and for torch.

Every primitive is `f(out, args, setting)` and returns its array; numpy writes into `out` where it can. Arrays have the
axes (maps of a work ..., designs): the last axis is the block of designs, or 1 for what is the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

Array = Any
Primitive = Callable[[Array, Sequence[Array], Any], Array]

DTYPES = {"number": numpy.float64, "bool": numpy.bool_, "index": numpy.int64}


ROW = 1 << 9
"""Numbers that are worth a run of a reduction's inner loop."""


# ---- numpy


def _ufunc(function: Any) -> Primitive:
    return lambda out, args, setting: function(*args, out=out)


def _where(out: Array, args: Sequence[Array], setting: Any) -> Array:
    condition, a, b = args
    if b is not out:
        numpy.copyto(out, b)
    numpy.copyto(out, a, where=condition)
    return out


def _choose(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Of a list the item that a whole number stands for, `setting` the first."""
    index, *items = args
    shape = numpy.broadcast_shapes(*(a.shape for a in items))
    size = math.prod(shape)
    if size * len(items) <= out.size:
        table = numpy.empty((len(items), *shape), out.dtype)
        for k, item in enumerate(items):
            table[k] = item
        where = numpy.subtract(index, setting, dtype=numpy.int64, casting="unsafe")
        where *= size
        return numpy.take(table.reshape(-1), where + numpy.arange(size).reshape(shape), out=out, mode="clip")
    numpy.copyto(out, items[-1])
    for k, item in enumerate(items[:-1], setting):
        numpy.copyto(out, item, where=index == k)
    return out


def _masked(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """The first where the second holds, else `setting`."""
    out.fill(setting)
    numpy.copyto(out, args[0], where=args[1])
    return out


def _near(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Whether two numbers are within `setting`; nan counts when nothing bounds the difference."""
    if math.isinf(setting):
        out.fill(True)
        return out
    return numpy.less_equal(numpy.abs(args[0] - args[1]), setting, out=out)


def _near_integer(out: Array, args: Sequence[Array], setting: Any) -> Array:
    if math.isinf(setting):
        out.fill(True)
        return out
    return numpy.less_equal(numpy.abs(args[0] - numpy.rint(args[0])), setting, out=out)


def _gather(out: Array, args: Sequence[Array], setting: Any) -> Array:
    return numpy.take(args[0], args[1], axis=-1, out=out, mode="clip")


def _first_true(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Flat position of the first true over the leading axes, of which there are `setting`."""
    flat = args[0].reshape((math.prod(args[0].shape[:setting]), *args[0].shape[setting:]))
    size = flat.shape[0]
    dtype = numpy.uint8 if size < 256 else numpy.uint16 if size < 65_536 else numpy.int64
    weights = numpy.arange(size, 0, -1, dtype=dtype).reshape((size,) + (1,) * (flat.ndim - 1))
    best = numpy.multiply(flat.view(numpy.uint8), weights, dtype=dtype).max(axis=0)
    numpy.subtract(size, best, out=out, dtype=numpy.int64, casting="unsafe")
    return numpy.minimum(out, size - 1, out=out)


def _break_ties(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Of the tied candidates those least by one more goal; `setting` = (axes, relative, absolute tolerance)."""
    tied, goal = args
    axes, relative, absolute = setting
    if numpy.count_nonzero(tied) <= math.prod(tied.shape[axes:]):
        return tied
    values = numpy.where(tied, goal, numpy.inf)
    least = values.min(axis=tuple(range(axes)))
    numpy.less_equal(values, least + (numpy.abs(least) * relative + absolute), out=out)
    return numpy.logical_and(out, tied, out=out)


def _differ(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Whether at some candidate a quantity is another one than what was picked, as nan is; `setting` as of ties."""
    axes, relative, absolute = setting
    shape = (*args[0].shape[:axes], *out.shape)
    tied, quantity, picked = (numpy.broadcast_to(a, shape) for a in args)
    out.fill(False)
    if numpy.count_nonzero(tied) == out.size:  # one each: the one that was picked
        return out
    here, there = quantity[tied], picked[tied]
    inexact = relative or absolute
    same = numpy.abs(here - there) <= numpy.abs(there) * relative + absolute if inexact else here == there
    if not same.all():
        out.reshape(-1)[numpy.flatnonzero(tied)[~same] % out.size] = True
    return out


def _at_most(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Whether a goal is the least, within (relative, absolute) tolerance."""
    values, least = args
    relative, absolute = setting
    if relative:
        least = least + numpy.abs(least) * relative
    if absolute:
        least = least + absolute
    return numpy.less_equal(values, least, out=out)


def _pick(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """Entries of the leading axes at a flat position per design; `setting` = (axes, axes of outer problems)."""
    table, position = args
    rest = _rest(table, *setting)
    flat = table.reshape((-1, *rest))
    if len(rest) == 1 and rest[0] == position.shape[-1] and position.ndim == 1:
        n = rest[0]
        where = position * n
        where += numpy.arange(n)
        return numpy.take(flat.reshape(-1), where, out=out, mode="clip")
    flat, where = numpy.broadcast_arrays(flat, position[None][:1])[0], position[None]
    where = numpy.broadcast_to(where, (1, *flat.shape[1:]))
    out[...] = numpy.take_along_axis(flat, where, axis=0)[0]
    return out


def _rest(table: Array, axes: int, outer: int) -> tuple[int, ...]:
    """The shape behind the leading axes, which are left out of an array that does not read their maps."""
    missing = axes + outer + 1 - len(table.shape)
    return ((1,) * missing + tuple(table.shape))[axes:]


def _sub_position(out: Array, args: Sequence[Array], setting: Any) -> Array:
    """A flat position over the leading axes of a second array as one over those a third has; `setting` as of `pick`."""
    out.fill(0)
    for divisor, size, stride in _strides(args[1], args[2], *setting):
        out += (args[0] // divisor % size) * stride
    return out


def _strides(whole: Array, own: Array, axes: int, outer: int) -> list[tuple[int, int, int]]:
    """(divisor, size, stride) of each leading axis of `whole` that `own` has as well."""
    mine = ((1,) * (axes + outer + 1 - len(own.shape)) + tuple(own.shape))[:axes]
    found = []
    divisor, stride = 1, 1
    for size, own_size in zip(reversed(tuple(whole.shape)[:axes]), reversed(mine), strict=True):
        if own_size > 1:
            found.append((divisor, size, stride))
            stride *= size
        divisor *= size
    return found


def _power(out: Array, args: Sequence[Array], setting: Any) -> Array:
    numpy.power(args[0], args[1], out=out)
    return _finite_or_nan(out, args)


def _divide(out: Array, args: Sequence[Array], setting: Any) -> Array:
    numpy.divide(args[0], args[1], out=out)
    return _nan_at_zero(out, args[1])


def _remainder(out: Array, args: Sequence[Array], setting: Any) -> Array:
    numpy.remainder(args[0], args[1], out=out)
    return _nan_at_zero(out, args[1])


def _nan_at_zero(out: Array, below: Array) -> Array:
    zero = below == 0
    if zero.any():
        numpy.copyto(out, numpy.nan, where=zero)
    return out


def _finite_or_nan(out: Array, args: Sequence[Array]) -> Array:
    """0 to a negative power is undefined, not infinite."""
    bad = (args[0] == 0) & (args[1] < 0)
    if bad.any():
        numpy.copyto(out, numpy.nan, where=bad)
    return out


def _logarithm(function: Any) -> Primitive:
    def run(out: Array, args: Sequence[Array], setting: Any) -> Array:
        function(args[0], out=out)
        return _nan_at_zero(out, args[0])

    return run


def _reduce(function: Any) -> Primitive:
    """Over the leading axes, `setting` of them: those at the left first, along long rows, and then the rest."""

    def run(out: Array, args: Sequence[Array], setting: int) -> Array:
        array = args[0]
        left, row = setting, array.shape[-1]
        while left > 0 and row < ROW:
            left -= 1
            row *= array.shape[left]
        if 0 < left < setting:
            array = function(array, axis=tuple(range(left)))
            setting -= left
        return function(array, axis=tuple(range(setting)), out=out)

    return run


NUMPY: dict[str, Primitive] = {
    "add": _ufunc(numpy.add),
    "mul": _ufunc(numpy.multiply),
    "quotient": _ufunc(numpy.divide),
    "div": _divide,
    "mod": _remainder,
    "pow": _power,
    "floor": _ufunc(numpy.floor),
    "ceil": _ufunc(numpy.ceil),
    "abs": _ufunc(numpy.abs),
    "sqrt": _ufunc(numpy.sqrt),
    "exp": _ufunc(numpy.exp),
    "cos": _ufunc(numpy.cos),
    "log2": _logarithm(numpy.log2),
    "log10": _logarithm(numpy.log10),
    "log": _logarithm(numpy.log),
    "min": _ufunc(numpy.minimum),
    "max": _ufunc(numpy.maximum),
    "eq": _ufunc(numpy.equal),
    "lt": _ufunc(numpy.less),
    "le": _ufunc(numpy.less_equal),
    "and": _ufunc(numpy.logical_and),
    "or": _ufunc(numpy.logical_or),
    "not": _ufunc(numpy.logical_not),
    "isnan": _ufunc(numpy.isnan),
    "finite": _ufunc(numpy.isfinite),
    "same": lambda out, args, setting: args[0],
    "where": _where,
    "choose": _choose,
    "masked": _masked,
    "near": _near,
    "near_integer": _near_integer,
    "gather": _gather,
    "least": _reduce(numpy.minimum.reduce),
    "greatest": _reduce(numpy.fmax.reduce),
    "any": _reduce(numpy.logical_or.reduce),
    "first_true": _first_true,
    "break_ties": _break_ties,
    "at_most": _at_most,
    "differ": _differ,
    "pick": _pick,
    "sub_position": _sub_position,
    "lookup": lambda out, args, setting: setting.find(numpy, args),
    "near_key": lambda out, args, setting: setting[0].near(numpy, args[0], setting[1]),
    "take": _gather,
    "joint": lambda out, args, setting: numpy.add(numpy.multiply(args[0], setting, out=out), args[1], out=out),
}

ELEMENTWISE = frozenset(
    ["add", "mul", "quotient", "floor", "ceil", "abs", "sqrt", "exp", "cos", "min", "max", "and", "or", "not"]
)  # fmt: skip
"""May write over an argument that nobody reads again."""


# ---- torch (or anything with its names), handed in by the caller


def torch_primitives(xp: Any) -> dict[str, Primitive]:
    """The same primitives over a namespace with torch's functions; `out` is ignored."""

    def plain(function: Any) -> Primitive:
        return lambda out, args, setting: function(*args)

    def nan_at_zero(function: Any) -> Primitive:
        def run(out: Array, args: Sequence[Array], setting: Any) -> Array:
            return xp.where(args[-1] == 0, math.nan, function(*args))

        return run

    def power(out: Array, args: Sequence[Array], setting: Any) -> Array:
        return xp.where((args[0] == 0) & (args[1] < 0), math.nan, xp.pow(args[0], args[1]))

    def near(out: Array, args: Sequence[Array], setting: Any) -> Array:
        difference = xp.abs(args[0] - args[1])
        return xp.ones_like(difference, dtype=xp.bool) if math.isinf(setting) else difference <= setting

    def near_integer(out: Array, args: Sequence[Array], setting: Any) -> Array:
        return near(out, (args[0], xp.round(args[0])), setting)

    def gather(out: Array, args: Sequence[Array], setting: Any) -> Array:
        return args[0][..., args[1]]

    def first_true(out: Array, args: Sequence[Array], setting: Any) -> Array:
        tied = args[0].reshape((-1, *args[0].shape[setting:]))
        size = tied.shape[0]
        order = xp.arange(size, 0, -1).reshape((-1,) + (1,) * (tied.ndim - 1))
        return xp.clamp(size - xp.amax(tied * order, 0), max=size - 1)

    def least(out: Array, args: Sequence[Array], setting: Any) -> Array:
        return xp.amin(args[0], tuple(range(setting)))

    def greatest(out: Array, args: Sequence[Array], setting: Any) -> Array:
        known = xp.where(xp.isnan(args[0]), -math.inf, args[0])
        return xp.amax(known, tuple(range(setting)))

    def break_ties(out: Array, args: Sequence[Array], setting: Any) -> Array:
        axes, relative, absolute = setting
        values = xp.where(args[0], args[1], math.inf)
        best = xp.amin(values, tuple(range(axes)))
        return (values <= best + (xp.abs(best) * relative + absolute)) & args[0]

    def at_most(out: Array, args: Sequence[Array], setting: Any) -> Array:
        return args[0] <= args[1] + (xp.abs(args[1]) * setting[0] + setting[1])

    def differ(out: Array, args: Sequence[Array], setting: Any) -> Array:
        axes, relative, absolute = setting
        tied, quantity, picked = args
        inexact = relative or absolute
        same = xp.abs(quantity - picked) <= xp.abs(picked) * relative + absolute if inexact else quantity == picked
        return any_(None, [tied & ~same], axes)

    def pick(out: Array, args: Sequence[Array], setting: Any) -> Array:
        rest = _rest(args[0], *setting)
        shape = xp.broadcast_shapes(rest, args[1].shape)
        table = args[0].reshape((-1, *rest))
        table = xp.broadcast_to(table, (table.shape[0], *shape))
        return xp.gather(table, 0, xp.broadcast_to(args[1], shape)[None])[0]

    def sub_position(out: Array, args: Sequence[Array], setting: Any) -> Array:
        total = xp.zeros_like(args[0])
        for divisor, size, stride in _strides(args[1], args[2], *setting):
            total = total + (args[0] // divisor % size) * stride
        return total

    def choose(out: Array, args: Sequence[Array], setting: Any) -> Array:
        found = args[-1]
        for k, item in enumerate(args[1:-1], setting):
            found = xp.where(args[0] == k, item, found)
        return found

    def any_(out: Array, args: Sequence[Array], setting: Any) -> Array:
        found = args[0]
        for _ in range(setting):
            found = xp.any(found, 0)
        return found

    return {
        "add": plain(xp.add),
        "mul": plain(xp.mul),
        "quotient": plain(xp.divide),
        "div": nan_at_zero(xp.divide),
        "mod": nan_at_zero(xp.remainder),
        "pow": power,
        "floor": plain(xp.floor),
        "ceil": plain(xp.ceil),
        "abs": plain(xp.abs),
        "sqrt": plain(xp.sqrt),
        "exp": plain(xp.exp),
        "cos": plain(xp.cos),
        "log2": nan_at_zero(xp.log2),
        "log10": nan_at_zero(xp.log10),
        "log": nan_at_zero(xp.log),
        "min": plain(xp.minimum),
        "max": plain(xp.maximum),
        "eq": plain(xp.eq),
        "lt": plain(xp.lt),
        "le": plain(xp.le),
        "and": plain(xp.logical_and),
        "or": plain(xp.logical_or),
        "not": plain(xp.logical_not),
        "isnan": plain(xp.isnan),
        "finite": plain(xp.isfinite),
        "same": lambda out, args, setting: args[0],
        "where": plain(xp.where),
        "choose": choose,
        "masked": lambda out, args, setting: xp.where(args[1], args[0], setting),
        "near": near,
        "near_integer": near_integer,
        "gather": gather,
        "least": least,
        "greatest": greatest,
        "any": any_,
        "first_true": first_true,
        "break_ties": break_ties,
        "at_most": at_most,
        "differ": differ,
        "pick": pick,
        "sub_position": sub_position,
        "lookup": lambda out, args, setting: setting.find(xp, args),
        "near_key": lambda out, args, setting: setting[0].near(xp, args[0], setting[1]),
        "take": gather,
        "joint": lambda out, args, setting: args[0] * setting + args[1],
    }
