"""Checks certificates: no design is feasible, none has a value, or a requirement changes nothing or never applies.

    python certificates.py SPACE.json CERTIFICATES.json

Trusted: this file, the standard library, and the space that `cospace compile SPEC --emit space` prints, with its tables
of solved maps and real functions; for claims of the best also `optimum.py`. By each lemma of a proof no design lies in
a box (values of each decision): a requirement is false all over it, some added up are, or earlier lemmas cover it. What
an expression is on a box has exact ends (true is 1, false 0), or is None where it has no value at any design.
"""

import hashlib
import itertools
import json
import math
import sys
from fractions import Fraction
from functools import reduce
from importlib import import_module
from pathlib import Path

INF, ALL = math.inf, (-math.inf, math.inf)
BITS = 1 << 14  # longer ends become infinite
WORK = 20_000_000  # steps for one file of certificates


class Rejected(Exception):
    """Why a certificate does not show what it claims."""


def need(holds, why):
    if not holds:
        raise Rejected(why)


def position(data, end):
    need(type(data) is int and 0 <= data < end, f"{str(data)[:40]} is not a position below {end}")
    return data


def number(text):
    need(text.replace("/", "", 1).lstrip("-").isdecimal() and len(text) < 8_000, "a number is not p/q")
    return Fraction(text) if "/" in text else int(text)


def short(e, edge):
    e = e.numerator if type(e) is Fraction and e.denominator == 1 else e
    return edge if type(e) is float or max(e.numerator.bit_length(), e.denominator.bit_length()) > BITS else e


def hull(parts):
    known = [p for p in parts if p is not None]
    return (min(p[0] for p in known), max(p[1] for p in known)) if known else None


def times(a, b):
    ends = [x * y if x and y else 0 for x in a[a[0] is a[1] :] for y in b[b[0] is b[1] :]]
    return min(ends), max(ends)


def divide(a, b):
    if b[0] < 0 < b[1] or b[0] == b[1] == 0:
        return ALL if b[0] < b[1] else None
    ends = ((b[1], -INF), (b[0], INF))
    return times(a, [edge if e == 0 else 0 if type(e) is float else 1 / Fraction(e) for e, edge in ends])


def remainder(a, b):
    whole = divide(a, b)
    if whole and INF not in map(abs, whole) and math.floor(whole[0]) == math.floor(whole[1]):
        return tuple(map(sum, zip(a, times(b, (-math.floor(whole[0]),) * 2), strict=True)))
    return whole and (min(b[0], 0), max(b[1], 0) if a[0] < 0 or b[0] <= 0 else min(a[1], b[1]))


def power(a, b):
    if b[0] != b[1] or INF in map(abs, (*a, *b)) or b[0] != int(b[0]) or abs(b[0]) > 256:
        return ALL  # not to one whole number: where it is known, it stands in a printed table
    n = abs(int(b[0]))
    ends = [a[0] ** n, a[1] ** n] + [0] * (n > 0 and n % 2 == 0 and a[0] < 0 < a[1])
    return (min(ends), max(ends)) if b[0] >= 0 else divide((1, 1), (min(ends), max(ends)))


RULES = {
    "add": lambda *args: tuple(map(sum, zip(*args, strict=True))), "mul": lambda *args: reduce(times, args),
    "div": divide, "mod": remainder, "pow": power, "not": lambda a: (1 - a[1], 1 - a[0]),
    **{f.__name__: lambda a, f=f: tuple(e if type(e) is float else f(e) for e in a) for f in (math.floor, math.ceil)},
    "abs": lambda a: a if a[0] >= 0 else (-a[1], -a[0]) if a[1] <= 0 else (0, max(-a[0], a[1])),
    "min": lambda *args: tuple(map(min, *args)), "max": lambda *args: tuple(map(max, *args)),
    "le": lambda a, b: (a[1] <= b[0], a[0] <= b[1]), "lt": lambda a, b: (a[1] < b[0], a[0] < b[1]),
    "eq": lambda a, b: (a[0] == a[1] == b[0] == b[1], a[0] <= b[1] and b[0] <= a[1]),
}  # fmt: skip


