"""A spec with everything it imports: modules on disk, their order, and what goes wrong with them.

Owns paths. A module's key is its dotted name for `std.…`, else its path as shown; nothing outside the folder of the
root file and the standard library is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen, mutable
from cospace.dsl import tree
from cospace.dsl.cache import digest, read_cached, write_cached
from cospace.dsl.diagnostics import Label, Reporter, Span
from cospace.dsl.flat import flatten, unflatten
from cospace.dsl.source import decode_source, read_source
from cospace.dsl.suggest import Meant, closest
from cospace.dsl.version import version

UNITS = "std.units"
MAX_MODULES = 500
MAX_TRAIL = 100
TREES = Path(__file__).parent / "trees"
"""The trees of the standard library as it is shipped, by the keys that the cache folder would keep them under."""


@frozen
class Loaded:
    """A root file and all modules it reaches.

    modules: key -> file, a module always after those it imports; `std.units` always there, the root is not.
    A file of the standard library is shown as `std/name.cospace`, wherever it is installed.
    imports: (path shown of the importing file, dotted path of the import) -> key. An import that failed is absent.
    """

    root: tree.File
    modules: Mapping[str, tree.File]
    imports: Mapping[tuple[str, tuple[str, ...]], str]
    places: Mapping[str, Path] = field(factory=dict)
    """Path shown -> the file's real place, which the data files it names are beside. Absent for a text."""

    def module_of(self, file: tree.File, statement: tree.Import) -> tree.File | None:
        """The file that an import statement of `file` names, or None when it could not be loaded."""
        key = self.imports.get((file.path, statement.path))
        return self.modules.get(key) if key is not None else None

    @property
    def files(self) -> tuple[tree.File, ...]:
        """All files, imported ones first, the root last."""
        return (*self.modules.values(), self.root)

    @property
    def sources(self) -> dict[str, str]:
        """Path shown -> text, for rendering diagnostics."""
        return {f.path: f.text for f in self.files}


class Texts:
    """Where texts come from and how they become trees; an editor has some of its own."""

    def exists(self, path: Path) -> bool:
        return path.is_file()

    def read(self, path: Path, shown: str, reporter: Reporter, at: Span) -> str | None:
        """The text of an imported file, or None with a diagnostic."""
        return read_source(path, shown, reporter, at)

    def parse(self, text: str, shown: str, reporter: Reporter) -> tree.File:
        return parse_cached(text, shown, reporter)


def load(path: Path | str, reporter: Reporter, std: Path) -> Loaded:
    """Load a spec and everything it imports.

    path: of the root file; shown as given. std: the folder of the standard library.
    What goes wrong is reported; the result then holds what could be read.
    """
    shown = str(path)
    text = read_source(Path(path), shown, reporter)
    return _load(text, shown, _Loader(reporter, std, Path(path).parent), Path(path))


