"""How a verb ends: the exit status, and the promise that no traceback reaches a user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, TypeVar

import typer
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError

Function = TypeVar("Function", bound=Callable[..., None])
STOPPED = 130
BROKEN_PIPE = 141
SLOTS = 1 << 16
"""What a verb's own frame asks for. Frames lie in pieces of memory of 2,000 slots, which are given back as soon as none
is in them: a loop whose calls end up at an edge asks the system for one again and again. A large frame gets a piece of
its size, in which all below it has room: a twentieth of the time of a check (CPython 3.11 and later)."""


def verb(function: Function) -> Function:
    """Wraps a verb: diagnostics end in status 1, Ctrl-C in 130, anything unforeseen in one line and status 1.

    COSPACE_DEBUG=1 shows the trace of what was unforeseen.
    """

    @wraps(function)
    def run(*args: object, **kwargs: object) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except SpecError as error:
            show(error.diagnostics)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            # whoever reads has gone; the interpreter must not complain about it when it closes its streams
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(BROKEN_PIPE) from None
        except MemoryError:
            show((Diagnostic("CS808", "error", "there is not enough memory for this", NOWHERE),))
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] == "cospace":
                _report_bug(error)
            show((_missing(error.name or str(error)),))
            raise typer.Exit(1) from None
        except OSError as error:
            if not error.filename:
                _report_bug(error)
            show((Diagnostic("CS807", "error", f"{error.filename}: {error.strerror}", NOWHERE),))
            raise typer.Exit(1) from None
        except Exception as error:
            _report_bug(error)

    run.__code__ = run.__code__.replace(co_stacksize=SLOTS)  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]


def fail(code: str, message: str, help: str | None = None) -> NoReturn:
    """End the verb with one diagnostic that has no place in a spec."""
    raise SpecError((Diagnostic(code, "error", message, NOWHERE, help=help),)) from None


def show(diagnostics: tuple[Diagnostic, ...]) -> None:
    """Write diagnostics to standard error, with the source lines that are known."""
    if not diagnostics:
        return
    from cospace.cli.inputs import sources
    from cospace.cli.render import render
    from rich.console import Console

    render(diagnostics, sources, Console(stderr=True))


def _missing(name: str) -> Diagnostic:
    extra = "lsp" if name.split(".")[0] in ("pygls", "lsprotocol") else "run"
    return Diagnostic(
        "CS806", "error", f"this verb needs the Python package {name!r}, which is not installed", NOWHERE,
        help=f"python -m pip install 'cospace[{extra}]' installs what it needs",
    )  # fmt: skip


def _report_bug(error: BaseException) -> NoReturn:
    if os.environ.get("COSPACE_DEBUG"):
        import traceback

        traceback.print_exception(error)
        raise typer.Exit(1)
    text = " ".join(str(error).split())[:200]
    typer.echo(
        f"this is a bug in cospace ({type(error).__name__}: {text}); rerun with COSPACE_DEBUG=1 for the trace", err=True
    )
    raise typer.Exit(1)
