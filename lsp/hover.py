"""What is shown beside a name: how it is declared, what its text says of it, and the decisions that it stands for."""

from __future__ import annotations

from cospace.compiler.model import Decision, Space, spell
from cospace.dsl import tree
from cospace.lsp.names import Declared

MOST = 12
"""Values or decisions that are listed."""


def describe(found: Declared, space: Space | None) -> str:
    """Markdown about a declared name. space: None where the spec has errors."""
    parts = [f"```cospace\n{header(found)}\n```"]
    doc = getattr(found.node, "doc", None)
    if doc:
        parts.append(doc)
    if space is not None:
        parts += _decisions(found, space)
    return "\n\n".join(parts)


def header(found: Declared) -> str:
    """The declaration as written, without the block of what has one."""
    if isinstance(found.node, tree.File):
        return f"import {found.name}"
    node = found.node
    block = getattr(node, "block", None)
    end = block.span.start if isinstance(block, tree.Block) else node.span.end
    lines = found.file.text[node.span.start : end].rstrip().removesuffix("{").rstrip().splitlines() or [found.name]
    return "\n".join(lines[:MOST]) + ("\n…" if len(lines) > MOST else "")


def _decisions(found: Declared, space: Space) -> list[str]:
    """A paragraph for each distinct domain among the decisions that the name is bound to."""
    texts: dict[str, int] = {}
    for decision in space.decisions:
        here = decision.span.file == found.file.path and found.node.span.start <= decision.span.start
        if here and decision.span.end <= found.node.span.end and decision.plain.rpartition(".")[2] == found.name:
            text = _domain(decision)
            texts[text] = texts.get(text, 0) + 1
    said = [text + (f", {n} copies" if n > 1 else "") for text, n in texts.items()]
    return said[:MOST]


def _domain(decision: Decision) -> str:
    values = [spell(v, decision.unit, decision.scale) for v in decision.values]
    shown = ", ".join(values[:MOST]) + (f", … {values[-1]}" if len(values) > MOST else "")
    unit = f" in {decision.unit}" if decision.unit else ""
    return f"*{decision.binding}*, {len(values)} values{unit}: {shown}"
