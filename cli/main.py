"""The `cospace` command: registers the verbs. Each loads what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer
from cospace.cli import (
    best,
    check,
    compile,
    cost,
    count,
    diff,
    explain,
    fmt,
    lsp,
    new,
    report,
    run,
    sample,
    search,
    specs,
)

app = typer.Typer(
    name="cospace",
    help="Design spaces as text: networks, bitwidths and accelerators, checked, counted and searched together.",
    epilog="Start with: cospace specs, then cospace compile SPEC. Exit status: 0 fine, 1 errors, 2 wrong use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _verb in (
    compile.compile_spec,
    check.check,
    count.count,
    diff.diff,
    sample.sample,
    cost.cost,
    best.best,
    explain.explain,
    fmt.fmt,
    search.search,
    search.resume,
    run.run,
    report.report,
    specs.specs,
    new.new,
    lsp.lsp,
):
    app.command(_verb.__name__.removesuffix("_spec"))(_verb)


def _say_version(wanted: bool) -> None:
    if wanted:
        from cospace import __version__

        typer.echo(f"cospace {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say the version and end")
    ] = False,
) -> None:
    """Design spaces as text: networks, bitwidths and accelerators, checked, counted and searched together."""


def main() -> None:
    """The entry point of the `cospace` script."""
    sys.set_int_max_str_digits(0)  # counts are exact, however long; numbers of a text are held to 1,000 digits
    try:
        app()
    except SystemExit as end:
        if "torch" not in sys.modules and (end.code is None or isinstance(end.code, int)):
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code or 0)  # freeing a graph node by node takes longer than many a proof
        raise


if __name__ == "__main__":
    main()