class Space:
    """The printed space: nodes in order, variables (decisions, then the maps of solved works), requirements."""

    def __init__(self, text):
        self.text, self.data, self.mark = text, (data := json.loads(text)), hashlib.sha256(text.encode()).hexdigest()
        self.names, self.memo, self.steps, self.nodes, self.reads = {}, {}, itertools.count(), [], []
        self.decisions, self.problems, self.solved = data["space"]["decisions"], data["problems"], data["solved"]
        variables = [*self.decisions, *(m for p in self.problems for m in p["maps"])]
        self.at = {d["path"]: v for v, d in enumerate(variables)}
        self.values = [self.read(d["values"]) for d in variables]
        self.full = [(1 << len(x)) - 1 for x in self.values]
        self.lookups = [[*map(self.read, t["keys"])] for t in data["lookups"]]
        self.found = [(self.read(t["values"]), self.read(t["default"])) for t in data["lookups"]]
        self.functions = {f["node"]: f for f in data["functions"]}
        for n in data["nodes"]:
            self.make(n["op"], [position(a, len(self.nodes)) for a in n.get("args", ())], n.get("payload"))
        self.required = [(r["guard"], r["value"]) for r in data["space"]["requirements"]]
        self.kept = [self.make("or", [self.make("not", [g]), v]) for g, v in self.required]

    def read(self, values):
        """Numbers and Booleans as they are; each symbol or text is a number of its own."""
        return [self.names.setdefault(str(v), len(self.names)) if type(v) is dict else int(v) if type(v) is bool
                else number(v) for v in values]  # fmt: skip

    def make(self, op, args, payload=None):
        reads = {self.at[p] for p in [payload] if op == "var" and p in self.at}.union(*(self.reads[a] for a in args))
        if op in ("solve", "solvable"):
            reads |= {self.at[p] for p in self.solved[payload]["reads"]}
            reads -= {self.at[m["path"]] for m in self.problems[payload]["maps"]}
        self.reads.append(sorted(reads))
        self.nodes.append((op, args, self.read([payload])[0] if op == "const" else payload))
        return len(self.nodes) - 1

    def ask(self, n, box):
        """The range of a node on a box: for each variable its values, by bits. Remembered."""
        key = (n, *[box[v] for v in self.reads[n]])
        if (found := self.memo.get(key, self)) is self:
            found = self.memo[key] = tuple(map(short, self.visit(n, box) or (), ALL)) or None
        return found

    def may(self, n, box):
        return (self.ask(n, box) or (0, 0))[1] > 0

    def visit(self, n, box):
        (op, args, payload), reads = self.nodes[n], self.reads[n]
        next(self.steps)
        if len(reads) == 1 and box[reads[0]] & (box[reads[0]] - 1):
            return hull([self.ask(n, inner) for _, inner in self.points(reads, box)])
        if op == "const" or (op == "var" and payload in self.at):
            return (payload if op == "const" else self.values[v := self.at[payload]][box[v].bit_length() - 1],) * 2
        if op in ("solve", "solvable"):
            return self.at_mapping(args, payload, box)
        if n in self.functions:
            places = self.points([self.at[p] for p in self.functions[n]["reads"]], box)
            found = [self.functions[n]["values"][place] for place, _ in places]
            return hull([f and (number(f[0]), number(f[1])) for f in found])
        if op in ("and", "or"):  # left to right: what stands after an undefined one is never asked
            end, pick, found = int(op == "or"), min if op == "and" else max, (int(op == "and"),) * 2
            for x in args:
                if found == (end, end) or (a := self.ask(x, box)) is None:
                    return (end, end) if found[0] <= end <= found[1] else None
                found = tuple(map(pick, found, a))
            return found
        if op == "if":
            a = self.ask(args[0], box)
            return a and hull([self.ask(x, box) for x, way in zip(args[1:], (a[1] > 0, a[0] <= 0), strict=True) if way])
        if None in (a := [self.ask(x, box) for x in args]):
            return None
        if op == "lookup":
            fits = [all(x[0] <= k <= x[1] for k, x in zip(row, a, strict=True)) for row in self.lookups[payload]]
            found = [v for v, fit in zip(self.found[payload][0], fits, strict=True) if fit]
            found += self.found[payload][1] if not found or any(low < high for low, high in a) else []
            return hull([(v, v) for v in found])
        return RULES[op](*a) if op in RULES else ALL

    def points(self, reads, box):
        """Each combination of the values of some variables in a box: its place in a table, and the box of it alone."""
        for picked in itertools.product(*([k for k in range(box[v].bit_length()) if box[v] >> k & 1] for v in reads)):
            need(next(self.steps) < WORK, "it takes too much work")
            inner, place = list(box), 0
            for v, k in zip(reads, picked, strict=True):
                inner[v], place = 1 << k, place * len(self.values[v]) + k
            yield place, inner

    def at_mapping(self, args, which, box):
        """At the mapping of each combination of what a work reads; without a table, at any that may be one."""
        problem, table, parts = self.problems[which], self.solved[which], []
        if table["rows"] is None:
            may = all(self.may(r, box) for r in problem["requirements"])
            return (self.ask(args[0], box) if may else None) if args else (0, int(may))
        for place, inner in self.points([self.at[p] for p in table["reads"]], box):
            row = table["rows"][place]
            for m, k in zip(problem["maps"], table["mappings"][row] if row >= 0 else ()):  # noqa: B905
                inner[self.at[m["path"]]] = 1 << k
            parts.append((int(row >= 0),) * 2 if not args else self.ask(args[0], inner) if row >= 0 else None)
        return hull(parts)

    def box(self, data):
        """Decisions with the positions of their values; all others are free."""
        found = list(self.full)
        for path, ks in data.items():
            v = position(self.at[path], len(self.decisions))
            found[v] &= sum({1 << position(k, len(self.values[v])) for k in ks})
        return found

    def prove(self, lemmas, goal, removed, given):
        """Whether lemmas show that the goal box holds no design, requirements left out, a condition given."""
        boxes = []
        for at, lemma in enumerate(lemmas):
            boxes.append(self.box(lemma["box"]))
            need(self.holds(lemma, boxes, removed, given), f"lemma {at} does not hold")
        need(boxes and not any(g & ~b for g, b in zip(goal, boxes[-1], strict=True)), "it covers less than the claim")

    def holds(self, lemma, boxes, removed, given):
        """Whether a lemma is true of the last box. The others are those of the lemmas before it."""
        box = boxes[-1]
        if "split" in lemma:
            v, cases = self.at[lemma["split"]], [boxes[position(c, len(boxes) - 1)] for c in lemma["cases"]]
            holds = all(box[u] & ~c[u] == 0 for c in cases for u in range(len(box)) if u != v)
            return holds and box[v] & ~reduce(lambda a, c: a | c[v], cases, 0) == 0
        if "sum" in lemma:
            return self.exceeds(lemma["sum"], box, removed)
        if "domain" in lemma:
            d = self.decisions[v := position(self.at[lemma["domain"]], len(self.decisions))]
            fits = (self.may(d["allowed"][k], inner) for k, inner in self.points([v], box))
            return (self.ask(d["guard"], box) or (1, 1))[0] > 0 and not any(fits)
        i = lemma["false"]
        need(i == "claim" or position(i, len(self.kept)) not in removed, "it uses what it is about")
        return not self.may(given if i == "claim" else self.kept[i], box)

    def terms(self, todo):
        """What a sum is made of, sums with a factor multiplied out: nodes with their factors."""
        found = {}
        while todo:
            n, factor = todo.pop()
            op, args, _ = self.nodes[n]
            rest = [x for x in args if self.nodes[x][0] != "const"]
            if op == "add" or (op == "mul" and len(rest) == 1):
                factor *= math.prod(self.nodes[x][2] for x in args if x not in rest) if op == "mul" else 1
                todo += [(x, factor) for x in (rest if op == "mul" else args)]
            else:
                found[n] = found.get(n, 0) + factor
        return found

    def exceeds(self, items, box, removed):
        """Whether a - b of requirements `a <= b`, weighed and added up, is above 0; what reads the same as one."""
        sides, strict, groups, total = [], False, [], 0
        for i, part, weight in items:
            guard, node = self.required[position(i, len(self.kept))]
            need(i not in removed and (self.ask(guard, box) or (1, 1))[0] > 0, "a requirement may not apply")
            need(part is None or self.nodes[node][0] == "and", "no part of it alone has to hold")
            op, args, _ = self.nodes[node if part is None else self.nodes[node][1][part]]
            need(op in ("le", "lt") and number(weight) > 0, "no inequality, or none with a weight above 0")
            strict |= op == "lt"
            sides += [(args[0], number(weight)), (args[1], -number(weight))]
        terms = self.terms(sides)
        for n in [n for n in terms if terms[n]]:
            near = [g for g in groups if g[1] & set(self.reads[n])]
            groups = [g for g in groups if g not in near]
            groups.append((sum((g[0] for g in near), [n]), set(self.reads[n]).union(*(g[1] for g in near))))
        for mine, reads in groups:
            each = ([(self.ask(n, at), (terms[n],) * 2) for n in mine] for _, at in self.points(sorted(reads), box))
            total += min((sum(times(*p)[0] for p in parts) for parts in each if all(p[0] for p in parts)), default=INF)
        return total > 0 or (strict and total == 0)

    def claimed(self, item):
        """A claim in words, the requirements it is about, and the boxes that hold no design where a condition does."""
        if item["claim"] == "dead":
            d, box = self.decisions[self.at[item["path"]]], self.box({item["path"]: [item["value"]]})
            said = "".join(v.values()) if type(v := d["values"][item["value"]]) is dict else v
            return f"dead {item['path']} = {said}", set(), [(box, d["guard"])]
        if (kind := item["claim"]) in ("redundant", "idle"):
            some, out = sorted({position(i, len(self.kept)) for i in item["requirements"]}), kind == "redundant"
            given = [self.make("not", [self.kept[i]]) if out else self.required[i][0] for i in some]
            return f"{kind} {some}", some if out else (), [(self.full, n) for n in given]
        need(item["claim"] == "empty", "there is no such claim")
        return "empty", set(), [(self.full, self.make("const", [], True))]


