"""What stands behind a dot, in a path and among the values of a symbol: read off the text, without evaluating it.

Follows a name to what made it: a call to the accelerator or `def` that is called, a decision to its alternatives. What
only a value could tell is not found.
"""

from __future__ import annotations

from collections.abc import Iterator

from cospace.dsl import tree
from cospace.dsl.load import Loaded
from cospace.dsl.walk import walk
from cospace.lsp.scopes import Declared, Trail, declares, in_file, lexical, modules, own, trail_to

DEPTH = 12
"""Steps from a name to what made it."""


def declared_by(
    expr: tree.Expr, around: Trail, file: tree.File, loaded: Loaded, depth: int = 0, dotted: bool = False
) -> Declared | None:
    """The declaration of what an expression names; of a call and an item, that of what is called or indexed.

    dotted: a dot follows.
    """
    if depth > DEPTH:
        return None
    if isinstance(expr, tree.Name):
        return lexical(expr.id, around, file, loaded, expr.span.start, dotted)
    if isinstance(expr, tree.Member):
        if isinstance(expr.object, tree.Name) and expr.object.id == "works":
            return next((d for d in of_works(around, file, loaded) if d.name == expr.name), None)
        owner = declared_by(expr.object, around, file, loaded, depth + 1, True)
        return next((d for d in fields(owner, loaded, depth + 1) if d.name == expr.name), None) if owner else None
    if isinstance(expr, tree.Call):
        return declared_by(expr.function, around, file, loaded, depth + 1)
    return declared_by(expr.object, around, file, loaded, depth + 1) if isinstance(expr, tree.Item) else None


def fields(owner: Declared, loaded: Loaded, depth: int = 0) -> Iterator[Declared]:
    """What can stand after the dot of a name, as far as the text tells."""
    node, file = owner.node, owner.file
    if depth > DEPTH:
        return
    if isinstance(node, tree.File):
        yield from (Declared(name, s, node) for s in node.statements for name in own(s))
    elif isinstance(node, tree.Policy):
        yield from policy_fields(node, file, loaded)
    elif isinstance(node, tree.Bind):
        yield from _of_value(node.value, trail_to(node, file), file, loaded, depth)
    elif isinstance(node, tree.Decision | tree.Alternative):
        value = node if isinstance(node, tree.Decision) else node.value
        yield from _of_value(value, trail_to(node, file), file, loaded, depth)
        if isinstance(node, tree.Alternative):
            yield from decisions(node.value, trail_to(node, file), file, loaded)
    elif isinstance(node, tree.Binder):  # what runs over a table is a row of it
        run_over = declared_by(node.domain, trail_to(node, file)[:-1], file, loaded, depth + 1)
        if run_over is not None and isinstance(run_over.node, tree.Table):
            yield from fields(run_over, loaded, depth + 1)
    elif isinstance(node, tree.Parameter) and node.default is not None:
        yield from _of_value(node.default, trail_to(node, file)[:-1], file, loaded, depth)
    else:
        if isinstance(node, tree.Network | tree.Def):  # a path goes by labels first, what else is bound there is local
            yield from decisions(node, trail_to(node, file), file, loaded)
        yield from (Declared(name, n, file) for name, n in declares(node))


def _of_value(value: tree.Expr, around: Trail, file: tree.File, loaded: Loaded, depth: int) -> Iterator[Declared]:
    if isinstance(value, tree.Decision):
        domain = value.domain
        members = options(domain, around, file, loaded, depth + 1)
        yield from (m for m in members if not _plain_symbol(m, around, file, loaded))
        for member in domain.alternatives if isinstance(domain, tree.SetOf) else ():
            if isinstance(member.value, tree.Call):
                made = declared_by(member.value, around, file, loaded, depth + 1)
                if made is not None and not isinstance(made.node, tree.Def):
                    yield from fields(made, loaded, depth + 1)
                elif made is None and member.name is None:  # a new symbol with attributes
                    yield from (Declared(a.name, a, file) for a in member.value.arguments if a.name)
        if isinstance(domain, tree.Name | tree.Member):
            yield from _attributes(domain, around, file, loaded, depth)
    elif isinstance(value, tree.If):
        yield from _of_value(value.then, around, file, loaded, depth + 1)
        yield from _of_value(value.otherwise, around, file, loaded, depth + 1)
    elif isinstance(value, tree.Name | tree.Member | tree.Call | tree.Item):
        made = declared_by(value, around, file, loaded, depth + 1)
        if made is not None:
            yield from fields(made, loaded, depth + 1)


