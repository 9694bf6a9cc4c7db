"""`cospace run`: what a trained network does at each value of its switches, none of its weights loaded anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from cospace.cli import options
from cospace.cli.guard import verb

if TYPE_CHECKING:
    from cospace.runtime.events import Event


@verb
def run(
    folder: options.Folder,
    bits: Annotated[
        int | None,
        typer.Option("--bits", metavar="N", help="of the switch that is counted in bits", show_default=False),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="PATH=VALUE", help="the value of a switch; may be repeated", show_default=False),
    ] = None,
    data: options.Data = None,
    strict: options.StrictData = False,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Run the network that a search left on its test split, at one value of its switches or at each of them."""
    from cospace.cli.inputs import timed

    with timed(time):
        from cospace.runtime.deployed import deploy
        from cospace.runtime.results import data_of

        network = deploy(folder)
        given = dict(_pair(text) for text in at or ())
        if bits is not None:
            given[network.counted_in("bit")] = bits
        if given:
            network.bind(given)
        found = network.measure(data or data_of(folder), not given, strict, _tell)
    rows = [
        {"at": {p: str(v) for p, v in network.shown(m.at).items()}, "accuracy": m.accuracy, "modelled": m.modelled}
        for m in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        _print(rows)


def _tell(event: Event) -> None:
    if event.kind == "note":
        typer.echo(event.values["text"], err=True)


def _pair(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not PATH=VALUE", param_hint="--at")
    return path.strip(), value.strip()


def _print(rows: list[dict[str, Any]]) -> None:
    from cospace.cli.figures import human
    from rich import box
    from rich.console import Console
    from rich.table import Table

    switches = list(rows[0]["at"])
    names = [n for n in rows[0]["modelled"] if all(n in row["modelled"] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD)
    for head in (*switches, "accuracy", *names):
        table.add_column(head, justify="left" if head in switches else "right", overflow="fold")
    for row in rows:
        figures = [human(*row["modelled"][n]) for n in names]
        table.add_row(*row["at"].values(), f"{row['accuracy']:.1%}", *figures)
    Console().print(table)
    typer.echo("accuracy is measured on the test split" + (", the rest is modelled" if names else ""))
