"""Checks that no sum or product of whole numbers grew too large for a float: the fewest of them, and what they cost.

A check says that a number reaches a limit. What is made of it by adding what is not negative, multiplying by 1 or more
or rounding up is as large, also as it is rounded; where that has a check with no greater limit, this one says no more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cospace.compiler.numbers.steps import Ref, Step

if TYPE_CHECKING:
    from cospace.compiler.numbers.build import Builder

Ends = tuple[float, float]


def without_implied(steps: Sequence[Step], checks: Mapping[int, Ref], read: Collection[int]) -> list[Ref]:
    """Of checks, by their `id`, those that no other one implies. read: all steps that are run anyway."""
    limits: dict[int, float] = {}  # of each number that has a check, the least
    for check in checks.values():
        known = _limit(steps, check)
        if known is not None:
            size, limit = known
            limits[size.id] = min(limit, limits.get(size.id, limit))
    reached = _reached([steps[i] for i in sorted(read) if i >= 0], limits)
    found = []
    for check in checks.values():
        known = _limit(steps, check)
        if known is None or reached.get(known[0].id, math.inf) > known[1]:
            found.append(check)
    return found


def _reached(steps: Sequence[Step], limits: Mapping[int, float]) -> dict[int, float]:
    """For each number the least limit of what is no smaller."""
    within = _within(steps)
    found: dict[int, float] = {}
    for step in reversed(steps):
        limit = min(limits.get(step.out.id, math.inf), found.get(step.out.id, math.inf))
        least = {"same": 0.0, "ceil": 0.0, "add": 0.0, "mul": 1.0}.get(step.name)
        if limit == math.inf or least is None or step.out.id not in within:
            continue
        for n, a in enumerate(step.args):
            others = [b for m, b in enumerate(step.args) if m != n]
            if all((within.get(b.id) or _constant(b) or (-1.0, 0.0))[0] >= least for b in others):
                found[a.id] = min(limit, found.get(a.id, math.inf))
    return found


def _within(steps: Sequence[Step]) -> dict[int, Ends]:
    """Numbers that are surely not negative, finite and defined, whatever a check says: between which ends."""
    found: dict[int, Ends] = {}
    for step in steps:
        if step.out.kind != "number":
            continue
        read = step.args[1:] if step.name in ("where", "choose") else step.args[:1] if _is_table(step) else step.args
        ends = [found.get(a.id) or _constant(a) for a in read]
        known = [e for e in ends if e is not None]
        if len(known) < len(ends) or not known:
            continue
        lows, highs = zip(*known, strict=True)
        if step.name in ("where", "choose", "gather", "take"):
            made = min(lows), max(highs)
        elif step.name in ("same", "abs"):
            made = known[0]
        elif step.name in ("floor", "ceil"):
            made = float(math.floor(lows[0])), float(math.ceil(highs[0]))
        elif step.name in ("min", "max"):
            pick = min if step.name == "min" else max
            made = pick(lows), pick(highs)
        elif step.name in ("add", "mul"):
            made = (sum(lows), sum(highs)) if step.name == "add" else (math.prod(lows), math.prod(highs))
        else:
            continue
        if made[1] < 1e300:
            found[step.out.id] = made
    return found


def _is_table(step: Step) -> bool:
    return step.name in ("gather", "take")


def _constant(ref: Ref) -> Ends | None:
    if ref.const is None or ref.kind != "number" or not ref.const.size:
        return None
    low, high = float(ref.const.min()), float(ref.const.max())
    return (low, high) if low >= 0 and high < 1e300 else None


def _limit(steps: Sequence[Step], check: Ref) -> tuple[Ref, float] | None:
    """The number that a check compares with a limit, and the limit."""
    step = steps[check.id] if check.id >= 0 else None
    if step is None or step.name != "le":
        return None
    limit, size = step.args
    return (size, float(limit.const.reshape(-1)[0])) if limit.const is not None and limit.const.size == 1 else None


def somewhere(builder: Builder, check: Ref) -> Ref:
    """Whether it holds at any place of its axes."""
    if not check.dims:
        return check
    known = _limit(builder.steps, check)
    if known is not None and known[0].dims == check.dims and not known[0].nan:
        size, limit = known
        most = builder.emit("greatest", size, dims=(), setting=len(size.dims), span=size.range, nan=False)
        return builder.emit("le", builder.scalar(limit), most, kind="bool")
    return builder.emit("any", check, kind="bool", dims=(), setting=len(check.dims))


__all__ = ["somewhere", "without_implied"]
