"""Ways out that messages name: what a reading has to stand behind, and the designs at which something fails."""

from __future__ import annotations

from cospace.compiler.elaborate import paths
from cospace.compiler.elaborate.possible import assignments
from cospace.compiler.elaborate.values import Context
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Expr, Symbol
from cospace.compiler.space.model import spell
from cospace.dsl import tree

SHOWN = 4
"""Decisions of an example that are named."""


def behind(path: str, context: Context) -> str:
    """How a decision that may not be there is read: behind what takes the alternatives that it lies in."""
    taken = []
    above = ""
    for name, _, at in paths.segments(path):
        values = context.state.domains.get(above, ())
        if Symbol(name) in values:
            taken.append(f"{above} == {name}")
        above = f"{above}.{name}" if above else name
        above += f"[{at}]" if at is not None else ""
    if not taken:
        return "read it behind a `when` or an `if` that makes sure it is taken"
    return f"read it behind a guard: `… when {' and '.join(taken)}`, or `if … then … else …`"


def by_label(name: str, field: str, context: Context) -> str | None:
    """How `name.field` is written, where a name is bound to a value that a decision with alternatives chooses."""
    for s in context.scope.owner().file.statements:
        if not isinstance(s, tree.Bind) or not any(isinstance(t, tree.Name) and t.id == name for t in s.targets):
            continue
        made = s.value
        if isinstance(made, tree.Decision) and isinstance(made.domain, tree.SetOf):
            label = made.label or "kind"
            if any(a.name == field for a in made.domain.alternatives):
                head = "" if made.label else f"give it one, `{name} = {made.binding} {label} {{ … }}`, and "
                return f"alternatives go by the decision's label: {head}read `{label}.{field}`"
    return None


def example(condition: Expr, context: Context) -> str:
    """A choice at which a condition does not hold, `: for instance a = 3`; nothing where none is found at once."""
    known = {d.path: d for d in context.state.decisions}
    tried = assignments(sorted(condition.free), context) if condition.free <= known.keys() else None
    design = next((d for d in tried or () if evaluate(condition, d) is not True), None)
    if not design:
        return ""
    said = [f"{p} = {spell(v, known[p].unit, known[p].scale)}" for p, v in design.items()]
    return f": for instance {', '.join(said[:SHOWN])}{', …' if len(said) > SHOWN else ''}"


__all__ = ["behind", "by_label", "example"]
