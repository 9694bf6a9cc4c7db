"""The arguments and options that several verbs share, and what the shell completes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_spec(incomplete: str) -> list[str]:
    """Specs, compiled spaces and folders below what was typed; the shipped specs when nothing was."""
    folder, _, start = incomplete.rpartition("/")
    base = Path(folder or ("/" if incomplete.startswith("/") else "."))
    found = []
    try:
        for path in sorted(base.iterdir()):
            if path.name.startswith(start) and not path.name.startswith("."):
                shown = f"{folder}/{path.name}" if "/" in incomplete else path.name
                if path.is_dir():
                    found.append(shown + "/")
                elif path.suffix in (".cospace", ".json"):
                    found.append(shown)
    except OSError:
        pass
    return found


def complete_code(incomplete: str) -> list[str]:
    from cospace.cli.explain import codes

    return [code for code in codes() if code.startswith(incomplete.upper())]


Spec = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC",
        help="a .cospace file, or a compiled space (.json)",
        autocompletion=complete_spec,
        show_default=False,
    ),
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="the folder of a result", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="give a param another value; may be repeated", show_default=False),
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="PATH=VALUE", help="pin a decision; may be repeated", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FOLDER", help="where data sets and files of tables lie", exists=True, file_okay=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="the answer for programs, on standard output")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="one spec and one seed give one answer")]
Time = Annotated[bool, typer.Option("--time", help="say on standard error how long it took")]


def _a_number(seconds: float) -> float:
    if seconds != seconds:
        raise typer.BadParameter("it is not a number")
    return seconds


Within = Annotated[
    float,
    typer.Option(
        "--within", metavar="SECONDS", min=0, callback=_a_number,
        help="after which what is not answered is said to be unknown; inf: never",
    ),
]  # fmt: skip
SECONDS = 60.0
"""What a verb may take for its answers unless --within says otherwise."""
Strict = Annotated[bool, typer.Option("--strict", help="an unknown is an error (status 1)")]
StrictData = Annotated[bool, typer.Option("--strict", help="data that cannot be read is an error, not left out")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace what is there")]
