"""Checks that no sum or product of whole numbers grew too large for a float: the fewest of them, and what they cost.

A check says that a number reaches a limit. What is made of it by adding what is not negative, multiplying by 1 or more
or rounding up is as large, also as it is rounded; where that has a check with no greater limit, this one says no more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cospace.compiler.numbers.steps import Ref, Step

if TYPE_CHECKING:
    from cospace.compiler.numbers.build import Builder


def without_implied(steps: Sequence[Step], checks: Mapping[int, Ref], read: Collection[int]) -> list[Ref]:
    """Of checks, by their `id`, those that no other one implies. read: all steps that are run anyway."""
    limits: dict[int, float] = {}  # of each number that has a check, the least
    for check in checks.values():
        known = _limit(steps, check)
        if known is not None:
            size, limit = known
            limits[size.id] = min(limit, limits.get(size.id, limit))
    more = _grown(steps, limits, read)
    found = []
    for check in checks.values():
        known = _limit(steps, check)
        if known is None or not any(limits[i] <= known[1] for i in more.get(known[0].id, ())):
            found.append(check)
    return found


def _grown(steps: Sequence[Step], limits: Mapping[int, float], read: Collection[int]) -> dict[int, list[int]]:
    """For each number those with a check that are no smaller, and can't be undefined where it isn't."""
    same = {s.out.id: s.args[0].id for s in (steps[i] for i in read if i >= 0) if s.name == "same"}
    found: dict[int, list[int]] = {}
    for i in limits:
        step = steps[i] if i >= 0 else None
        if step is None or step.name not in ("add", "mul", "ceil"):
            continue
        for n, a in enumerate(step.args):
            others = [b for m, b in enumerate(step.args) if m != n]
            least = 1.0 if step.name == "mul" else 0.0
            if a.range.low >= 0 and all(b.range.low >= least and not b.nan for b in others):
                found.setdefault(same.get(a.id, a.id), []).append(i)
    return found


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