def load_text(
    text: str | bytes,
    name: str,
    reporter: Reporter,
    std: Path,
    folder: Path | None = None,
    place: Path | None = None,
    texts: Texts | None = None,
) -> Loaded:
    """Load a spec that is no file: standard input, an editor's buffer, a test.

    name: shown in messages. folder: where its relative imports are looked up; the current one when unsaid.
    place: the file that it is to become. texts: where its imports come from; the disk when unsaid.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    folder = folder or (place.parent if place is not None else Path())
    loader = _Loader(reporter, std, folder, texts or Texts())
    return _load(decode_source(data, name, reporter), name, loader, place)


def parse_cached(text: str, path: str, reporter: Reporter) -> tree.File:
    """As `parse`, from what is shipped or the cache where this text was parsed without a message before."""
    reporter.texts[path] = text
    key = tree_key(text)
    stored = _shipped(key) or read_cached("tree", key)
    if stored is not None:
        try:
            return unflatten(stored, path, text)
        except (ValueError, TypeError, LookupError, AttributeError):
            pass
    from cospace.dsl.parse import parse  # only needed where the cache doesn't help

    before = len(reporter.found)
    file = parse(text, path, reporter)
    if len(reporter.found) == before:
        write_cached("tree", key, flatten(file))
    return file


def tree_key(text: str) -> str:
    """What a kept tree hangs on."""
    return digest(version(), text)


def _shipped(key: str) -> Any | None:
    try:
        return json.loads((TREES / f"{key}.json").read_bytes())
    except (OSError, ValueError):
        return None


def _load(text: str | None, shown: str, loader: _Loader, place: Path | None) -> Loaded:
    reporter = loader.reporter
    if place is not None:
        loader.places[shown] = place
        loader.trail.append(_Step(shown, place, Span(shown, 0, 0)))
    if text is None:
        root = tree.File(shown, (), (), "")
    else:
        root = loader.texts.parse(text, shown, reporter)
        if not root.statements and not reporter.failed:
            reporter.error(
                "CS004", Span(shown, 0, 0), f"`{shown}` is empty" if not text.strip() else f"`{shown}` says nothing",
                help="begin with `space name \"what it is\"`; `cospace new` writes a spec to start from",
            )  # fmt: skip
    loader.units(shown)
    loader.imports_of(root, loader.folder)
    return Loaded(root, loader.modules, loader.imports, loader.places)


@frozen
class _Step:
    """One file on the way from the root to where an import stands; `span` is the import that led to it."""

    name: str
    place: Path
    span: Span


@mutable
class _Loader:
    reporter: Reporter
    std: Path
    folder: Path
    texts: Texts = field(factory=Texts)
    modules: dict[str, tree.File] = field(factory=dict)
    imports: dict[tuple[str, tuple[str, ...]], str] = field(factory=dict)
    failed: set[str] = field(factory=set)
    trail: list[_Step] = field(factory=list)
    places: dict[str, Path] = field(factory=dict)

    def imports_of(self, file: tree.File, folder: Path) -> None:
        """Load what `file` imports; `folder` is where its relative imports are looked up."""
        for statement in file.statements:
            if isinstance(statement, tree.Import):
                key = self._import(statement, file, folder)
                if key is not None:
                    self.imports[(file.path, statement.path)] = key

    def units(self, shown: str) -> None:
        """Load `std.units`, which every file sees."""
        path = self.std / "units.cospace"
        here = Span(shown, 0, 0)
        if path.is_file():
            self._read(UNITS, path, "std/units.cospace", self.std, here)
        else:
            self.reporter.error(
                "CS006", here, f"the standard library is incomplete: there is no `{path}`", help="install cospace again"
            )

    def _import(self, statement: tree.Import, file: tree.File, folder: Path) -> str | None:
        names = statement.path
        standard = names[0] == "std"
        base = self.std if standard else folder
        inside = names[1:] if standard else names
        dotted = ".".join(names)
        if not inside:
            self.reporter.error(
                "CS006", statement.span, "`std` is the standard library; import one of its modules",
                help=f"it has {_listed(_modules_in(self.std, 'std.'))}",
            )  # fmt: skip
            return None
        path = base.joinpath(*inside[:-1], inside[-1] + ".cospace")
        key = dotted if standard else str(path)
        shown = "/".join(("std", *inside)) + ".cospace" if standard else str(path)
        if not self._within(path, self.std if standard else self.folder):
            self.reporter.error(
                "CS008", statement.span, f"`{dotted}` leads out of the spec's folder",
                help="a spec reads only files below its own folder; copy the module there",
            )  # fmt: skip
            return None
        if not self.texts.exists(path):
            self._missing(statement, dotted, path, base, Path(file.path).stem)
            return None
        if key not in self.modules:
            circle = next((i for i, step in enumerate(self.trail) if _same(step.place, path)), None)
            if circle is not None:
                self._circle(self.trail[circle:], statement)
                return None
            self.trail.append(_Step(dotted, path, statement.span))
            self._read(key, path, shown, path.parent if not standard else self.std, statement.span)
            self.trail.pop()
        return key if key in self.modules else None

    def _read(self, key: str, path: Path, shown: str, folder: Path, at: Span) -> None:
        if key in self.modules or key in self.failed:
            return
        if len(self.modules) >= MAX_MODULES or len(self.trail) > MAX_TRAIL:
            self.reporter.error("CS009", at, f"more than {MAX_MODULES} modules are imported, or {MAX_TRAIL} in a row")
            self.failed.add(key)
            return
        text = self.texts.read(path, shown, self.reporter, at)
        if text is None:
            self.failed.add(key)
            return
        file = self.texts.parse(text, shown, self.reporter)
        self.places[shown] = path
        self.imports_of(file, folder)
        self.modules[key] = file

    def _within(self, path: Path, folder: Path) -> bool:
        """Whether the real place of a file is inside a folder: no symbolic link leads out."""
        try:
            return path.resolve().is_relative_to(folder.resolve())
        except (OSError, RuntimeError):
            return False

    def _missing(self, statement: tree.Import, dotted: str, path: Path, base: Path, own: str) -> None:
        standard = _modules_in(self.std, "std.")
        known = standard if statement.path[0] == "std" else [m for m in _modules_in(base, "") if m != own]
        near = closest(dotted, known) or next((m for m in standard if m == "std." + dotted), None)
        near = near or closest("std." + dotted, standard)
        help: str | Meant
        if near is not None:
            help = Meant(dotted, near)
        elif known:
            help = f"there is {_listed(known)}"
        else:
            help = f"it would be the file `{path}`"
        self.reporter.error("CS006", statement.span, f"there is no module `{dotted}`", help=help)

    def _circle(self, steps: list[_Step], statement: tree.Import) -> None:
        names = [*(str(step.place) for step in steps), str(steps[0].place)]
        labels = tuple(Label(step.span, f"`{step.name}` is imported here") for step in steps if step.span.end)
        self.reporter.error(
            "CS007", statement.span, "modules import each other in a circle: " + " -> ".join(names),
            help="move what both need into a module that imports neither", labels=labels,
        )  # fmt: skip


def _modules_in(folder: Path, prefix: str) -> list[str]:
    try:
        return sorted(prefix + p.stem for p in folder.iterdir() if p.suffix == ".cospace")
    except OSError:
        return []


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _same(a: Path, b: Path) -> bool:
    try:
        return a.resolve() == b.resolve()
    except (OSError, RuntimeError, ValueError):
        return False
