"""Gradients over relaxed decisions: the batched program with probabilities in place of indices.

An expression of one or two decisions is its expectation over their values (independent decisions), so `hidden == 64`
is a probability and `ceil(m / rows)` the mean of its values. `if` mixes its branches, logic multiplies. Comparisons,
`ceil`, `floor` and `mod` are exact forwards and smooth backwards (straight-through estimators: Bengio et al., 2013,
section 4). A mapping problem is solved at the best mapping; the gradient is that of the quantity there.

At one-hot probabilities the forward value is what `numbers.Program` gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cospace.compiler.numbers.arrays import Array, Primitive, torch_primitives
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.plan import Plan, spread
from cospace.compiler.numbers.steps import Ref, Step
from cospace.compiler.space.graph import Expr, Value
from cospace.compiler.space.model import Decision

SHARPNESS = 0.1
"""Width of a comparison's sigmoid, relative to the sizes of what is compared."""

LARGEST_EXPONENT = 700.0

_SMOOTH = frozenset(
    {"add", "mul", "quotient", "div", "mod", "pow", "floor", "ceil", "abs", "sqrt", "exp", "cos", "min", "max"}
    | {"log2", "log10", "log"}
)


class Relaxed:
    """Expressions as differentiable functions of probabilities.

    relaxed(probabilities) -> one float64 tensor of shape (n,) for each output: numbers (nan where undefined), Booleans
    as probabilities, symbols as codes (`values[code]`, without gradient).
    probabilities: path -> tensor of shape (n, |values|), rows summing to 1 (one-hot straight-through rows included);
    a row of zeros is a decision that is not live. Raises KeyError when a decision that the outputs read is missing.
    xp: torch, handed in by the caller.
    """

    def __init__(self, outputs: Sequence[Expr], decisions: Sequence[Decision], xp: Any) -> None:
        self.decisions = tuple(decisions)
        self.xp = xp
        builder = Builder(self.decisions)
        builder.lists = False  # how far each comparison holds is what a gradient passes through
        self._outputs = [builder.compile(e).ref for e in outputs]
        self._plan = Plan(builder, self._outputs, xp)
        self._primitives = _primitives(xp)
        self.values: tuple[Value, ...] = tuple(v for _, v in builder.codes)
        columns = [s.setting for s in self._plan.steps if s.name == "column"]
        self.reads = tuple(self.decisions[j].path for j in columns)  # type: ignore[call-overload]
        """Paths of the decisions whose probabilities are needed."""

    def __call__(self, probabilities: Mapping[str, Array], inputs: Mapping[str, Any] | None = None) -> list[Array]:
        xp = self.xp
        some = next(iter(probabilities.values()), None)
        n, device = (1, None) if some is None else (some.shape[0], some.device)
        values = {i: self._constant(c.const, device) for i, c in self._plan.constants.items()}
        for step in self._plan.steps:
            if step.name == "column":
                values[step.out.id] = self._column(step, probabilities)
            elif step.name == "input":
                given = (inputs or {}).get(step.setting, math.nan)  # type: ignore[call-overload]
                values[step.out.id] = xp.broadcast_to(xp.as_tensor(given, dtype=xp.float64, device=device), (n,))
            else:
                made = self._apply(step, [values[a.id] for a in step.args])
                values[step.out.id] = made if step.name == "joint" else spread(xp, made, step.out)
        return [xp.broadcast_to(values[r.id].reshape(-1), (n,)) for r in self._outputs]

    def _constant(self, array: Array, device: Any) -> Array:
        tensor = self.xp.as_tensor(array, device=device)
        return tensor.to(self.xp.float64) if tensor.dtype == self.xp.bool else tensor

    def _column(self, step: Step, probabilities: Mapping[str, Array]) -> Array:
        """Probabilities of one decision, with what is missing to 1 as that of not being live."""
        d = self.decisions[step.setting]  # type: ignore[call-overload]
        p = probabilities[d.path].to(self.xp.float64)
        if p.shape[-1] != len(d.values):
            raise ValueError(f"{d.path} has {len(d.values)} values, not {p.shape[-1]}")
        if d.guard.is_const and d.guard.value is True:
            return p
        return self.xp.cat([p, (1 - p.sum(-1, keepdim=True)).clamp(min=0.0)], -1)

    def _apply(self, step: Step, args: list[Array]) -> Array:
        """One step; undefined arguments are kept out of the operation, so that no gradient passes through nan."""
        xp, primitive = self.xp, self._primitives[step.name]
        if step.name not in _SMOOTH or not any(a.nan for a in step.args):
            return primitive(step.args, args, step.setting)
        bad = xp.isnan(args[0])
        for a in args[1:]:
            bad = bad | xp.isnan(a)
        safe = [xp.where(xp.isnan(a), 1.0, a) for a in args]
        return xp.where(bad, math.nan, primitive(step.args, safe, step.setting))


_Relaxed = Callable[[Sequence[Ref], Sequence[Array], Any], Array]


