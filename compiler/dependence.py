"""Which top-level statements of a file can depend on which: by the words they say, whatever these mean.

On the safe side: a word that is another thing of the same name makes a dependence that isn't there, never hides one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
from attrs import frozen
from cospace.compiler.elaborate.variants import LATER
from cospace.dsl import tree

_HARDWARE = (tree.Accelerator, tree.Network, tree.Policy)
_SPANS = ("span", "name_span", "doc", "reason")


@frozen(eq=False)
class Words:
    """What matters of one statement, wherever it stands.

    gives: words that may mean something else when it changes. says: all its words. together: it is elaborated with
    all networks, accelerators and policies. decides: it makes decisions. tags: what it may make new symbols of.
    alone: nothing can be told of its reach.
    """

    names: tuple[str, ...]

    gives: frozenset[str]
    says: frozenset[str]
    together: bool
    decides: bool
    tags: frozenset[str]
    alone: bool


_FIELDS: dict[type[tree.Node], tuple[str, ...]] = {}


def _fields(cls: type[tree.Node]) -> tuple[str, ...]:
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(f.name for f in attrs.fields(cls) if f.name not in _SPANS)
    return _FIELDS[cls]


def words_of(s: tree.Statement, hardware: frozenset[str] = frozenset()) -> Words:
    """The words of a statement. hardware: names of accelerators and of what makes them, in what it imports."""
    names = tuple(_declared(s))
    gives: set[str] = set(names)
    says: set[str] = set()
    tags: set[str] = set()
    decides = later = False
    waiting: list[object] = [a.value for a in s.arguments] if isinstance(s, tree.Import) else [s]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            says.add(node)
        elif isinstance(node, tuple):
            waiting.extend(node)
        elif isinstance(node, tree.Node) and not isinstance(node, tree.Text):
            waiting.extend([getattr(node, name) for name in _fields(type(node))])
            if isinstance(node, tree.Decision):
                decides = True
                later = later or node.binding in LATER
                gives |= {node.label} if node.label else set()
            elif isinstance(node, tree.SetOf):
                gives |= _symbols(node)
                tags |= _tagged(node)
    named = isinstance(s, tree.Network) and s.block is None  # its operators are named in a file
    alone = later or named or isinstance(s, (tree.Import, tree.Work, tree.Loop))
    together = isinstance(s, _HARDWARE) or not hardware.isdisjoint(says)
    return Words(names, frozenset(gives), frozenset(says), together, decides, frozenset(tags), alone)


def _declared(s: tree.Statement) -> Iterable[str]:
    if isinstance(s, tree.Bind):
        return [t.id for t in s.targets if isinstance(t, tree.Name)]
    if isinstance(s, tree.Policy):
        return [s.name or s.kind]
    if isinstance(s, (tree.Param, tree.Unit, tree.Def, tree.Table, tree.Accelerator, tree.Network, tree.Work)):
        return [s.name]
    return []


def _symbols(node: tree.SetOf) -> set[str]:
    """The members of a set that may be symbols: they mean each other."""
    bare = [a.value for a in node.alternatives if a.name is None]
    found = {v.id for v in bare if isinstance(v, tree.Name)}
    return found | {v.function.id for v in bare if isinstance(v, tree.Call) and isinstance(v.function, tree.Name)}


def _tagged(node: tree.SetOf) -> set[str]:
    """Members like `slow(settle = 4 us)`: new symbols, unless their name is known or near to one that is."""
    called = [a.value for a in node.alternatives if isinstance(a.value, tree.Call) and a.value.arguments]
    return {
        c.function.id for c in called if isinstance(c.function, tree.Name) and all(a.name for a in c.arguments)
    }  # fmt: skip


def names_of(files: Iterable[tree.File]) -> frozenset[str]:
    """The names that files declare."""
    return frozenset([name for file in files for s in file.statements for name in _declared(s)])


def hardware_of(files: Iterable[tree.File]) -> frozenset[str]:
    """The names of imported files that stand for accelerators, networks or policies, or for what reads such a one."""
    words = [words_of(s) for file in files for s in file.statements]
    found = {name for w in words if w.together for name in w.names}
    waiting = list(found)
    users: dict[str, list[tuple[str, ...]]] = {}
    for w in words:
        for word in w.says:
            users.setdefault(word, []).append(w.names)
    while waiting:
        for names in users.get(waiting.pop(), ()):
            for name in names:
                if name not in found:
                    found.add(name)
                    waiting.append(name)
    return frozenset(found)


class Reach:
    """Dependences among the statements of one text, by their numbers."""

    def __init__(self, words: Sequence[Words]) -> None:
        self.words = words
        self.saying: dict[str, list[int]] = {}
        self.giving: dict[str, list[int]] = {}
        for at, w in enumerate(words):
            for word in w.says:
                self.saying.setdefault(word, []).append(at)
            for word in w.gives:
                self.giving.setdefault(word, []).append(at)
        self.together = self._users([at for at, w in enumerate(words) if w.together], ())

    def _users(self, first: Iterable[int], names: Iterable[str]) -> set[int]:
        """Statements, those that say one of the names, and all that may depend on any of them."""
        found = set(first)
        waiting = [*names, *(word for at in found for word in self.words[at].gives)]
        done = set(waiting)
        while waiting:
            for user in self.saying.get(waiting.pop(), ()):
                if user not in found:
                    found.add(user)
                    fresh = self.words[user].gives - done
                    done |= fresh
                    waiting.extend(fresh)
        return found

    def reads_hardware(self, w: Words) -> bool:
        """Whether a statement reads what is elaborated together."""
        return w.together or any(w.says & self.words[at].gives for at in self.together)

    def touched(self, fresh: Iterable[int], gone: Iterable[Words], names: Iterable[str]) -> set[int]:
        """What is new, and what may depend on that, on what is gone, or on names, by its words."""
        return self._users(fresh, {*names, *(word for w in gone for word in w.gives)})

    def changed(
        self, fresh: Iterable[int], gone: Iterable[Words], names: Iterable[str], together: bool = False
    ) -> set[int]:
        """The statements that may mean something else when some are new, others are gone, and names come or go."""
        gone = list(gone)
        found = self.touched(fresh, gone, names)
        if together or found & self.together or any(w.together for w in gone):
            found |= self.together
        return found

    def needed(self, of: Iterable[int]) -> set[int]:
        """Statements, and all that any of them may read."""
        found = set(of)
        waiting = list(found)
        while waiting:
            for word in self.words[waiting.pop()].says:
                for giver in self.giving.get(word, ()):
                    if giver not in found:
                        found.add(giver)
                        waiting.append(giver)
        return found
