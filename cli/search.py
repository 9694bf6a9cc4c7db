"""`cospace search` and `cospace resume`: run a search, shown live, stopped cleanly by Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import STOPPED, verb

if TYPE_CHECKING:
    from cospace.runtime.events import Observe


@verb
def search(
    spec: options.Spec,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="where the result goes")] = None,
    seed: options.Seed = 0,
    settings: options.Set = None,
    fixed: options.Fix = None,
    data: options.Data = None,
    strict: options.StrictData = False,
    bfloat16: Annotated[
        bool | None,
        typer.Option(
            "--bfloat16/--float32",
            help="whether weights learn in mixed precision; where neither is said, on a GPU that has bfloat16",
            show_default=False,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    baselines: Annotated[bool, typer.Option("--baselines", help="run the baselines too, with the same budget")] = False,
    within: Annotated[
        float,
        typer.Option("--within", metavar="SECONDS", min=0, help="what reading the spec may take; inf: any time"),
    ] = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Search a space: train a supernet, choose a design, train it, report it. Ctrl-C once keeps what was found."""
    from cospace.cli.inputs import fixed_space, load, timed
    from cospace.compiler import clock

    with clock.within(within):
        space = fixed_space(load(spec, settings, data), fixed)
    folder = out or Path("results") / space.name
    with timed(time):
        from cospace.runtime.modelled import nothing_trains

        again = ["cospace", "search", str(spec), *_options("--set", settings), *_options("--fix", fixed)]
        again += ["--data", str(data)] if data is not None else []
        again += ["--strict"] if strict else []
        again += [] if bfloat16 is None else ["--bfloat16" if bfloat16 else "--float32"]

        def run(observe: Observe, stop: threading.Event) -> object:
            if nothing_trains(space):
                from cospace.runtime.modelled import run as price

                return price(space, folder, seed, data, overwrite, observe, stop)
            from cospace.runtime.search import search as train

            return train(space, folder, seed, data, overwrite, baselines, observe, stop, strict, bfloat16)

        _run(folder, run, shlex.join(again), seed + 1)


@verb
def resume(
    folder: options.Folder,
    data: options.Data = None,
    strict: options.StrictData = False,
    time: options.Time = False,
) -> None:
    """Go on with a search that was stopped or killed; it ends as if it had not been."""
    from cospace.cli.inputs import timed

    with timed(time):
        from cospace.runtime.modelled import nothing_trains
        from cospace.runtime.results import read_space

        def run(observe: Observe, stop: threading.Event) -> object:
            if nothing_trains(read_space(folder)):
                from cospace.runtime.modelled import resume as price

                return price(folder, observe, stop)
            from cospace.runtime.search import resume as train

            return train(folder, data, observe, stop, strict)

        _run(folder, run, f"cospace search {shlex.quote(str(folder / 'space.json'))}", 1)


def _options(name: str, values: list[str] | None) -> list[str]:
    return [word for value in values or () for word in (name, value)]


def _run(folder: Path, run: Callable[[Observe, threading.Event], object], again: str, seed: int) -> None:
    from cospace.cli.live import display
    from cospace.cli.summary import print_summary
    from cospace.runtime.report import build

    stop = threading.Event()
    with stopped_by_signals(stop), display() as observe:
        run(observe, stop)
    if stop.is_set():
        typer.echo(f"stopped; what was found is in {folder}\nnext: cospace resume {shlex.quote(str(folder))}", err=True)
        if (folder / "design.json").is_file():
            build(folder)
        raise typer.Exit(STOPPED)
    report = build(folder)
    print_summary(folder, report, again, seed)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for a clean end; the second ends at once."""

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        typer.echo("stopping after this step; once more ends at once", err=True)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
