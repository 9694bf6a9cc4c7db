"""`cospace check`: what is proved about a space before anything is searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import show, verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cospace.compiler.space.model import Space
    from cospace.dsl.diagnostics import Diagnostic


@verb
def check(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="also redundant and vacuous requirements, all conflicts")
    ] = False,
    why: Annotated[
        list[str] | None,
        typer.Option(
            "--why",
            metavar="PATH=VALUE",
            help="why this value can't be chosen; repeated: all of them together, a design",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="prove again, also where nothing has changed since the last proof")
    ] = False,
    repair: Annotated[bool, typer.Option("--apply", help="make the repairs that are sure, then check again")] = False,
    repair_all: Annotated[
        bool, typer.Option("--apply-all", help="as --apply, also repairs that are one way out of several")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="with --apply: write nothing; show what would change")] = False,
    strict: options.Strict = False,
    as_json: options.Json = False,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="also write the diagnostics there, as SARIF 2.1.0")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="also write proofs that a reader can check without cospace"),
    ] = None,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Prove that a space is sound: some design is feasible, nothing is undefined, no value is dead."""
    from cospace.cli import proofs
    from cospace.cli.inputs import compile_spec, files_of, fixed_space, is_compiled, read_settings, timed
    from cospace.dsl.diagnostics import SpecError

    if diff and not (repair or repair_all):
        raise typer.BadParameter("it shows what --apply or --apply-all would change", param_hint="--diff")
    if certificate is not None and (fixed or why is not None):
        raise typer.BadParameter("it is about the whole space: without --fix and --why", param_hint="--certificate")
    given = read_settings(settings)
    given |= {"--data": str(data.resolve())} if data is not None else {}
    anew = fresh or fixed or why or certificate is not None or is_compiled(spec)
    kept = None if anew else proofs.recall(spec, given, deep)
    if kept is not None:
        with timed(time):
            if not as_json:
                _say(kept["space"], kept["ok"], kept["proved"], kept["skipped"])
                typer.echo("  nothing has changed since this was proved; --fresh proves it again")
            _report((), sarif)
            _answer(kept["ok"], kept["proved"], kept["skipped"], (), as_json)
        return
    from cospace.compiler import clock
    from cospace.compiler.checks.check import check as prove

    with timed(time):
        with clock.within(within):
            try:
                space, diagnostics = compile_spec(spec, settings, data)
                if (repair or repair_all) and _repair(diagnostics, unsure=repair_all, dry=diff, quiet=as_json):
                    space, diagnostics = compile_spec(spec, settings, data)
            except SpecError as error:
                space, diagnostics = None, error.diagnostics
            if space is None:
                _report(diagnostics, sarif)
                unread = any(d.code == "CS816" for d in diagnostics)
                _answer(None if unread else False, (), (), diagnostics, as_json)
                raise typer.Exit(1)
            if fixed:
                from cospace.compiler.space.pins import fold_pinned

                space = fixed_space(space, fixed)
                space = space if why else fold_pinned(space)
            if why:
                _explain(space, why, as_json)
                return
            report = prove(space, deep=deep)
            found = tuple(diagnostics) + tuple(report.diagnostics)
            _report(found, sarif)
            written = None
            if certificate is not None:
                from cospace.cli.certificates import write_certificates

                written = write_certificates(spec, space, report.claims, certificate)
            cut = clock.hit()
        if not as_json:
            _say(space.name, report.ok, report.proved, report.skipped)
            for text in written.said() if written is not None else ():
                typer.echo(f"  {text}")
        if report.ok is True and not cut and not found and not fixed and not is_compiled(spec):
            answer = {"ok": True, "proved": report.proved, "skipped": report.skipped}
            proofs.keep(spec, given, deep, files_of(spec, space), space.name, answer)
        extra = {} if written is None else {"certificates": written.to_json()}
        _answer(report.ok, report.proved, report.skipped, found, as_json, extra)
    if report.ok is False or (strict and report.ok is None):
        raise typer.Exit(1)


def _report(found: tuple[Diagnostic, ...], sarif: Path | None) -> None:
    """Write the diagnostics for code hosts, where that is asked for."""
    if sarif is None:
        return
    from cospace.cli.inputs import sources
    from cospace.cli.sarif import to_sarif

    sarif.write_text(json.dumps(to_sarif(found, sources), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _repair(diagnostics: tuple[Diagnostic, ...], *, unsure: bool, dry: bool, quiet: bool) -> bool:
    """Make the repairs that are offered; whether any was made."""
    from cospace.cli.apply import apply
    from cospace.cli.inputs import sources

    made, reporter = apply(diagnostics, sources, unsure=unsure, dry=dry, quiet=quiet)
    show(tuple(reporter.found))
    if not quiet and not made and not dry and not reporter.failed:
        typer.echo("nothing to repair")
    return bool(made)


def _answer(
    ok: bool | None,
    proved: Sequence[str],
    skipped: Sequence[str],
    found: tuple[Diagnostic, ...],
    as_json: bool,
    extra: Mapping[str, object] | None = None,
) -> None:
    if not as_json:
        show(found)
        return
    from cospace.cli.inputs import sources
    from cospace.cli.render import to_json

    answer = {"ok": ok, "proved": list(proved), "skipped": list(skipped), "diagnostics": to_json(found, sources)}
    typer.echo(json.dumps({**answer, **(extra or {})}, ensure_ascii=False))


def _say(name: str, ok: bool | None, proved: Sequence[str], skipped: Sequence[str]) -> None:
    verdict = {True: "fine", False: "not fine", None: "not decided"}[ok]
    typer.echo(f"{name}: {verdict}")
    for text in proved:
        typer.echo(f"  proved   {text}")
    for text in skipped:
        typer.echo(f"  skipped  {text}")


def _explain(space: Space, wanted: list[str], as_json: bool) -> None:
    """Why one value can't be chosen, in each of its instances, or why several can't together."""
    from cospace.cli.inputs import asked_values
    from cospace.compiler.conflicts.why import why

    answers = [why(asked, values) for asked, values in asked_values(space, wanted)]
    found = [d for a in answers if not isinstance(a, str) for d in a]
    said = [a for a in answers if isinstance(a, str)]
    if not as_json:
        for text in said:
            typer.echo(text)
    _answer(None if any("not decided" in s for s in said) else not found, said, (), tuple(found), as_json)
