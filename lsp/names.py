"""What the name under the cursor means: the place that declares it, in this file or one it imports.

Follows the text, not the values. A word is read by its role: a name, what follows a dot, an argument's name, a label,
a symbol beside another, a unit, a dimension that a rule picks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cospace.compiler.elaborate.builtins import ALL
from cospace.compiler.elaborate.names import BUILTIN_VALUES
from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Span
from cospace.dsl.load import Loaded
from cospace.dsl.walk import walk
from cospace.lsp.fields import (
    argument,
    declared_by,
    fact,
    fields,
    find_kind,
    label,
    of_works,
    options,
    policy_fields,
    work_of,
)
from cospace.lsp.scopes import (
    Declared,
    Trail,
    declares,
    first_binding,
    inside,
    lexical,
    modules,
    own,
    trail,
    trail_to,
    unit,
)
from cospace.lsp.symbols import declared

BUILT_IN = frozenset((*ALL, *BUILTIN_VALUES))
WORD = re.compile(r"[^\W\d]\w*")


def find(loaded: Loaded, offset: int) -> Declared | None:
    """The declaration of the name at an offset of the root file; None where none is known."""
    file = loaded.root
    at = word_at(file.text, offset)
    if at is None or file.text[at.start : at.end] in RESERVED or _quoted(file, at.start):
        return None
    return _role(file.text[at.start : at.end], at.start, trail(file, at.start), file, loaded)


def word_at(text: str, offset: int) -> Span | None:
    """The word around an offset, or just before it."""
    line = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    for m in WORD.finditer(text, line, end if end >= 0 else len(text)):
        if m.start() <= offset <= m.end():
            return Span("", m.start(), m.end())
    return None


def _quoted(file: tree.File, offset: int) -> bool:
    """Whether a place is inside a comment or a text."""
    if any(c.span.start <= offset < c.span.end for c in file.comments):
        return True
    line = file.text.rfind("\n", 0, offset) + 1
    return len(re.findall(r'(?<!\\)"', file.text[line:offset])) % 2 == 1


def identity(found: Declared, loaded: Loaded) -> Declared:
    """The one declaration that stands for a name which several places declare together."""
    node, file = found.node, found.file
    around = trail_to(node, file) if not isinstance(node, tree.File) else []
    if isinstance(node, tree.Parameter) and len(around) > 1 and isinstance(around[-2], tree.Rule):
        work = work_of(around[-2].work, file, loaded)
        same = [n for name, n in declares(work.node) if name == node.name] if work is not None else []
        if work is not None and same:
            return Declared(node.name, same[0], work.file)
        return fact(node.name, loaded) or found
    if isinstance(node, tree.Alternative) and node.name is None:
        made = declared_by(node.value, around, file, loaded)
        return made if made is not None and isinstance(made.node, tree.Def) else found
    if isinstance(node, tree.Argument):
        return argument(node, around, file, loaded) or _attribute(node, around, file) or found
    if isinstance(node, tree.Policy) and node.name is None:
        return find_kind(node.kind, file, loaded) or found
    if not isinstance(node, tree.Bind):
        return found
    owner = next((n for n in reversed(around[:-1]) if isinstance(n, tree.Rule | tree.Policy | tree.Loop)), None)
    if isinstance(owner, tree.Policy) and owner.kind != "baseline":
        return next((d for d in policy_fields(owner, file, loaded) if d.name == found.name), found)
    if isinstance(owner, tree.Rule):
        return next((d for d in of_works(around, file, loaded) if d.name == found.name), found)
    return first_binding(found)


def _attribute(node: tree.Argument, around: Trail, file: tree.File) -> Declared | None:
    """The first member of a set with an attribute that several have."""
    domain = next((n for n in reversed(around) if isinstance(n, tree.SetOf)), None)
    for member in domain.alternatives if domain is not None else ():
        for other in member.value.arguments if isinstance(member.value, tree.Call) else ():
            if other.name == node.name:
                return Declared(str(other.name), other, file)
    return None


def namesakes(loaded: Loaded, wanted: Declared) -> list[Span]:
    """Where the root file says a symbol, or another of the same name; and where the name is not known to mean anything.

    Symbols of several sets are one where they are compared, which only values tell.
    """
    word = re.compile(rf"\b{re.escape(wanted.name)}\b")
    found = [(m, find(loaded, m.start())) for m in word.finditer(loaded.root.text)]
    same = [m for m, d in found if (isinstance(identity(d, loaded).node, tree.Alternative) if d is not None
                                    else _names_something(loaded.root, m.start()))]  # fmt: skip
    return [Span(loaded.root.path, m.start(), m.end()) for m in same]


def _names_something(file: tree.File, at: int) -> bool:
    return not _quoted(file, at) and isinstance(trail(file, at)[-1], tree.Name)


def occurrences(loaded: Loaded, wanted: Declared) -> list[Span]:
    """Where the root file says a name that this declares, its declaration there among them."""
    target = identity(wanted, loaded)
    word = re.compile(rf"\b{re.escape(wanted.name)}\b")
    found = [(m, find(loaded, m.start())) for m in word.finditer(loaded.root.text)]
    same = [m for m, d in found if d is not None and _same(identity(d, loaded), target)]
    return [Span(loaded.root.path, m.start(), m.end()) for m in same]


def _same(a: Declared, b: Declared) -> bool:
    return a.span == b.span and a.name == b.name


def resolve(words: list[str], loaded: Loaded, offset: int) -> Declared | None:
    """The declaration of a dotted name as it would be read at an offset of the root file."""
    place = Span(loaded.root.path, offset, offset)
    path: tree.Expr = tree.Name(words[0], span=place)
    for word in words[1:]:
        path = tree.Member(path, word, span=place)
    return declared_by(path, trail(loaded.root, offset), loaded.root, loaded)


def members(owner: Declared, loaded: Loaded) -> Iterator[Declared]:
    """What stands after the dot of a name."""
    return fields(owner, loaded)


def in_sight(loaded: Loaded, offset: int) -> Iterator[Declared]:
    """Every name that can be read at an offset of the root file, the nearest first."""
    file = loaded.root
    for node in reversed(trail(file, offset)):
        yield from (Declared(name, n, file) for name, n in declares(node))
    yield from fields(Declared("", file, file), loaded)
    yield from (Declared(name, n, file) for name, n in inside(file).items())
    for alias, module in modules(file, loaded):
        yield Declared(alias, module, module)
    for _, module in modules(file, loaded):
        yield from fields(Declared("", module, module), loaded)


def _role(word: str, at: int, around: Trail, file: tree.File, loaded: Loaded) -> Declared | None:
    """What a word means by the innermost node around it."""
    node, outer = around[-1], around[:-1]
    if isinstance(node, tree.Name):
        return _name(node, outer, file, loaded)
    if isinstance(node, tree.Member):
        return declared_by(node, outer, file, loaded)
    if isinstance(node, tree.Number | tree.SetOf):
        return unit(word, file, loaded)
    if isinstance(node, tree.Import):
        return _of_import(node, word, at, file, loaded)
    if isinstance(node, tree.Argument):
        return argument(node, around, file, loaded) or Declared(word, node, file)
    if isinstance(node, tree.Decision | tree.Alternative):
        return (
            Declared(word, node, file)
            if word == (getattr(node, "label", None) or getattr(node, "name", None))
            else None
        )
    if isinstance(node, tree.Parameter | tree.Binder):
        return Declared(word, node, file)
    if isinstance(node, tree.Rule):
        return work_of(word, file, loaded)
    if isinstance(node, tree.Policy):
        return _of_policy(node, word, at, around, file, loaded)
    if isinstance(node, tree.Statement) and word in (*declared(node), *own(node)):
        return Declared(word, node, file)
    return None


def _of_import(node: tree.Import, word: str, at: int, file: tree.File, loaded: Loaded) -> Declared | None:
    module = loaded.module_of(file, node)
    return Declared(node.alias or node.path[-1], module, module) if module is not None else None


def _of_policy(
    node: tree.Policy, word: str, at: int, around: Trail, file: tree.File, loaded: Loaded
) -> Declared | None:
    """The kind of a block, its own name, or a step of a path it is for."""
    head = file.text[node.span.start : node.block.span.start]
    said = [(node.span.start + m.start(), m.group()) for m in WORD.finditer(head)]
    index = next((k for k, (start, _) in enumerate(said) if start == at), None)
    if index is None:
        return None
    if index == 0:
        return find_kind(word, file, loaded)
    if index == 1 and node.name is not None:
        return Declared(word, node, file)
    steps: list[str] = []
    for k in range(index, 0, -1):
        steps.insert(0, said[k][1])
        if file.text[: said[k][0]].rstrip()[-1:] != ".":
            break
    path: tree.Expr = tree.Name(steps[0], span=Span(file.path, at, at))
    for step in steps[1:]:
        path = tree.Member(path, step, span=path.span)
    return declared_by(path, around[:-1], file, loaded)


def _name(node: tree.Name, outer: Trail, file: tree.File, loaded: Loaded) -> Declared | None:
    """A bare name: a field that a block sets, a symbol beside another, a name in sight, a new symbol."""
    parent = outer[-1]
    if isinstance(parent, tree.Bind) and any(t is node for t in parent.targets):
        policy = outer[-3] if len(outer) > 2 and isinstance(outer[-3], tree.Policy) else None
        if policy is None:
            return Declared(node.id, parent, file)
        if policy.kind == "baseline":
            return lexical(node.id, outer[:-1], file, loaded, node.span.start)
        return next((d for d in policy_fields(policy, file, loaded) if d.name == node.id), None)
    asked = next((n for n in outer[-2:] if isinstance(n, tree.Ask)), None)
    if asked is not None and _called(asked.work) is node:
        return work_of(node.id, file, loaded)
    symbol = _symbol(node, outer, file, loaded)
    if symbol is not None:
        return symbol
    found = lexical(node.id, outer, file, loaded, node.span.start)
    member = outer[-1] if isinstance(outer[-1], tree.Alternative) and outer[-1].name is None else None
    if member is not None and (found is None or found.file is not file) and node.id not in BUILT_IN:
        return Declared(node.id, member, file)  # a bare name in a set is a new symbol, also where an import has it
    if found is not None or node.id in BUILT_IN:
        return found
    if isinstance(parent, tree.Item) and parent.object is not node:
        keys = _among(node.id, options(parent.object, outer, file, loaded)) or _among(
            node.id, _indices(parent, outer, file, loaded)
        )
        if keys is not None:
            return keys
    member = next((n for n in reversed(outer) if isinstance(n, tree.Alternative)), None)
    if member is not None and label(member) == node.id and (member.value is node or _called(member.value) is node):
        return Declared(node.id, member, file)
    return _only_symbol(node.id, file)


def _symbol(node: tree.Name, outer: Trail, file: tree.File, loaded: Loaded) -> Declared | None:
    """The member of a set that a name is because of what stands beside it, which comes before names in sight."""
    compare = next((n for n in outer[-1:] + outer[-3:-2] if isinstance(n, tree.Compare)), None)
    if compare is not None:
        for other in compare.operands:
            found = _among(node.id, options(other, outer, file, loaded)) if other is not node else None
            if found is not None and not (isinstance(other, tree.SetOf) and found.node is outer[-1]):
                return found
    parent = outer[-1]
    if isinstance(parent, tree.Argument):
        parameter = _parameter(parent, outer, file, loaded)
        if parameter is not None and isinstance(parameter.node, tree.Parameter):
            type = parameter.node.type
            return _among(node.id, options(type, [], parameter.file, loaded)) if isinstance(type, tree.SetOf) else None
    if isinstance(parent, tree.Bind) and len(outer) > 2 and isinstance(outer[-3], tree.Policy):
        for target in parent.targets:
            if outer[-3].kind == "baseline":
                return _among(node.id, options(target, outer[:-1], file, loaded))
    policy = next((n for n in outer if isinstance(n, tree.Policy)), None)
    bound = next((n for n in reversed(outer) if isinstance(n, tree.Bind)), None)
    if policy is not None and bound is not None and isinstance(outer[-1], tree.Bind | tree.Alternative):
        named = {t.id for t in bound.targets if isinstance(t, tree.Name)}
        for d in policy_fields(policy, file, loaded):
            if d.name in named and isinstance(d.node, tree.Parameter) and d.node.type is not None:
                return _among(node.id, options(d.node.type, [], d.file, loaded))
    return None


def _parameter(node: tree.Argument, outer: Trail, file: tree.File, loaded: Loaded) -> Declared | None:
    """The parameter that an argument gives, by its name or its place."""
    if node.name is not None:
        return argument(node, outer, file, loaded)
    call = outer[-2] if len(outer) > 1 else None
    made = declared_by(call.function, outer[:-2], file, loaded) if isinstance(call, tree.Call) else None
    places = [a for a in call.arguments if a.name is None] if isinstance(call, tree.Call) else []
    known = getattr(made.node, "parameters", None) or () if made is not None else ()
    at = next((k for k, a in enumerate(places) if a is node), len(known))
    return Declared(known[at].name, known[at], made.file) if made is not None and at < len(known) else None


def _indices(item: tree.Item, outer: Trail, file: tree.File, loaded: Loaded) -> Iterator[Declared]:
    """The symbols that index a part: `chunk[large, 4 bit]`."""
    made = declared_by(item.object, outer, file, loaded)
    for binder in made.node.indices if made is not None and isinstance(made.node, tree.Part) else ():
        yield from options(binder.domain, trail_to(binder, made.file)[:-1], made.file, loaded)  # type: ignore[union-attr]


def _among(name: str, found: Iterator[Declared]) -> Declared | None:
    return next((d for d in found if d.name == name), None)


def _called(value: tree.Expr) -> tree.Expr:
    return value.function if isinstance(value, tree.Call) else value


def _only_symbol(name: str, file: tree.File) -> Declared | None:
    """The one member of a set in a file that is a new symbol of this name."""
    found = [n for n in walk(file) if isinstance(n, tree.Alternative) and label(n) == name]
    return Declared(name, found[0], file) if len(found) == 1 else None


__all__ = ["Declared", "find", "identity", "in_sight", "members", "occurrences", "own", "resolve", "word_at"]
