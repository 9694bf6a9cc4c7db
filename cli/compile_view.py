"""What `cospace compile` prints: a space as tables for a person."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cospace.cli.words import condition, domain, number
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from cospace.compiler.space.model import Decision, Space, Work

WIDTH = 120
"""Of lines where there is no terminal."""


def print_space(space: Space, spec: Path, settings: list[str]) -> None:
    """Decisions by group, counts, works and rules, supernet, objectives, and the commands to type next."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(f"[bold]{escape(space.name)}[/]" + (f"  {escape(space.doc)}" if space.doc else ""))
    console.print(_decisions(space))
    if space.variants:
        console.print(_variants(space))
    _count(console, space)
    if space.works:
        console.print(_works(space))
    _supernet(console, space)
    _objectives(console, space)
    again = "".join(f" --set {shlex.quote(item)}" for item in settings)
    console.print("\n[bold]next[/]")
    for line in next_commands(space, spec, again):
        console.print(f"  {escape(line)}", soft_wrap=True)


def next_commands(space: Space, spec: Path, again: str = "") -> list[str]:
    """What to type after compiling."""
    shown = shlex.quote(str(spec))
    lines = [f"cospace check {shown}{again}        # what is proved about it"]
    if space.stages:
        lines.append(f"cospace search {shown}{again} --out results/{space.name}")
    else:
        lines.append(f"cospace best {shown}{again}         # the proved best of what is modelled")
    param = next((p for p in space.params if p.unit and not p.given), None) or next(iter(space.params), None)
    if param and not again:
        lines.append(f"cospace compile {shown} --set {param.name}=…")
    return lines


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _decisions(space: Space) -> Table:
    known = {d.path: d for d in space.decisions}
    table = _table("decision", "values", "")
    last = None
    for group, rows in _grouped(space.decisions):
        if group != last:
            if last is not None:
                table.add_section()
            last = group
        for decisions in rows:
            first = decisions[0]
            notes = [first.binding] if first.binding != "choose" else []
            guards = {d.guard for d in decisions}
            if len(guards) == 1:
                when = condition(first.guard, known)
                notes += [f"if {when}"] if when else []
            else:
                notes.append("each if its layer is taken" if "[" in first.path else "under conditions")
            notes += ["values depend on earlier decisions"] if any(d.allowed is not None for d in decisions) else []
            notes += [first.doc] if first.doc else []
            table.add_row(escape(_family(decisions)), escape(domain(first)), f"[dim]{escape('; '.join(notes))}[/]")
    return table


BOUND = {
    "switch": "the user binds it at run time",
    "random": "chance draws it",
    "adapt": "the input decides it",
    "statistic": "a statistic of the input",
}
"""How a variant is bound, in words."""


def _variants(space: Space) -> Table:
    """What is bound after the search, none of it counted."""
    known = {d.path: d for d in space.decisions}
    table = _table("bound later", "values", "")
    for v in space.variants:
        notes = [BOUND[v.binding] + (f", per {v.per}" if v.per else "")]
        notes += ["weighed"] if v.weights is not None else []
        when = condition(v.guard, known)
        notes += [f"if {when}"] if when else []
        notes += ["values depend on decisions"] if v.allowed is not None else []
        between = "" if v.low is None or v.high is None else f"{number(v.low)}..{number(v.high)}"
        table.add_row(escape(v.path), escape(domain(v) if v.values else between), f"[dim]{escape('; '.join(notes))}[/]")
    return table


def _grouped(decisions: tuple[Decision, ...]) -> Iterator[tuple[str, list[list[Decision]]]]:
    """Decisions by owner in declared order, copies with equal domains gathered."""
    groups: dict[str, dict[tuple[object, ...], list[Decision]]] = {}
    for d in decisions:
        stem = re.sub(r"\[.*\]", "[]", d.path)
        groups.setdefault(d.group, {}).setdefault((stem, d.values, d.binding, d.unit), []).append(d)
    for group, families in groups.items():
        yield group, list(families.values())


def _family(decisions: list[Decision]) -> str:
    if len(decisions) <= 2:
        return ", ".join(d.path for d in decisions)
    return re.sub(r"\[.*\]", "[…]", decisions[0].path) + f"  x {len(decisions)}"


def _count(console: Console, space: Space) -> None:
    from cospace.cli.count import describe
    from cospace.compiler.checks.check import undefined
    from cospace.compiler.counting.count import count

    for d in undefined(space):
        console.print(escape(f"not counted: {d.message}"), soft_wrap=True)
        return
    with console.status("counting"):
        found = count(space)
    for line in describe(found):
        console.print(escape(line), soft_wrap=True)


def _works(space: Space) -> Table:
    """One row a layer (or a family of layers that ask for the same): what it asks for, and the rules that serve it."""
    layers: dict[str, list[Work]] = {}
    for w in space.works:
        layers.setdefault(w.call, []).append(w)
    families: dict[tuple[object, ...], list[str]] = {}
    for call, works in layers.items():
        key = (re.sub(r"\[[^\]]*\]", "[]", call), tuple((w.kind, tuple(p.rule for p in w.placements)) for w in works))
        families.setdefault(key, []).append(call)
    table = _table("layer", "asks for", "served by")
    for calls in families.values():
        works = layers[calls[0]]
        shown = ", ".join(calls) if len(calls) <= 2 else f"{calls[0]} and {len(calls) - 1} like it"
        kinds = ", ".join(dict.fromkeys(w.kind for w in works))
        table.add_row(escape(shown), escape(kinds), escape(_rules(works)))
    return table


def _rules(works: list[Work]) -> str:
    """`engine: on matmul, on spmm`: the rules by their accelerator or part."""
    owners: dict[str, list[str]] = {}
    for rule in dict.fromkeys(p.rule for w in works for p in w.placements):
        owner, colon, name = rule.partition(": ")
        owner = re.sub(r"\[[^\]]*\]", "[…]", owner)  # instances of a part alike
        named = owners.setdefault(owner if colon else "", [])
        if (name if colon else rule) not in named:
            named.append(name if colon else rule)
    return "; ".join((f"{owner}: " if owner else "") + ", ".join(names) for owner, names in owners.items())


def _supernet(console: Console, space: Space) -> None:
    from cospace.compiler.space.model import Input

    if not any(isinstance(n, Input) and n.task for network in space.networks for n in network.nodes):
        return  # nothing that a supernet could be trained with
    from cospace.cli.figures import human
    from cospace.compiler.supernet import estimate

    found = estimate(space)
    said = f"supernet: {found.modules:,} modules, {found.parameters:,} parameters shared by all designs"
    if not any(fact == "examples" for task in space.tasks for fact, _ in task.facts):  # else it grows with the batch
        said += f", about {human(found.peak_bytes / 2**20, digits=3)} MiB at the peak of a step (estimated)"
    console.print(said)


def _objectives(console: Console, space: Space) -> None:
    for o in space.objectives:
        unit = f" in {o.unit}" if o.unit else ""
        known = "measured by running" if o.measured else "modelled"
        doc = f" ({o.doc})" if o.doc else ""
        console.print(f"{o.sense} [bold]{escape(o.text)}[/]{escape(unit)}{escape(doc)}, {known}")