def _attributes(domain: tree.Expr, around: Trail, file: tree.File, loaded: Loaded, depth: int) -> Iterator[Declared]:
    named = declared_by(domain, around, file, loaded, depth + 1)
    if named is not None and isinstance(named.node, tree.Bind) and isinstance(named.node.value, tree.SetOf):
        yield from _of_value(tree.Decision("choose", None, named.node.value), trail_to(named.node, named.file),
                             named.file, loaded, depth + 1)  # fmt: skip


def policy_fields(policy: tree.Policy, file: tree.File, loaded: Loaded) -> Iterator[Declared]:
    """What a block such as `precision of net { … }` may say: the parameters of the `def` that it calls."""
    made = find_kind(policy.kind, file, loaded)
    if made is not None and isinstance(made.node, tree.Def):
        yield from (Declared(p.name, p, made.file) for p in made.node.parameters)


def find_kind(kind: str, file: tree.File, loaded: Loaded) -> Declared | None:
    """The `def` that a block calls; values of that name don't hide it."""
    for source in (file, *(m for _, m in modules(file, loaded))):
        found = next((s for s in source.statements if isinstance(s, tree.Def) and s.name == kind), None)
        if found is not None:
            return Declared(kind, found, source)
    return None


def work_of(kind: str, file: tree.File, loaded: Loaded) -> Declared | None:
    """The declaration of a kind of work, in a file or in anything that is read with it."""
    for source in (file, *loaded.files):
        found = next((s for s in source.statements if isinstance(s, tree.Work) and s.name == kind), None)
        if found is not None:
            return Declared(kind, found, source)
    return None


def fact(name: str, loaded: Loaded) -> Declared | None:
    """What a policy sets on works, such as `wbits`: an argument of the `policy(…)` that a `def` gives."""
    for source in loaded.files:
        for made in (s.result for s in source.statements if isinstance(s, tree.Def)):
            if isinstance(made, tree.Call) and made.function == tree.Name("policy"):
                for argument in made.arguments:
                    if argument.name == name:
                        return Declared(name, argument, source)
    return None


def of_works(around: Trail, file: tree.File, loaded: Loaded) -> Iterator[Declared]:
    """What `works.` has in an accelerator: what its rules say of each work, and what kinds of work declare."""
    owner = next((n for n in around if isinstance(n, tree.Accelerator)), None)
    for rule in (n for n in walk(owner) if isinstance(n, tree.Rule)) if owner is not None else ():
        yield from (Declared(name, s, file) for s in rule.block.statements for name in own(s))
    for source in (file, *loaded.modules.values()):
        for work in (s for s in source.statements if isinstance(s, tree.Work)):
            yield from (Declared(name, n, source) for name, n in declares(work))


def decisions(inside: tree.Node, around: Trail, file: tree.File, loaded: Loaded) -> Iterator[Declared]:
    """The names that decisions and calls inside a body have in a path."""
    for node, bound in _hinted(inside, None):
        if isinstance(node, tree.Decision):
            if node.label is not None:
                yield Declared(node.label, node, file)
            elif bound is not None:
                yield bound_name(bound, node, around, file, loaded)
        elif isinstance(node, tree.Call):
            made = declared_by(node.function, around, file, loaded)
            if made is not None and isinstance(made.node, tree.Def):
                yield made


def bound_name(bound: tree.Node, node: tree.Node, around: Trail, file: tree.File, loaded: Loaded) -> Declared:
    """What gives an unnamed decision its name: a binding, or an argument, which is its parameter."""
    if isinstance(bound, tree.Argument) and bound.name is not None:
        return argument(bound, trail_to(bound, file), file, loaded) or Declared(bound.name, bound, file)
    targets = bound.targets if isinstance(bound, tree.Bind) else ()
    return Declared(next((t.id for t in targets if isinstance(t, tree.Name)), ""), bound, file)


