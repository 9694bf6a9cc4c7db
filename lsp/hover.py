"""What is shown beside a name: how it is declared, what its text says of it, what it is, and what the proofs count."""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen
from cospace.compiler.space.model import Decision, spell
from cospace.compiler.space.units import show_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.lsp.analysis import Analysis
from cospace.lsp.counts import MOST, Counts, decision_words, requirement_words
from cospace.lsp.meaning import attributes, paths_of, value_of, words
from cospace.lsp.names import Declared, find, word_at
from cospace.lsp.scopes import modules, trail, trail_to
from cospace.lsp.words import BUILT_IN
from lsprotocol import types


@frozen
class Known:
    """What is known beside the text. counts: None where nothing is, or not yet (`proving`)."""

    counts: Counts | None = None
    proving: bool = False


def hover(analysis: Analysis, offset: int, known: Known) -> types.Hover | None:
    """What an editor shows at an offset; None where there is nothing to say."""
    root = analysis.compiled.loaded.root
    at = word_at(root.text, offset)
    if at is None:
        return None
    if root.text[at.start : at.end] == "require":
        return _requirement(at, analysis, known)
    found = find(analysis.compiled.loaded, at.start)
    parts = []
    if found is not None:
        parts = _describe(found, at, analysis, known)
    elif root.text[at.start : at.end] in BUILT_IN and not _written(root, at.start):
        call, said = BUILT_IN[root.text[at.start : at.end]]
        parts = [f"```cospace\n{call}\n```", said]
    if not parts:
        return None
    marked = types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(parts))
    return types.Hover(marked, analysis.document.places.range(at))


def _requirement(at: Span, analysis: Analysis, known: Known) -> types.Hover | None:
    """Beside `require`: why it is asked, and what it excludes."""
    root = analysis.compiled.loaded.root
    node = next((n for n in reversed(trail(root, at.start)) if isinstance(n, tree.Require)), None)
    said = requirement_words(node.span, known.counts) if node is not None else None
    parts = [part for part in (node.reason if node is not None else None, said) if part]
    if not parts:
        return None
    marked = types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(parts))
    return types.Hover(marked, analysis.document.places.range(at))


def _written(root: tree.File, at: int) -> bool:
    """Whether a place is in a comment or a text: no name is read there."""
    around = trail(root, at)[-1]
    return not isinstance(around, tree.Name)


def _describe(found: Declared, at: Span, analysis: Analysis, known: Known) -> list[str]:
    parts = [f"```cospace\n{header(found)}\n```"]
    doc = getattr(found.node, "doc", None)
    if doc:
        parts.append(doc)
    value = _value(found, at, analysis)
    said = words(value, analysis)
    if isinstance(found.node, tree.Param):
        parts.append(_param(found, said, analysis))
    elif said is not None:
        parts.append(f"*{said}*")
    inside = {n: words(v, analysis) for n, v in attributes(value, analysis).items() if v is not None}
    told = [f"`{n}` {w}" for n, w in inside.items() if w is not None]
    if told:
        parts.append("has " + "; ".join(told[:MOST]) + ("; …" if len(told) > MOST else ""))
    decisions = _decisions(found, value, at, analysis)
    if decisions:
        parts += _domains(decisions)
        counted = decision_words(decisions, known.counts, known.proving)
        parts += [counted] if counted else []
    return parts


def header(found: Declared) -> str:
    """The declaration as written, without the block of what has one."""
    if isinstance(found.node, tree.File):
        return f"import {found.name}"
    node = found.node
    if isinstance(node, tree.Name):
        around = trail_to(node, found.file)
        node = next((n for n in reversed(around) if isinstance(n, tree.Parameter)), node)
    block = getattr(node, "block", None)
    end = block.span.start if isinstance(block, tree.Block) else node.span.end
    text = found.file.text
    column = node.span.start - text.rfind("\n", 0, node.span.start) - 1
    written = text[node.span.start : end]
    doc = getattr(node, "doc", None)
    if isinstance(doc, str):  # it stands below
        written = re.sub(r"\s*" + re.escape(f'"{doc}"'), "", written)
    lines = written.rstrip().removesuffix("{").rstrip().splitlines() or [found.name]
    lines = [line if at == 0 or line[:column].strip() else line[column:] for at, line in enumerate(lines)]
    return "\n".join(lines[:MOST]) + ("\n…" if len(lines) > MOST else "")


