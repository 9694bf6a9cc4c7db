"""`cospace compile`: what a spec means - its decisions, counts, works, supernet and objectives."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from cospace.cli import options
from cospace.cli.guard import fail, show, verb

if TYPE_CHECKING:
    from cospace.compiler.space.model import Space


class Stage(str, Enum):
    tree = "tree"
    model = "model"
    space = "space"
    z3 = "z3"
    supernet = "supernet"
    hardware = "hardware"


@verb
def compile_spec(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    emit: Annotated[Stage | None, typer.Option("--emit", help="print a stage instead")] = None,
    as_json: options.Json = False,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Compile a spec and show the space: decisions, counts, works and rules, supernet, objectives."""
    from cospace.cli.inputs import load, timed
    from cospace.compiler import clock

    with timed(time), clock.within(within):
        if emit is Stage.tree:
            _emit_tree(spec)
            return
        space = load(spec, settings, data)
        stage = Stage.space if as_json and emit is None else emit
        if stage is not None:

            def cut() -> NoReturn:
                fail("CS816", f"this stage was not written out in time ({clock.reason()})")

            typer.echo(clock.attempt(lambda: _stage(space, stage, as_json), cut, graced=True), nl=False)
        else:
            from cospace.cli.compile_view import print_space

            print_space(space, spec, settings or [])


def _stage(space: Space, stage: Stage, as_json: bool) -> str:
    """A stage of the compiler as text, once it is known whole."""
    if stage is Stage.space:
        from cospace.compiler.proofs.tabulate import tabulate
        from cospace.compiler.space.schema import dumps, to_json

        return dumps(to_json(space, tabulate(space)))
    from cospace.cli.emit import hardware, model, supernet, z3

    if stage is Stage.model:
        answer = model(space)
        return (json.dumps(answer, ensure_ascii=False, indent=1) if as_json else "\n".join(_lines(answer))) + "\n"
    written = {Stage.z3: z3, Stage.supernet: supernet, Stage.hardware: hardware}[stage](space)
    return "".join(f"{line}\n" for line in written)


def _emit_tree(spec: options.Spec) -> None:
    from cospace.cli.emit import tree
    from cospace.cli.inputs import sources
    from cospace.dsl.diagnostics import Reporter
    from cospace.dsl.parse import parse
    from cospace.dsl.source import read_source

    reporter = Reporter()
    text = read_source(spec, str(spec), reporter)
    if text is not None:
        sources[str(spec)] = text
        for line in tree(parse(text, str(spec), reporter)):
            typer.echo(line)
    show(tuple(reporter.found))
    if reporter.failed:
        raise typer.Exit(1)


def _lines(answer: dict[str, list[str]]) -> list[str]:
    return [line for name, items in answer.items() for line in (f"{name}:", *(f"  {item}" for item in items))]