def _primitives(xp: Any) -> dict[str, _Relaxed]:
    """The primitives of a program over relaxed arrays: Booleans are floats, an index is a row of probabilities."""
    hard = torch_primitives(xp)

    def straight_through(value: Array, smooth: Array) -> Array:
        return value.detach() + (smooth - smooth.detach())

    def plain(name: str) -> _Relaxed:
        return lambda refs, args, setting: hard[name](None, args, setting)

    def rounded(name: str) -> _Relaxed:
        return lambda refs, args, setting: straight_through(hard[name](None, args, setting), args[0])

    def mod(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        a, b = args
        safe = xp.where(b == 0, 1.0, b)
        value = straight_through(xp.remainder(a, safe), a - safe * xp.floor(a / safe).detach())
        return xp.where(b == 0, math.nan, value)

    def div(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        zero = args[1] == 0
        return xp.where(zero, math.nan, args[0] / xp.where(zero, 1.0, args[1]))

    def inside(name: str) -> _Relaxed:
        """A function of a positive number."""

        def run(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
            a = args[0]
            positive = a > 0
            value = hard[name](None, [xp.where(positive, a, 1.0)], setting)
            return xp.where(positive, value, hard[name](None, [a.detach()], setting))

        return run

    def power(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        a, b = args
        positive = a > 0
        value = xp.pow(xp.where(positive, a, 1.0), b)
        return xp.where(positive, value, hard["pow"](None, [a.detach(), b.detach()], setting))

    def exp(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        return xp.where(args[0] > LARGEST_EXPONENT, math.inf, xp.exp(args[0].clamp(max=LARGEST_EXPONENT)))

    def compare(name: str) -> _Relaxed:
        def run(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
            value = hard[name](None, args, setting).to(xp.float64)
            if refs[0].kind != "number":
                return value
            known = xp.isfinite(args[0]) & xp.isfinite(args[1])
            a, b = xp.where(known, args[0], 0.0), xp.where(known, args[1], 0.0)
            sizes = (a.abs() + b.abs()).detach()
            width = SHARPNESS * xp.where(sizes > 0, sizes, 1.0)
            return straight_through(value, xp.sigmoid((b - a) / width))

        return run

    def equal(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        a, b = args
        if refs[0].kind == "bool":
            return a * b + (1 - a) * (1 - b)
        return (a == b).to(xp.float64)

    def mix(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        condition, a, b = args
        if refs[1].kind == "index":
            return xp.where(condition > 0.5, a, b)
        undefined = xp.where(condition > 0.5, xp.isnan(a), xp.isnan(b))
        mixed = condition * known(a) + (1 - condition) * known(b)
        return xp.where(undefined, math.nan, mixed)

    def known(a: Array) -> Array:
        return xp.where(xp.isfinite(a), a, 0.0)

    def gather(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        """The expectation of a table (dims ..., k) under probabilities (n, k); most of them undefined is undefined."""
        table, p = args
        if refs[0].kind == "index":
            return table[..., p.argmax(-1)]
        shape = (*table.shape[:-1], p.shape[0])
        value = (known(table).reshape(-1, table.shape[-1]) @ p.T).reshape(shape)
        if not refs[0].nan:
            return value
        missing = (~xp.isfinite(table)).to(xp.float64).reshape(-1, table.shape[-1]) @ p.detach().T
        return xp.where(missing.reshape(shape) > 0.5, math.nan, value)

    def joint(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
        p, q = args
        return (p[:, :, None] * q[:, None, :]).reshape(p.shape[0], -1)

    def crisp(name: str) -> _Relaxed:
        """Steps that only find the best mapping: on hard values, without gradient."""
        run: Primitive = hard[name]

        def solve(refs: Sequence[Ref], args: Sequence[Array], setting: Any) -> Array:
            plain = [a.detach() for a in args]
            found = run(None, [a > 0.5 if r.kind == "bool" else a for r, a in zip(refs, plain, strict=True)], setting)
            return found.to(xp.float64) if found.dtype == xp.bool else found

        return solve

    return {
        **{name: plain(name) for name in ("add", "mul", "quotient", "abs", "cos", "min", "max", "same", "pick")},
        **{name: rounded(name) for name in ("floor", "ceil")},
        **{name: inside(name) for name in ("log2", "log10", "log", "sqrt")},
        **{name: compare(name) for name in ("le", "lt")},
        **{
            name: crisp(name)
            for name in (
                "isnan", "finite", "masked", "least", "at_most", "break_ties", "first_true", "any", "sub_position",
                "lookup", "take",
            )
        },
        "mod": mod,
        "div": div,
        "pow": power,
        "exp": exp,
        "eq": equal,
        "where": mix,
        "gather": gather,
        "joint": joint,
        "and": lambda refs, args, setting: args[0] * args[1],
        "or": lambda refs, args, setting: 1 - (1 - args[0]) * (1 - args[1]),
        "not": lambda refs, args, setting: 1 - args[0],
    }  # fmt: skip