def argument(node: tree.Argument, around: Trail, file: tree.File, loaded: Loaded) -> Declared | None:
    """The parameter that a named argument gives: of what is called, asked for, or imported."""
    before = [n for n in around if n is not node]
    owner = before[-1] if before else None
    made: Declared | None = None
    if isinstance(owner, tree.Import):
        module = loaded.module_of(file, owner)
        return in_file(node.name or "", module) if module is not None else None
    if isinstance(owner, tree.Call):
        made = declared_by(owner.function, before, file, loaded)
    elif isinstance(owner, tree.Ask):
        work = owner.work.function if isinstance(owner.work, tree.Call) else owner.work
        made = work_of(work.id, file, loaded) if isinstance(work, tree.Name) else None
    named = getattr(made.node, "parameters", None) or () if made is not None else ()
    parameter = next((p for p in named if p.name == node.name), None)
    return Declared(parameter.name, parameter, made.file) if made is not None and parameter is not None else None


def _hinted(node: tree.Node, bound: tree.Node | None) -> Iterator[tuple[tree.Node, tree.Node | None]]:
    """Decisions and calls in the order of the text, each with the binding or argument that would name it."""
    if isinstance(node, tree.Decision | tree.Call):
        yield node, bound
    if isinstance(node, tree.Bind) or (isinstance(node, tree.Argument) and node.name is not None):
        bound = node
    elif isinstance(node, tree.Call | tree.Decision):
        bound = None
    parts: tuple[object, ...] = tuple(getattr(node, f) for f in _PARTS if hasattr(node, f))
    for part in parts:
        for child in part if isinstance(part, tuple) else (part,):
            if isinstance(child, tree.Node):
                yield from _hinted(child, bound)


def _plain_symbol(member: Declared, around: Trail, file: tree.File, loaded: Loaded) -> bool:
    """Whether a member of a set is a new symbol, below which nothing lies; with attributes or none."""
    node = member.node
    if not isinstance(node, tree.Alternative) or node.name is not None:
        return False
    if isinstance(node.value, tree.Name):
        return True
    made = node.value.function if isinstance(node.value, tree.Call) else None
    return isinstance(made, tree.Name) and declared_by(made, around, file, loaded) is None


_PARTS = (
    "block", "statements", "value", "domain", "alternatives", "function", "arguments", "object", "items", "left",
    "right", "operand", "operands", "then", "otherwise",
)  # fmt: skip


def label(member: tree.Alternative) -> str | None:
    """What a member of a set is called: its name, or what it calls."""
    value: tree.Expr = member.value
    if member.name is not None:
        return member.name
    while isinstance(value, tree.Call):
        value = value.function
    return value.name if isinstance(value, tree.Member) else value.id if isinstance(value, tree.Name) else None


def options(value: tree.Expr, around: Trail, file: tree.File, loaded: Loaded, depth: int = 0) -> Iterator[Declared]:
    """The members that a symbol may be, as an expression or a domain tells."""
    if depth > DEPTH:
        return
    if isinstance(value, tree.SetOf):
        for member in value.alternatives:
            name = label(member)
            if name is not None:
                yield Declared(name, member, file)
    elif isinstance(value, tree.Decision):
        yield from options(value.domain, around, file, loaded, depth + 1)
    elif isinstance(value, tree.Item):
        yield from options(value.object, around, file, loaded, depth + 1)
    elif isinstance(value, tree.If):
        yield from options(value.then, around, file, loaded, depth + 1)
        yield from options(value.otherwise, around, file, loaded, depth + 1)
    elif isinstance(value, tree.ListOf):
        for item in value.items[:1]:
            yield from options(item.value if isinstance(item, tree.Each) else item, around, file, loaded, depth + 1)
    elif isinstance(value, tree.Call) and isinstance(value.function, tree.Name) and value.arguments:
        if value.function.id in ("orders", "subsets", "factors"):
            yield from options(value.arguments[0].value, around, file, loaded, depth + 1)
    elif isinstance(value, tree.Name | tree.Member):
        made = declared_by(value, around, file, loaded, depth + 1)
        if made is not None:
            yield from options_of(made, loaded, depth + 1)


def options_of(made: Declared, loaded: Loaded, depth: int = 0) -> Iterator[Declared]:
    """The members that a name may be."""
    node, around = made.node, trail_to(made.node, made.file)
    source: tree.Expr | None = None
    if isinstance(node, tree.Bind):
        source = node.value
    elif isinstance(node, tree.Decision | tree.Binder):
        source = node.domain
    elif isinstance(node, tree.Parameter):
        source = node.type if isinstance(node.type, tree.SetOf) else node.default
    elif isinstance(node, tree.Argument):
        source = node.value
    if source is not None:
        yield from options(source, around[:-1] if isinstance(node, tree.Bind) else around, made.file, loaded, depth + 1)