def _value(found: Declared, at: Span, analysis: Analysis) -> Any | None:
    """What stands under the cursor, read where it stands; a name where it is declared is read below that."""
    root = analysis.compiled.loaded.root
    around = trail(root, at.start)
    node = around[-1]
    if isinstance(node, tree.Member) and len(around) > 1 and isinstance(around[-2], tree.Item):
        node = around[-2] if around[-2].object is node else node
    module = next((a for a, m in modules(root, analysis.compiled.loaded) if m is found.file), None)
    if isinstance(found.node, tree.Param) and module is not None:
        return value_of(tree.Member(tree.Name(module, span=at), found.name, span=at), at.start, analysis)
    if isinstance(node, tree.Name | tree.Member | tree.Item):
        return value_of(node, at.start, analysis)
    if isinstance(node, tree.Param | tree.Bind | tree.Accelerator | tree.Policy) and found.node is node:
        return value_of(tree.Name(found.name, span=at), at.start, analysis)
    return None


def _param(found: Declared, said: str | None, analysis: Analysis) -> str:
    """A param's value, and how it is overridden."""
    root = analysis.compiled.loaded.root
    alias = next((a for a, m in modules(root, analysis.compiled.loaded) if m is found.file), None)
    name = found.name if alias is None else f"{alias}.{found.name}"
    constants = analysis.compiled.space.constants if analysis.compiled.space is not None else ()
    text = next((f"= {c.text}" for c in constants if c.span == found.node.span), said)
    value = "" if text is None else f"*{text}*; "
    return f"{value}`--set {name}=…` overrides it"


def _decisions(found: Declared, value: Any, at: Span, analysis: Analysis) -> list[Decision]:
    """The decisions that a name stands for: those its value is, those its path means, those that are written there."""
    space = analysis.compiled.space
    if space is None:
        return []
    paths = set(paths_of(value)) or {_path(at, analysis)}
    named = [d for d in space.decisions if d.path in paths or d.plain in paths]
    if named:
        return named
    root = analysis.compiled.loaded.root
    here = next((n for n in reversed(trail(root, at.start)) if not isinstance(n, tree.Name)), root)
    places = [(found.node.span, found.file.path)]
    places += [(here.span, root.path)] * isinstance(here, tree.Argument | tree.Bind)
    return [
        d
        for d in space.decisions
        if d.plain.rpartition(".")[2] == found.name
        if any(d.span.file == f and s.start <= d.span.start and d.span.end <= s.end for s, f in places)
    ]


def _path(at: Span, analysis: Analysis) -> str:
    """The path that is written up to the word under the cursor, with the index after it."""
    root = analysis.compiled.loaded.root
    around = trail(root, at.start)
    node = around[-1]
    if len(around) > 1 and isinstance(around[-2], tree.Item) and around[-2].object is node:
        node = around[-2]
    return (
        "".join(root.text[node.span.start : node.span.end].split()) if isinstance(node, tree.Member | tree.Item) else ""
    )


def _domains(decisions: list[Decision]) -> list[str]:
    """A paragraph for each distinct domain."""
    texts: dict[str, int] = {}
    for decision in decisions:
        text = _domain(decision)
        texts[text] = texts.get(text, 0) + 1
    return [text + (f", {n} copies" if n > 1 else "") for text, n in texts.items()][:MOST]


def _domain(decision: Decision) -> str:
    values = [spell(v, decision.unit, decision.scale) for v in decision.values]
    shown = ", ".join(values[:MOST]) + (f", … {values[-1]}" if len(values) > MOST else "")
    kind = decision.type.kind
    if kind == "number":
        kind = f"number in {decision.unit or show_unit(decision.type.unit)}" if decision.type.unit else "plain number"
    return f"*{decision.binding}* at {_when(decision)}, {kind}, {len(values)} values: {shown}"


def _when(decision: Decision) -> str:
    return "search" if decision.binding == "choose" else "run time"
