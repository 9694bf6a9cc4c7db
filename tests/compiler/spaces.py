"""Short ways to compile a text in tests of the elaborator."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cospace.compiler.driver import Compiled, compile_text
from cospace.compiler.exact.exact import Result, evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Requirement, Space

IMPORTS = """
import std.tasks
import std.graph
import std.learn
import std.works
nodes = node_classification("digits")
"""
JOBS = """
import std.learn
import std.works
def job(x: tensor[a], m: int, n: int) -> tensor[a] from "t.job" { ask matmul(m = m, k = 12, n = n) }
def things() -> task from "t.things" { row = tensor[4] }
data = things()
"""
"""An operator that is one product of matrices, and what a network of them reads."""
NETWORK = "network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes]"


def told(text: str, settings: Mapping[str, str] | None = None) -> list[str]:
    """What is said about a text: `CODE word`, the word being the text at its span's start line."""
    compiled = compile_text(text, settings)
    return [
        f"{d.code} {compiled.sources.get(d.span.file, '')[d.span.start : d.span.end]}" for d in compiled.diagnostics
    ]


def space_of(text: str, settings: Mapping[str, str] | None = None) -> Space:
    compiled: Compiled = compile_text(text, settings)
    assert compiled.space is not None, [f"{d.code} {d.message}" for d in compiled.diagnostics]
    return compiled.space


def design(**values: object) -> dict[str, Value]:
    return {k: value(v) for k, v in values.items()}


def value(v: object) -> Value:
    """A Python value as a value of a decision: texts are symbols."""
    if isinstance(v, bool):
        return v
    return Symbol(v) if isinstance(v, str) else Fraction(v)  # type: ignore[arg-type]


def requirement(space: Space, at: int = 0) -> Requirement:
    return [r for r in space.requirements if r.origin == "written"][at]


def holds(space: Space, chosen: Mapping[str, Value], at: int = 0) -> Result:
    """The `at`th written requirement at a design; True where its `when` doesn't hold."""
    r = requirement(space, at)
    return True if evaluate(r.guard, chosen) is False else evaluate(r.value, chosen)


def designs(space: Space) -> list[dict[str, Value]]:
    """Every assignment of the live decisions, their own domains not asked."""
    found: list[dict[str, Value]] = [{}]
    for d in space.decisions:
        found = [
            {**row, d.path: v} if evaluate(d.guard, row) is True else row
            for row in found
            for v in (d.values if evaluate(d.guard, row) is True else d.values[:1])
        ]
    return found