def judge(texts):
    """Each claim of certificates, in words, and why it is rejected, or None. texts: the space's, the certificates'."""
    items, found = [None], []
    for at, item in enumerate(items):
        said, reason = f"claim {at}" if at else "all", None
        try:
            if not at:
                space, data = (read(text) for read, text in zip((Space, json.loads), texts, strict=True))
                need(data["format"] == "cospace certificates" and data["schema"] == 1, "it has another format")
                need(data["space"] == space.mark, "it is for another space")
                need(not space.data["space"].get("met"), "the space has mappings that are not proved the least")
                items += data["certificates"]
                continue
            module = item["claim"] == "best" and f"{__package__ or ''}.optimum".lstrip(".")
            said, removed, goals = (reader := import_module(module).Optimum(space) if module else space).claimed(item)
            for proof, (goal, given) in zip(item["proofs"], goals, strict=True):
                reader.prove(proof, goal, removed, given)
        except Exception as why:  # whatever fails shows nothing
            reason = str(why) if type(why) is Rejected else f"it is malformed ({why!r:.60})"
        found.append((said, reason))
    return found


if __name__ == "__main__":
    sys.setrecursionlimit(12_000)
    sys.modules["certificates"] = sys.modules[__name__]  # what `optimum.py` imports
    for said, why in (verdicts := judge(Path(path).read_text(encoding="utf-8") for path in sys.argv[1:])):
        print(f"accepted  {said}" if why is None else f"rejected  {said}: {why}")
    sys.exit(any(why for _, why in verdicts))
