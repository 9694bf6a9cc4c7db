"""What each grammar rule becomes: a node of `tree` with its exact span. Called by the parser at each reduction.

Bottom up, so no depth of text can exhaust the stack. Values that are no nodes of their own (a guard, a doc string,
a path) travel as `Piece`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from attrs import evolve, frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter, Span
from cospace.dsl.source import as_index
from lark import Token
from lark.grammar import Rule

RESERVED = frozenset((
    "language", "space", "import", "as", "param", "unit", "def", "work", "network", "accelerator", "part", "table",
    "on", "ask", "from", "require", "minimize", "maximize", "for", "in", "step", "choose", "switch", "random",
    "adapt", "map", "by", "per", "of", "when", "at", "if", "then", "else", "and", "or", "not",
))  # fmt: skip

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@frozen
class Piece:
    """A part of a statement on its way up: `kind` is the rule's name."""

    kind: str
    value: Any
    span: Span


class Splice(list[Any]):
    """Children that belong to the rule above."""


class Builder:
    """Callbacks for one file's reductions.

    path: shown in spans. Reports what only shows once a rule is complete: reserved words, unknown escapes.
    """

    def __init__(self, path: str, reporter: Reporter) -> None:
        self.path = path
        self.reporter = reporter

    def callbacks(self, rules: Iterable[Rule]) -> dict[Rule, Callable[[list[Any]], Any]]:
        """Rule -> what to do with its children, for Lark's parser."""
        return {rule: self._callback(rule) for rule in rules}

    def _callback(self, rule: Rule) -> Callable[[list[Any]], Any]:
        name: str = rule.alias or rule.origin.name
        if name.startswith("_"):
            return _splice
        single = rule.options.expand1 and not rule.alias
        method: Callable[[_Children], Any] | None = getattr(self, name.rstrip("_") + "_rule", None)
        if single and (method is None or len(rule.expansion) == 1):
            return _only
        assert method is not None, f"the grammar's rule `{name}` has no builder"

        def reduce(children: list[Any]) -> Any:
            flat: list[Any] = _splice(children)
            if single and len(flat) == 1:
                return flat[0]
            return method(_Children(self, flat))

        return reduce

    # ---- files and blocks

    def start_rule(self, c: _Children) -> tuple[tree.Statement, ...]:
        return tuple(c.nodes)  # type: ignore[arg-type]

    def block_rule(self, c: _Children) -> tree.Block:
        return tree.Block(tuple(c.nodes), span=c.span)  # type: ignore[arg-type]

    # ---- declarations

    def language_rule(self, c: _Children) -> tree.Language:
        return tree.Language(_number(c.token("NUMBER")), span=c.span)

    def space_rule(self, c: _Children) -> tree.SpaceName:
        return tree.SpaceName(c.declared(), c.piece("doc"), span=c.span)

    def import_rule(self, c: _Children) -> tree.Import:
        alias = c.declared() if c.has("NAME") else None
        path = tuple(str(t) for t in c.piece("path"))
        return tree.Import(path, c.piece("arguments") or (), alias, c.piece("doc"), span=c.span)

    def param_rule(self, c: _Children) -> tree.Param:
        return tree.Param(c.declared(), c.piece("type"), c.nodes[0], c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def unit_rule(self, c: _Children) -> tree.Unit:
        return tree.Unit(c.declared(), c.maybe(0), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def def_rule(self, c: _Children) -> tree.Def:
        value, late_doc = c.piece("body") or (None, None)
        return tree.Def(
            c.declared(), c.piece("parameters"), c.piece("result"), c.piece("doc") or late_doc, value,
            c.one(tree.Source), c.one(tree.Block), span=c.span,
        )  # fmt: skip

    def work_rule(self, c: _Children) -> tree.Work:
        return tree.Work(c.declared(), c.piece("parameters"), c.piece("doc"), c.one(tree.Block), span=c.span)

    def network_rule(self, c: _Children) -> tree.Network:
        return tree.Network(
            c.declared(), c.piece("parameters"), c.piece("result"), c.piece("doc"),
            c.one(tree.Block), c.one(tree.Source), span=c.span,
        )  # fmt: skip

    def accelerator_rule(self, c: _Children) -> tree.Accelerator:
        return tree.Accelerator(c.declared(), c.piece("parameters"), c.block, c.piece("doc"), span=c.span)

    def part_rule(self, c: _Children) -> tree.Part:
        indices = c.piece("index") or ()
        return tree.Part(c.declared(), c.piece("parameters"), indices, c.block, c.piece("doc"), span=c.span)

    def table_rule(self, c: _Children) -> tree.Table:
        source = c.one(tree.Source)
        assert source is not None
        return tree.Table(c.declared(), c.piece("parameters"), source, c.block, c.piece("doc"), span=c.span)

    def rule_rule(self, c: _Children) -> tree.Rule:
        parameters = c.piece("parameters") or ()
        return tree.Rule(c.declared(), parameters, c.piece("guard"), c.block, c.piece("doc"), span=c.span)

    def body_rule(self, c: _Children) -> Piece:
        return Piece("body", (c.nodes[0], c.piece("doc")), c.span)

    def source_rule(self, c: _Children) -> tree.Source:
        value = c.nodes[0] if c.nodes else self._text(c.token("STRING"))
        return tree.Source(value, span=c.span)  # type: ignore[arg-type]

    def result_rule(self, c: _Children) -> Piece:
        return Piece("result", c.nodes[0], c.span)

    def parameters_rule(self, c: _Children) -> Piece:
        return Piece("parameters", tuple(c.nodes), c.span)

    def parameter_rule(self, c: _Children) -> tree.Parameter:
        return tree.Parameter(str(c.token("NAME")), c.piece("type"), c.maybe(0), span=c.span)  # type: ignore[arg-type]

    def index_rule(self, c: _Children) -> Piece:
        return Piece("index", tuple(c.nodes), c.span)

    def binder_rule(self, c: _Children) -> tree.Binder:
        return tree.Binder(c.declared(), c.nodes[0], span=c.span)  # type: ignore[arg-type]

    def type_rule(self, c: _Children) -> Piece:
        return Piece("type", c.nodes[0], c.span)

    # ---- statements

    def require_rule(self, c: _Children) -> tree.Require:
        return tree.Require(c.nodes[0], c.piece("guard"), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def minimize_rule(self, c: _Children) -> tree.Objective:
        return tree.Objective("minimize", c.nodes[0], c.piece("guard"), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def maximize_rule(self, c: _Children) -> tree.Objective:
        return tree.Objective("maximize", c.nodes[0], c.piece("guard"), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def loop_rule(self, c: _Children) -> tree.Loop:
        return tree.Loop(c.nodes[0], c.block, span=c.span)  # type: ignore[arg-type]

    def policy_rule(self, c: _Children) -> tree.Policy:
        names = [str(t) for t in c.tokens("NAME")]
        targets = tuple(tuple(str(t) for t in p.value) for p in c.pieces("target"))
        name = names[1] if len(names) > 1 else None
        return tree.Policy(names[0], name, targets, c.block, c.piece("doc"), span=c.span)

    def assign_rule(self, c: _Children) -> tree.Assign:
        return tree.Assign(c.piece("targets"), c.nodes[0], c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def typed_rule(self, c: _Children) -> tree.Typed:
        return tree.Typed(c.declared(), c.piece("type"), c.piece("doc"), span=c.span)

    def bind_rule(self, c: _Children) -> tree.Bind:
        return tree.Bind(c.piece("targets"), c.nodes[0], c.piece("guard"), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def targets_rule(self, c: _Children) -> Piece:
        return Piece("targets", tuple(c.nodes), c.span)

    def yields_rule(self, c: _Children) -> tree.Yield:
        return tree.Yield(c.nodes[0], span=c.span)  # type: ignore[arg-type]

    def guard_rule(self, c: _Children) -> Piece:
        return Piece("guard", c.nodes[0], c.span)

    def doc_rule(self, c: _Children) -> Piece:
        return Piece("doc", self._text(c.token("STRING")).value, c.span)

    def target_rule(self, c: _Children) -> Piece:
        parts: list[str] = []
        for child in c.all:
            if isinstance(child, Piece):
                parts[-1] += f"[{child.value}]"
            elif child is not None and child.type == "NAME":
                parts.append(str(child))
        return Piece("target", tuple(parts), c.span)

    def place_rule(self, c: _Children) -> Piece:
        keys = [t for t in c.all if t is not None and t.type in ("NAME", "NUMBER", "STRING")]
        shown = (as_index(self._text(t).value) if t.type == "STRING" else str(t) for t in keys)
        return Piece("place", ", ".join(shown), c.span)

    def path_rule(self, c: _Children) -> Piece:
        return Piece("path", tuple(c.tokens("NAME")), c.span)

    # ---- expressions

    def conditional_rule(self, c: _Children) -> tree.If:
        condition, then, otherwise = c.nodes
        return tree.If(condition, then, otherwise, span=c.span)  # type: ignore[arg-type]

    def decision_rule(self, c: _Children) -> tree.Decision:
        per = str(c.token("NAME")) if c.has("PER") else None
        by = c.nodes[1] if c.has("BY") else None
        return tree.Decision(str(c.token("BINDING")), c.piece("label"), c.nodes[0], by, per, span=c.span)  # type: ignore[arg-type]

    def label_rule(self, c: _Children) -> Piece:
        return Piece("label", c.declared(), c.span)

    def fixed_rule(self, c: _Children) -> tree.Fixed:
        value, path, choice = c.nodes
        return tree.Fixed(value, path, choice, span=c.span)  # type: ignore[arg-type]

    def or_rule(self, c: _Children) -> tree.Binary:
        return tree.Binary("or", c.nodes[0], c.nodes[1], span=c.span)  # type: ignore[arg-type]

    def and_rule(self, c: _Children) -> tree.Binary:
        return tree.Binary("and", c.nodes[0], c.nodes[1], span=c.span)  # type: ignore[arg-type]

    def not_rule(self, c: _Children) -> tree.Unary:
        return tree.Unary("not", c.nodes[0], span=c.span)  # type: ignore[arg-type]

    def comparison_rule(self, c: _Children) -> tree.Compare:
        return tree.Compare(tuple(c.nodes), tuple(str(t) for t in c.tokens("COMPARE")), span=c.span)  # type: ignore[arg-type]

    def range_rule(self, c: _Children) -> tree.Range:
        return tree.Range(c.nodes[0], c.nodes[1], c.maybe(2), span=c.span)  # type: ignore[arg-type]

    def binary_rule(self, c: _Children) -> tree.Binary:
        return tree.Binary(str(c.all[1]), c.nodes[0], c.nodes[1], span=c.span)  # type: ignore[arg-type]

    def power_rule(self, c: _Children) -> tree.Binary:
        return tree.Binary("^", c.nodes[0], c.nodes[1], span=c.span)  # type: ignore[arg-type]

    def negative_rule(self, c: _Children) -> tree.Unary:
        return tree.Unary("-", c.nodes[0], span=c.span)  # type: ignore[arg-type]

    def ask_rule(self, c: _Children) -> tree.Node:
        """`ask f(x).cycles` reads a quantity of the answer: the `Ask` goes below what follows its call."""
        start = c.span.start
        after: list[tree.Node] = []
        node = c.nodes[0]
        while isinstance(node, (tree.Member, tree.Item, tree.Call)):
            after.append(node)
            node = node.function if isinstance(node, tree.Call) else node.object
        calls = [i for i, n in enumerate(after) if isinstance(n, tree.Call)]
        if not calls:
            self.reporter.error(
                "CS113", c.nodes[0].span, "`ask` needs a kind of work with its dimensions",
                help="write `ask matmul(m = …, k = …, n = …)`; a work without dimensions still has `()`",
            )  # fmt: skip
            return tree.Ask(c.nodes[0], (), span=c.span)  # type: ignore[arg-type]
        first = after[calls[-1]]
        assert isinstance(first, tree.Call)
        result: Any = tree.Ask(first.function, first.arguments, span=Span(self.path, start, first.span.end))
        for outer in reversed(after[: calls[-1]]):
            span = Span(self.path, start, outer.span.end)
            inner = {"function": result} if isinstance(outer, tree.Call) else {"object": result}
            result = evolve(outer, span=span, **inner)
        return result  # type: ignore[no-any-return]

    def member_rule(self, c: _Children) -> tree.Member:
        name = c.token("NAME")
        return tree.Member(c.nodes[0], str(name), name_span=self._at(name), span=c.span)  # type: ignore[arg-type]

    def call_rule(self, c: _Children) -> tree.Call:
        return tree.Call(c.nodes[0], c.piece("arguments"), span=c.span)  # type: ignore[arg-type]

    def item_rule(self, c: _Children) -> tree.Item:
        return tree.Item(c.nodes[0], c.piece("items") or (), span=c.span)  # type: ignore[arg-type]

    def text_rule(self, c: _Children) -> tree.Text:
        return self._text(c.token("STRING"))

    def name_rule(self, c: _Children) -> tree.Name:
        return tree.Name(str(c.token("NAME")), span=c.span)

    def atom_rule(self, c: _Children) -> tree.Node:
        """`( expr )`: the parentheses belong to the span, so that an underline covers them."""
        return evolve(c.nodes[0], span=c.span)

    def quantity_rule(self, c: _Children) -> tree.Number:
        return tree.Number(_number(c.token("NUMBER")), c.unit, span=c.span)

    def list_rule(self, c: _Children) -> tree.ListOf:
        return tree.ListOf(c.piece("items") or (), span=c.span)

    def set_rule(self, c: _Children) -> tree.SetOf:
        return tree.SetOf(tuple(c.nodes), c.unit, span=c.span)  # type: ignore[arg-type]

    def alternative_rule(self, c: _Children) -> tree.Alternative:
        name = str(c.token("NAME")) if c.has("NAME") else None
        return tree.Alternative(name, c.nodes[0], c.piece("guard"), c.piece("doc"), span=c.span)  # type: ignore[arg-type]

    def arguments_rule(self, c: _Children) -> Piece:
        arguments = tuple(n if isinstance(n, tree.Argument) else tree.Argument(None, n, span=n.span) for n in c.nodes)  # type: ignore[arg-type]
        return Piece("arguments", arguments, c.span)

    def argument_rule(self, c: _Children) -> tree.Node:
        return c.nodes[0]

    def named_rule(self, c: _Children) -> tree.Argument:
        return tree.Argument(str(c.token("NAME")), c.nodes[0], span=c.span)  # type: ignore[arg-type]

    def items_rule(self, c: _Children) -> Piece:
        return Piece("items", tuple(c.nodes), c.span)

    def each_rule(self, c: _Children) -> tree.Each:
        over = c.nodes[1] if len(c.nodes) > 1 else self._path_expression(c.piece("path"))
        return tree.Each(c.nodes[0], over, c.piece("guard"), span=c.span)  # type: ignore[arg-type]

    # ---- helpers

    def _at(self, token: Token) -> Span:
        start = begin_of(token)
        return Span(self.path, start, start + len(token))

    def _path_expression(self, names: tuple[Token, ...]) -> tree.Expr:
        first = self._at(names[0])
        result: tree.Expr = tree.Name(str(names[0]), span=first)
        for name in names[1:]:
            at = self._at(name)
            result = tree.Member(result, str(name), name_span=at, span=first.to(at))
        return result

    def _text(self, token: Token) -> tree.Text:
        body = str(token)[1:-1]
        span = self._at(token)
        if "\\" not in body:
            return tree.Text(body, span=span)
        out: list[str] = []
        i = 0
        while i < len(body):
            if body[i] != "\\":
                out.append(body[i])
                i += 1
                continue
            after = body[i + 1]
            if after not in _ESCAPES:
                at = Span(self.path, span.start + 1 + i, span.start + 3 + i)
                self.reporter.error(
                    "CS111", at, f"`\\{after}` is not an escape", help='known are `\\n`, `\\t`, `\\"` and `\\\\`'
                )
            out.append(_ESCAPES.get(after, after))
            i += 2
        return tree.Text("".join(out), span=span)


class _Children:
    """One rule's children: tokens by type, pieces by kind, nodes in order."""

    __slots__ = ("all", "builder", "nodes")

    def __init__(self, builder: Builder, children: list[Any]) -> None:
        self.builder = builder
        self.all = children
        self.nodes: list[tree.Node] = [c for c in children if isinstance(c, tree.Node)]

    @property
    def span(self) -> Span:
        if not self.all:
            return Span(self.builder.path, 0, 0)
        first, last = self.all[0], self.all[-1]
        start = begin_of(first) if isinstance(first, Token) else first.span.start
        end = begin_of(last) + len(last) if isinstance(last, Token) else last.span.end
        return Span(self.builder.path, start, end)

    def tokens(self, type: str) -> list[Token]:
        return [c for c in self.all if isinstance(c, Token) and c.type == type]

    def token(self, type: str) -> Token:
        return self.tokens(type)[0]

    def has(self, type: str) -> bool:
        return any(isinstance(c, Token) and c.type == type for c in self.all)

    def pieces(self, kind: str) -> list[Piece]:
        return [c for c in self.all if isinstance(c, Piece) and c.kind == kind]

    def piece(self, kind: str) -> Any:
        """The value of the only piece of a kind, or None."""
        for c in self.all:
            if isinstance(c, Piece) and c.kind == kind:
                return c.value
        return None

    def maybe(self, index: int) -> tree.Node | None:
        return self.nodes[index] if index < len(self.nodes) else None

    def one(self, kind: type[Any]) -> Any:
        return next((n for n in self.nodes if isinstance(n, kind)), None)

    @property
    def block(self) -> tree.Block:
        block = self.one(tree.Block)
        assert isinstance(block, tree.Block)
        return block

    @property
    def unit(self) -> str | None:
        last = self.all[-1]
        return str(last) if isinstance(last, Token) and last.type in ("NAME", "PERCENT") else None

    def declared(self) -> str:
        """The first name; an error where it is a reserved word, which no expression could read back."""
        name = self.token("NAME")
        if str(name) in RESERVED:
            self.builder.reporter.error(
                "CS106", self.builder._at(name), f"`{name}` is a reserved word and can't name anything here",
                help=f"choose another name, for example `{name}_`",
            )  # fmt: skip
        return str(name)


def _splice(children: list[Any]) -> Splice:
    first = children[0] if children else None
    flat = first if isinstance(first, Splice) else Splice([first] if children else [])
    for child in children[1:]:
        if isinstance(child, Splice):
            flat.extend(child)
        else:
            flat.append(child)
    return flat


def begin_of(token: Token) -> int:
    """The offset of a token's first character."""
    return token.start_pos or 0


def _only(children: list[Any]) -> Any:
    only = children[0]
    return only[0] if isinstance(only, Splice) else only


def _number(token: Token) -> Fraction:
    return Fraction(str(token).replace("_", ""))
