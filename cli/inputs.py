"""What a verb is given, read: a spec or a compiled space, `--set`, `--fix`, designs on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from cospace.cli.guard import fail, show

if TYPE_CHECKING:
    from cospace.compiler.elaborate.values import Context
    from cospace.compiler.space.graph import Value
    from cospace.compiler.space.model import Decision, Space
    from cospace.dsl.diagnostics import Diagnostic

sources: dict[str, str] = {}
"""Texts of the files read so far, by the path that is shown: what diagnostics point into."""


def load(spec: Path, settings: list[str] | None, data: Path | None = None) -> Space:
    """The space of a spec or of a compiled one; warnings are shown. Raises SpecError when it has errors."""
    return load_in_context(spec, settings, data)[0]


def load_in_context(spec: Path, settings: list[str] | None, data: Path | None = None) -> tuple[Space, Context | None]:
    """As `load`, with what its text can still be asked in; a compiled space has none."""
    space, diagnostics, context = _read(spec, settings, data)
    if space is None:
        from cospace.dsl.diagnostics import SpecError

        raise SpecError(diagnostics)
    show(diagnostics)
    return space, context


def compile_spec(
    spec: Path, settings: list[str] | None, data: Path | None = None
) -> tuple[Space | None, tuple[Diagnostic, ...]]:
    """The space, or None, with every diagnostic found. data: where files of tables may lie."""
    space, diagnostics, _ = _read(spec, settings, data)
    return space, diagnostics


def _read(
    spec: Path, settings: list[str] | None, data: Path | None
) -> tuple[Space | None, tuple[Diagnostic, ...], Context | None]:
    given = read_settings(settings)
    if is_compiled(spec):
        if given:
            fail(
                "CS804",
                f"{spec} is a compiled space: its params are fixed",
                "give --set where the spec itself is compiled",
            )
        from cospace.compiler.elaborate.unproved import warnings

        space = read_space(spec)
        return space, warnings(space.met), None
    from cospace.compiler.driver import compile_file

    compiled = compile_file(spec, given, data)
    sources.update(compiled.sources)
    return compiled.space, tuple(compiled.diagnostics), compiled.context


def files_of(spec: Path, space: Space) -> list[Path]:
    """Every file that a spec was compiled from, where it lies."""
    from cospace.compiler.driver import STANDARD

    shown = [Path(path) for path, _ in space.sources]
    return [STANDARD.parent / p if p.parts[:1] == ("std",) and not p.exists() else p for p in shown]


def is_compiled(spec: Path) -> bool:
    return spec.suffix == ".json" or (spec.is_dir() and (spec / "space.json").is_file())


def read_space(path: Path) -> Space:
    """A compiled space from its file, or from a result folder."""
    from cospace.compiler.space.schema import loads

    if path.is_dir():
        path = path / "space.json"
    space = loads(read_text(path, "CS801"), str(path))
    sources.update(dict(space.sources))
    return space


def read_text(path: Path, code: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        fail(code, f"{path} is not a text file")
    except OSError as error:
        fail(code, f"{path} can't be read: {error.strerror}")


def read_settings(settings: list[str] | None) -> dict[str, str]:
    """`name=value` of each `--set`; wrong use when one has no `=`."""
    given: dict[str, str] = {}
    for item in settings or ():
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--set")
        given[name.strip()] = value.strip()
    return given


def read_fixed(space: Space, fixed: list[str] | None) -> tuple[Space, dict[str, Value]]:
    """The space with every `--fix`, and decision path -> value for those that name one decision.

    One decision that is pinned is live: designs without it are left out. A path without indices pins all its instances,
    each where it is live, but for those that are pinned alone. Raises SpecError (CS805) for a path that is not a
    decision, a value outside its domain, or two values for one.
    """
    return pin_paths(space, [_pair(item, "--fix") for item in fixed or ()])


def _pair(item: str, option: str) -> tuple[str, str]:
    """Path and text of `PATH=VALUE`; wrong use where it isn't that."""
    path, equals, text = item.rpartition("=")
    if not equals or not path.strip():
        raise typer.BadParameter(f"{item!r} is not PATH=VALUE", param_hint=option)
    return path.strip(), text.strip()


