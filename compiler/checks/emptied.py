"""Which decisions have no value left: where their domain depends on others, whose values leave it empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cospace.compiler.bounds.intervals import Bounder, narrow
from cospace.compiler.space.graph import TRUE, Value, either
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import Label

TOLD = 3


def emptied(space: Space, pinned: Mapping[str, Value], requirements: Sequence[Requirement] = ()) -> tuple[Label, ...]:
    """A label at each decision whose domain is surely empty where others are pinned and requirements hold.

    Only what requirements say of one decision alone is taken from them.
    """
    domains = {d.path: (pinned[d.path],) if d.path in pinned else d.values for d in space.decisions}
    for r in requirements:
        if r.guard is TRUE:
            domains = narrow(domains, r.value)
    bounder = Bounder(domains)
    found: dict[object, Label] = {}
    for d in space.decisions:
        some = either(*(d.allowed or (TRUE,)))
        told = some.free & (set(pinned) or some.free)
        if told and bounder.bounds(some).settled is False and bounder.bounds(d.guard).settled is not False:
            found.setdefault(
                d.span, Label(d.span, f"`{d.path}` has no value then: its domain depends on `{min(told)}`")
            )
    return tuple(found.values())[:TOLD]
