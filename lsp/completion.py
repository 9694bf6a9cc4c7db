"""What can stand at the cursor, what fits by kind and unit first: members after a dot, units after a number, symbols
beside a symbol, arguments in a call, quantities of the dimension that they are compared with; else every name in sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen
from cospace.compiler.elaborate.paths import segments
from cospace.compiler.space.dimension import Dimension
from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.lsp import cursor
from cospace.lsp.analysis import Analysis
from cospace.lsp.fields import fields, options_of, policy_fields, work_of
from cospace.lsp.hover import header
from cospace.lsp.meaning import attributes, peek, symbols, unit_of, units, value_of, value_of_text, words
from cospace.lsp.names import Declared, in_sight, resolve
from cospace.lsp.scopes import trail
from cospace.lsp.symbols import KINDS
from cospace.lsp.words import BUILT_IN
from lsprotocol import types

_ITEMS = {
    types.SymbolKind.Constant: types.CompletionItemKind.Constant,
    types.SymbolKind.Function: types.CompletionItemKind.Function,
    types.SymbolKind.Class: types.CompletionItemKind.Class,
}
_INDEX = re.compile(r"\[[^\[\]]*\]")
FIRST, GOOD, OPEN, ODD = range(4)
"""What was asked for, what fits, what may fit, what does not."""


@frozen
class Wanted:
    """What fits at a place. unit: the dimension of a number; named: symbols, with what they are beside."""

    unit: Dimension | None = None
    named: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()

    def rank(self, value: Any | None) -> int:
        unit = unit_of(value)
        if self.unit is None or value is None:
            return OPEN
        return GOOD if unit == self.unit else ODD if unit is not None else OPEN


def complete(analysis: Analysis, text: str, offset: int, at: int) -> list[types.CompletionItem]:
    """What may be typed at an offset of a text. analysis: of this text, or of one before it with `at` as that place."""
    here = cursor.read(text, offset)
    if here.quiet:
        return []
    wanted = _wanted(here, at, analysis)
    if here.owner is not None:
        return _sorted(_members(here.owner, wanted, at, analysis))
    if here.number:
        return _sorted(_units(wanted, at, analysis))
    found = [*_asked(wanted), *_arguments(here, at, analysis)]
    if not wanted.named or here.at_argument:
        found += [*_fields(here, at, analysis), *_names(wanted, at, analysis), *_words(here)]
    else:
        found += list(_names(wanted, at, analysis))
    return _sorted(found)


Ranked = tuple[int, types.CompletionItem]


def _sorted(found: Iterable[Ranked]) -> list[types.CompletionItem]:
    """One item a name: of equal names the first; in the order of their ranks."""
    items: dict[str, types.CompletionItem] = {}
    for place, (rank, item) in enumerate(found):
        if item.label not in items:
            item.sort_text = f"{rank}{place:05}"
            items[item.label] = item
    return sorted(items.values(), key=lambda i: i.sort_text or "")


# ---- what is wanted


def _wanted(here: cursor.Cursor, at: int, analysis: Analysis) -> Wanted:
    if here.beside is not None:
        value = value_of_text(here.beside, at, analysis)
        named = symbols(value, analysis)
        beside = resolve(_steps(here.beside), analysis.compiled.loaded, at) if _is_path(here.beside) else None
        declared = tuple(options_of(beside, analysis.compiled.loaded)) if beside is not None else ()
        return Wanted(unit_of(value), tuple(named or dict.fromkeys(d.name for d in declared)), declared)
    if here.call is not None and here.argument is not None:
        called = _called(here, at, analysis)
        given = next((p for p in _parameters(called) if p.name == here.argument), None)
        if called is not None and given is not None:
            declared = tuple(options_of(Declared(given.name, given, called.file), analysis.compiled.loaded))
            kind = given.type if isinstance(given.type, tree.Name | tree.Binary) else given.default
            value = value_of(kind, at, analysis) if kind is not None else None
            return Wanted(unit_of(value), tuple(d.name for d in declared), declared)
    return Wanted()


def _is_path(text: str) -> bool:
    return re.fullmatch(r"[\w.\s]+", _INDEX.sub("", text)) is not None


def _steps(path: str) -> list[str]:
    return [step.strip() for step in _INDEX.sub("", path).split(".")]


def _called(here: cursor.Cursor, at: int, analysis: Analysis) -> Declared | None:
    """What is called around the cursor: a `def`, an accelerator, a kind of work, an import with arguments."""
    loaded = analysis.compiled.loaded
    if here.call is None:
        return None
    steps = _steps(here.call)
    head = here.line[: here.line.rfind("(")] if "(" in here.line else here.line
    if re.search(r"\b(?:ask|on)\s+[\w.]+\s*$", head):
        return work_of(steps[-1], loaded.root, loaded)
    imported = next(
        (s for s in loaded.root.statements if isinstance(s, tree.Import) and list(s.path) == steps), None
    ) if re.search(r"\bimport\b", head) else None  # fmt: skip
    module = loaded.module_of(loaded.root, imported) if imported is not None else None
    if module is not None:
        return Declared(steps[-1], module, module)
    found = resolve(steps, loaded, at)
    if found is not None and isinstance(found.node, tree.File):
        inside = next((d for d in fields(found, loaded) if d.name == steps[-1]), None)
        return inside or found
    return found


def _parameters(called: Declared | None) -> tuple[tree.Parameter, ...]:
    if called is None:
        return ()
    if isinstance(called.node, tree.File):
        params = [s for s in called.node.statements if isinstance(s, tree.Param)]
        return tuple(tree.Parameter(p.name, p.type, p.default, span=p.span) for p in params)
    return tuple(getattr(called.node, "parameters", None) or ())


# ---- what there is


def _asked(wanted: Wanted) -> Iterator[Ranked]:
    """The symbols that fit."""
    known = {d.name: d for d in wanted.declared}
    for name in wanted.named:
        detail = header(known[name]).splitlines()[0] if name in known else None
        doc = _doc(known[name].node) if name in known else None
        yield (
            FIRST,
            types.CompletionItem(name, kind=types.CompletionItemKind.EnumMember, detail=detail, documentation=doc),
        )


def _arguments(here: cursor.Cursor, at: int, analysis: Analysis) -> Iterator[Ranked]:
    """The arguments that are not given yet."""
    if not here.at_argument:
        return
    called = _called(here, at, analysis)
    if called is None:
        return
    rule = re.search(r"\bon\s+[\w.]+\s*\([^)]*$", here.line) is not None
    for p in _parameters(called)[here.places :]:
        if p.name not in here.given:
            detail = " ".join(called.file.text[p.span.start : p.span.end].split())
            insert = p.name if rule else f"{p.name} = "
            label, kind = insert.rstrip(), types.CompletionItemKind.Field
            yield FIRST, types.CompletionItem(label, kind=kind, detail=detail, insert_text=insert, filter_text=p.name)


def _fields(here: cursor.Cursor, at: int, analysis: Analysis) -> Iterator[Ranked]:
    """What a block such as `precision of net { … }` may say, where a line of it begins."""
    policy = next((n for n in trail(analysis.compiled.loaded.root, at) if isinstance(n, tree.Policy)), None)
    if policy is not None and re.fullmatch(r"(?:.*[{;])?\s*\w*", here.line) and policy.block.span.start < at:
        for d in policy_fields(policy, analysis.compiled.loaded.root, analysis.compiled.loaded):
            rank, item = _item(d, FIRST)
            item.insert_text = f"{d.name} = "
            item.kind = types.CompletionItemKind.Field
            yield rank, item


def _members(owner: str, wanted: Wanted, at: int, analysis: Analysis) -> Iterator[Ranked]:
    """What the text says stands after a dot, then what the value has besides; of a path what leads on to decisions."""
    loaded = analysis.compiled.loaded
    inside = attributes(value_of_text(owner, at, analysis), analysis)
    found = resolve(_steps(owner), loaded, at)
    known = list(fields(found, loaded)) if found is not None else []
    if found is not None and isinstance(found.node, tree.Network | tree.Decision | tree.Alternative | tree.Def):
        further = _further(_steps(owner), analysis)
        inside |= dict.fromkeys([*further, *(("works", "weights") if isinstance(found.node, tree.Network) else ())])
        known = [d for d in known if d.name in inside or isinstance(d.node, tree.Argument)]
    for d in known:
        value = inside.get(d.name)
        yield _item(d, wanted.rank(value), words(value, analysis))
    for name, value in inside.items():
        item = types.CompletionItem(name, kind=types.CompletionItemKind.Field, detail=words(value, analysis))
        yield wanted.rank(value), item


def _further(steps: list[str], analysis: Analysis) -> list[str]:
    """The steps with which the paths of decisions go on."""
    context = analysis.compiled.context
    paths = [[s[0] for s in segments(p)] for p in context.state.domains] if context is not None else []
    return list(dict.fromkeys(p[len(steps)] for p in paths if p[: len(steps)] == steps and len(p) > len(steps)))


def _units(wanted: Wanted, at: int, analysis: Analysis) -> Iterator[Ranked]:
    known = units(analysis)
    loaded = analysis.compiled.loaded
    tops = (d for f in loaded.files for d in fields(Declared("", f, f), loaded))
    for name, d in {d.name: d for d in tops if isinstance(d.node, tree.Unit)}.items():
        scale = known.get(name)
        rank = OPEN if wanted.unit is None or scale is None else GOOD if scale.type.unit == wanted.unit else ODD
        yield _item(d, rank)


def _names(wanted: Wanted, at: int, analysis: Analysis) -> Iterator[Ranked]:
    for d in in_sight(analysis.compiled.loaded, at):
        if not isinstance(d.node, tree.Unit):
            value = peek(d.name, at, analysis)
            yield _item(d, wanted.rank(value), words(value, analysis))
            if wanted.unit is not None and isinstance(d.node, tree.Bind | tree.Accelerator):
                yield from _fitting(d.name, value, wanted, analysis)


def _fitting(owner: str, value: Any, wanted: Wanted, analysis: Analysis) -> Iterator[Ranked]:
    """What an accelerator or a task has that is of the dimension asked for: `engine.area`."""
    for name, inner in attributes(value, analysis).items():
        if wanted.rank(inner) == GOOD:
            kind = types.CompletionItemKind.Field
            yield GOOD, types.CompletionItem(f"{owner}.{name}", kind=kind, detail=words(inner, analysis))


def _words(here: cursor.Cursor) -> Iterator[Ranked]:
    """Built-in functions and reserved words."""
    for name, (call, said) in BUILT_IN.items():
        yield OPEN, types.CompletionItem(name, kind=types.CompletionItemKind.Function, detail=call, documentation=said)
    rank = ODD if here.beside is not None else OPEN
    yield from ((rank, types.CompletionItem(w, kind=types.CompletionItemKind.Keyword)) for w in sorted(RESERVED))


def _item(found: Declared, rank: int, said: str | None = None) -> Ranked:
    item = types.CompletionItem(
        found.name, kind=_kind(found.node), detail=header(found).splitlines()[0], documentation=_doc(found.node)
    )
    if said is not None:
        item.label_details = types.CompletionItemLabelDetails(description=said)
    return rank, item


def _kind(node: tree.Node) -> types.CompletionItemKind:
    if isinstance(node, tree.File):
        return types.CompletionItemKind.Module
    if isinstance(node, tree.Unit):
        return types.CompletionItemKind.Unit
    if isinstance(node, tree.Alternative):
        return types.CompletionItemKind.EnumMember
    return _ITEMS.get(KINDS.get(type(node), types.SymbolKind.Variable), types.CompletionItemKind.Variable)


def _doc(node: tree.Node) -> str | None:
    doc = getattr(node, "doc", None)
    return doc if isinstance(doc, str) else None