def pin_paths(space: Space, pairs: Iterable[tuple[str, str]]) -> tuple[Space, dict[str, Value]]:
    """As `read_fixed`, from pairs of path and text."""
    from cospace.compiler.space.pins import pin

    alone: dict[str, Value] = {}
    shared: dict[str, Value] = {}
    for path, text in pairs:
        for decision in find_decisions(space, path):
            pinned = alone if decision.path == path else shared
            value = read_value(decision, text)
            if pinned.setdefault(decision.path, value) != value:
                fail("CS805", f"{decision.path} is pinned to two values", "say --fix once for it")
    return pin(space, {path: value for path, value in shared.items() if path not in alone}), alone


def pinned_space(
    spec: Path, settings: list[str] | None, data: Path | None, fixed: list[str] | None
) -> tuple[Space, dict[str, Value]]:
    """As `read_fixed`, of a spec. Verbs whose answer rests on which designs are feasible then `refuse_undefined`."""
    return read_fixed(load(spec, settings, data), fixed)


def refuse_undefined(space: Space, pinned: Mapping[str, Value]) -> None:
    """Raises SpecError (CS602) where something has no value at a design that nothing excludes."""
    from cospace.compiler.checks.check import undefined
    from cospace.compiler.space.pins import fix
    from cospace.dsl.diagnostics import SpecError

    found = undefined(fix(space, pinned))
    if found:
        raise SpecError(found)


def fixed_space(space: Space, fixed: list[str] | None) -> Space:
    """The space with every `--fix`, for verbs that take a space alone."""
    from cospace.compiler.space.pins import fix

    return fix(*read_fixed(space, fixed)) if fixed else space


def asked_values(space: Space, wanted: list[str]) -> list[tuple[Space, dict[str, Value]]]:
    """What `--why` asks of a space: one value, in each of the instances that it names, or several values together."""
    pairs = [_pair(item, "--why") for item in wanted]
    if len(pairs) > 1:
        return [pin_paths(space, pairs)]
    ((path, text),) = pairs
    return [(space, {d.path: read_value(d, text)}) for d in find_decisions(space, path)]


def has_decision(space: Space, path: str) -> bool:
    """Whether a path names a decision, or instances of one."""
    return bool(_named(space, path))


def _named(space: Space, path: str) -> list[Decision]:
    found = [d for d in space.decisions if d.path == path]
    return found or [d for d in space.decisions if d.plain == path]


def find_decisions(space: Space, path: str) -> list[Decision]:
    """The decision at a path, or all its instances when the path has no indices."""
    found = _named(space, path)
    if not found:
        from cospace.dsl.suggest import closest

        near = closest(path, [d.path for d in space.decisions])
        fail(
            "CS805",
            f"there is no decision {path!r}",
            f"did you mean {near!r}?" if near else "`cospace compile` lists them",
        )
    return found


def read_value(decision: Decision, text: str) -> Value:
    """The value of the decision's domain that the text spells: `64 KiB`, `64KiB`, `64`, `gat`, `true`."""
    from cospace.compiler.space.model import show as shown

    spelled: dict[str, Value] = {}
    for value in decision.values:
        spelled.setdefault(_plain(shown(value, None, decision.scale)), value)
        spelled[_plain(shown(value, decision.unit, decision.scale))] = value
    if _plain(text) not in spelled:
        from cospace.cli.words import domain

        fail("CS805", f"{decision.path} can't be {text!r}", f"its values are {domain(decision)}")
    return spelled[_plain(text)]


def _plain(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[\s_]", "", text)


def show_design(space: Space, design: Mapping[str, Value]) -> dict[str, str | bool | int | float]:
    """Decision path -> value as answers for programs spell it."""
    from cospace.compiler.space.model import show as shown

    found = {d.path: d for d in space.decisions}
    return {path: shown(value, found[path].unit, found[path].scale) for path, value in design.items()}


def spell_design(space: Space, design: Mapping[str, Value]) -> dict[str, str]:
    """Decision path -> value as a person reads it."""
    from cospace.compiler.space.model import spell

    found = {d.path: d for d in space.decisions}
    return {path: spell(value, found[path].unit, found[path].scale) for path, value in design.items()}


@contextmanager
def timed(wanted: bool) -> Iterator[None]:
    """Says on standard error how long the block took, if wanted."""
    import time

    start = time.perf_counter()
    try:
        yield
    finally:
        if wanted:
            typer.echo(f"{time.perf_counter() - start:.2f} s", err=True)
