"""The syntax tree: frozen nodes, each with a span that is keyword-only and outside equality.

Nodes say what was written, not what it means: names are unresolved, units are words, `a.b` is a `Member`.
"""

from __future__ import annotations

from fractions import Fraction

from attrs import field, fields, frozen
from cospace.dsl.diagnostics import NOWHERE, Span


@frozen(eq=False, repr=False)
class Node:
    """Every node. Equality, hash and text are written once here: generating them for each class costs start-up time."""

    span: Span = field(default=NOWHERE, kw_only=True)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in _compared(type(self)))

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, n) for n in _compared(type(self)))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in _compared(type(self)))})"


_COMPARED: dict[type[Node], tuple[str, ...]] = {}


def _compared(cls: type[Node]) -> tuple[str, ...]:
    """The fields that make a node what it is: all but spans and the text of a file."""
    if cls not in _COMPARED:
        _COMPARED[cls] = tuple(f.name for f in fields(cls) if not f.kw_only and f.eq)
    return _COMPARED[cls]


# ---- expressions


@frozen(eq=False, repr=False)
class Number(Node):
    """`64 KiB`, `5 %` (unit `%`), `1e-3`. The value is exact and not yet scaled by the unit."""

    value: Fraction
    unit: str | None = None


@frozen(eq=False, repr=False)
class Text(Node):
    value: str


@frozen(eq=False, repr=False)
class Name(Node):
    id: str


@frozen(eq=False, repr=False)
class Member(Node):
    object: Expr
    name: str
    name_span: Span = field(default=NOWHERE, kw_only=True)


@frozen(eq=False, repr=False)
class Argument(Node):
    """`name = value`, or a value by position. A comprehension is an `Each` as value."""

    name: str | None
    value: Expr


@frozen(eq=False, repr=False)
class Call(Node):
    function: Expr
    arguments: tuple[Argument, ...]


@frozen(eq=False, repr=False)
class Item(Node):
    """`object[a, b]`"""

    object: Expr
    items: tuple[Expr, ...]


@frozen(eq=False, repr=False)
class ListOf(Node):
    items: tuple[Expr, ...]


@frozen(eq=False, repr=False)
class Alternative(Node):
    """A member of `{ … }`: `gcn = gcn(x)`, `relu`, `skip(x) when layer == 2`, with a doc string."""

    name: str | None
    value: Expr
    guard: Expr | None = None
    doc: str | None = None


@frozen(eq=False, repr=False)
class SetOf(Node):
    """`{16, 32}`, `{4, 8} bit`, `{relu = relu(x), elu = elu(x)}`; a unit covers the whole set."""

    alternatives: tuple[Alternative, ...]
    unit: str | None = None


@frozen(eq=False, repr=False)
class Range(Node):
    """`low..high step s`, both ends in."""

    low: Expr
    high: Expr
    step: Expr | None = None


@frozen(eq=False, repr=False)
class Unary(Node):
    """`op` is `-` or `not`."""

    op: str
    operand: Expr


@frozen(eq=False, repr=False)
class Binary(Node):
    """`op` is one of `+ - * / ^ and or`."""

    op: str
    left: Expr
    right: Expr


@frozen(eq=False, repr=False)
class Compare(Node):
    """A chain `a <= b < c`; `ops` are among `== != < <= > >= in`, one fewer than operands."""

    operands: tuple[Expr, ...]
    ops: tuple[str, ...]


@frozen(eq=False, repr=False)
class If(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@frozen(eq=False, repr=False)
class Ask(Node):
    """`ask matmul(m = v, …)`: `work` is the kind, possibly dotted."""

    work: Expr
    arguments: tuple[Argument, ...]


@frozen(eq=False, repr=False)
class Decision(Node):
    """`choose conv { … } by w per layer`; `binding` is choose, switch, random, adapt or map."""

    binding: str
    label: str | None
    domain: Expr
    by: Expr | None = None
    per: str | None = None


@frozen(eq=False, repr=False)
class Fixed(Node):
    """`value at path = choice`"""

    value: Expr
    path: Expr
    choice: Expr


@frozen(eq=False, repr=False)
class Binder(Node):
    """`i in 1..n`"""

    name: str
    domain: Expr


@frozen(eq=False, repr=False)
class Each(Node):
    """`value for i in set when guard`, or `value for path` (a fold over a decision)."""

    value: Expr
    over: Binder | Expr
    guard: Expr | None = None


Expr = (
    Number | Text | Name | Member | Call | Item | ListOf | SetOf | Range | Unary | Binary | Compare | If | Ask
    | Decision | Fixed | Each
)  # fmt: skip

# ---- statements and declarations


@frozen(eq=False, repr=False)
class Parameter(Node):
    name: str
    type: Expr | None = None
    default: Expr | None = None


@frozen(eq=False, repr=False)
class Block(Node):
    statements: tuple[Statement, ...]


@frozen(eq=False, repr=False)
class Source(Node):
    """`from "graph.gcn"`, or rows written in place of a file."""

    value: Text | ListOf


@frozen(eq=False, repr=False)
class Language(Node):
    version: Fraction


@frozen(eq=False, repr=False)
class SpaceName(Node):
    name: str
    doc: str | None = None


@frozen(eq=False, repr=False)
class Import(Node):
    path: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()
    alias: str | None = None
    doc: str | None = None


@frozen(eq=False, repr=False)
class Param(Node):
    name: str
    type: Expr | None
    default: Expr
    doc: str | None = None


@frozen(eq=False, repr=False)
class Unit(Node):
    name: str
    value: Expr | None = None
    doc: str | None = None


@frozen(eq=False, repr=False)
class Def(Node):
    """Exactly one of `value` (`= expr`), `block`, `source` is the body; a source may have a block of facts too."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Expr | None = None
    doc: str | None = None
    value: Expr | None = None
    source: Source | None = None
    block: Block | None = None


@frozen(eq=False, repr=False)
class Work(Node):
    name: str
    parameters: tuple[Parameter, ...]
    doc: str | None = None
    block: Block | None = None


@frozen(eq=False, repr=False)
class Network(Node):
    name: str
    parameters: tuple[Parameter, ...] | None = None
    result: Expr | None = None
    doc: str | None = None
    block: Block | None = None
    source: Source | None = None


@frozen(eq=False, repr=False)
class Accelerator(Node):
    """`parameters` is None without parentheses: then it is also its only instance."""

    name: str
    parameters: tuple[Parameter, ...] | None
    block: Block
    doc: str | None = None


@frozen(eq=False, repr=False)
class Part(Node):
    name: str
    parameters: tuple[Parameter, ...] | None
    indices: tuple[Binder, ...]
    block: Block
    doc: str | None = None


@frozen(eq=False, repr=False)
class Table(Node):
    name: str
    parameters: tuple[Parameter, ...]
    source: Source
    block: Block
    doc: str | None = None


@frozen(eq=False, repr=False)
class Rule(Node):
    """`on matmul(m, k, n) when g { … }`"""

    work: str
    parameters: tuple[Parameter, ...]
    guard: Expr | None
    block: Block
    doc: str | None = None


@frozen(eq=False, repr=False)
class Require(Node):
    value: Expr
    guard: Expr | None = None
    reason: str | None = None


@frozen(eq=False, repr=False)
class Objective(Node):
    """`sense` is minimize or maximize."""

    sense: str
    value: Expr
    guard: Expr | None = None
    doc: str | None = None


@frozen(eq=False, repr=False)
class Loop(Node):
    binder: Binder
    block: Block


@frozen(eq=False, repr=False)
class Policy(Node):
    """`precision of gnn { … }`, `search { … }`, `train of net { … }`."""

    kind: str
    name: str | None
    targets: tuple[tuple[str, ...], ...]
    block: Block
    doc: str | None = None


@frozen(eq=False, repr=False)
class Assign(Node):
    """`gnn, engine by gumbel()`: inside a stage."""

    targets: tuple[Expr, ...]
    value: Expr
    doc: str | None = None


@frozen(eq=False, repr=False)
class Typed(Node):
    """`weight: tensor[f, out]`"""

    name: str
    type: Expr
    doc: str | None = None


@frozen(eq=False, repr=False)
class Bind(Node):
    """`rows, cols = choose 4..64 step 4`"""

    targets: tuple[Expr, ...]
    value: Expr
    guard: Expr | None = None
    doc: str | None = None


@frozen(eq=False, repr=False)
class Yield(Node):
    """An expression on a line of its own: the value of its block when it comes last; `ask` elsewhere."""

    value: Expr


Statement = (
    Language | SpaceName | Import | Param | Unit | Def | Work | Network | Accelerator | Part | Table | Rule
    | Require | Objective | Loop | Policy | Assign | Typed | Bind | Yield
)  # fmt: skip


@frozen(eq=False, repr=False)
class Comment(Node):
    text: str


@frozen(eq=False, repr=False)
class File(Node):
    """One parsed file. `path` is as shown to the user; `text` is what spans index into."""

    path: str
    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = ()
    text: str = field(default="", eq=False, repr=False)
    lost: frozenset[str] = field(default=frozenset(), eq=False, repr=False)
    """Names that statements with a syntax error would have declared: that these are missing needs no second message."""
