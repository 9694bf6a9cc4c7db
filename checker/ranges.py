"""The space that `cospace compile SPEC --emit space` prints, and what its expressions can be on a box.

A box has some values of each decision. What an expression can be there is a range with exact ends (true is 1, false 0),
None where it has no value anywhere. Python's standard library alone, nothing of cospace. Owns no claim and no proof.
"""

import hashlib
import itertools
import json
import math
from fractions import Fraction
from functools import reduce

INF, ALL = math.inf, (-math.inf, math.inf)
BITS = 1 << 14  # longer ends become infinite
WORK = 20_000_000  # steps for one file of certificates
LATER = ("measure", "input", "external")  # known only once something runs
DEFINED = ("add", "mul", "min", "max", "abs", "floor", "ceil", "not", "le", "lt", "eq")  # wherever their arguments are


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


def hull(parts):
    known = [p for p in parts if p is not None]
    return (min(p[0] for p in known), max(p[1] for p in known)) if known else None


def total(numbers):
    """Their sum; fractions with one denominator are added as whole numbers."""
    parts = {}
    for x in numbers:
        whole = type(x) is not Fraction
        of = 1 if whole else x.denominator
        parts[of] = parts.get(of, 0) + (x if whole else x.numerator)
    return sum(
        above if of == 1 else above // of if above % of == 0 else Fraction(above, of) for of, above in parts.items()
    )


def add(*args):
    low = total(a[0] for a in args)
    return low, low if all(a[0] is a[1] for a in args) else total(a[1] for a in args)


def times(a, b):
    if b[0] is b[1]:
        a, b = b, a
    if a[0] is a[1]:
        x, low, high = a[0], *b
        low, high = x * low if x and low else 0, x * high if x and high and low is not high else 0
        return (low, low) if b[0] is b[1] else (low, high) if x >= 0 else (high, low)
    if a[0] >= 0 and b[0] >= 0:
        return tuple(x * y if x and y else 0 for x, y in zip(a, b, strict=True))
    ends = [x * y if x and y else 0 for x in a for y in b]
    return min(ends), max(ends)


def divide(a, b):
    if b[0] < 0 < b[1] or b[0] == b[1] == 0:
        return ALL if b[0] < b[1] else None
    ends = ((b[1], -INF), (b[0], INF))
    return times(a, [edge if e == 0 else 0 if type(e) is float else 1 / Fraction(e) for e, edge in ends])


def remainder(a, b):
    whole = divide(a, b)
    if whole and INF not in map(abs, whole) and math.floor(whole[0]) == math.floor(whole[1]):
        return add(a, times(b, (-math.floor(whole[0]),) * 2))
    return whole and (min(b[0], 0), max(b[1], 0) if a[0] < 0 or b[0] <= 0 else min(a[1], b[1]))


def power(a, b):
    if b[0] != b[1] or INF in map(abs, (*a, *b)) or b[0] != int(b[0]) or abs(b[0]) > 256:
        return ALL  # not to one whole number: where it is known, it stands in a printed table
    n = abs(int(b[0]))
    ends = [a[0] ** n, a[1] ** n] + [0] * (n > 0 and n % 2 == 0 and a[0] < 0 < a[1])
    return (min(ends), max(ends)) if b[0] >= 0 else divide((1, 1), (min(ends), max(ends)))


RULES = {
    "add": add, "mul": lambda *args: reduce(times, args), "div": divide, "mod": remainder, "pow": power,
    "floor": lambda a: tuple(e if type(e) is float else math.floor(e) for e in a),
    "ceil": lambda a: tuple(e if type(e) is float else math.ceil(e) for e in a),
    "abs": lambda a: a if a[0] >= 0 else (-a[1], -a[0]) if a[1] <= 0 else (0, max(-a[0], a[1])),
    "min": lambda *args: tuple(map(min, *args)), "max": lambda *args: tuple(map(max, *args)),
    "not": lambda a: (1 - a[1], 1 - a[0]),
    "le": lambda a, b: (a[1] <= b[0], a[0] <= b[1]), "lt": lambda a, b: (a[1] < b[0], a[0] < b[1]),
    "eq": lambda a, b: (a[0] == a[1] == b[0] == b[1], a[0] <= b[1] and b[0] <= a[1]),
}  # fmt: skip


class Space:
    """The printed space: nodes in order, variables (decisions, then the maps of solved works), requirements.

    required: guard and value of each requirement; kept: of each the node that it is met; later: nodes that nothing
    says before a run. known: nodes that are, or are supposed to be, in these ranges. strict: a box is one design, whose
    decisions that are not live have no value in it, and what is not known of it is no answer.
    """

    def __init__(self, text):
        data = json.loads(text)
        self.mark = hashlib.sha256(text.encode()).hexdigest()
        self.names, self.memo, self.work, self.nodes, self.reads, self.later = {}, {}, 0, [], [], set()
        self.known, self.above, self.short, self.strict, self.allowed = {}, set(), {}, False, {}
        self.decisions, self.problems, self.solved = data["space"]["decisions"], data["problems"], data["solved"]
        variables = [*self.decisions, *(m for p in self.problems for m in p["maps"])]
        self.at = {d["path"]: v for v, d in enumerate(variables)}
        need(len(self.at) == len(variables), "two variables have one path")
        self.values = [self.read(d["values"]) for d in variables]
        self.full = [(1 << len(x)) - 1 for x in self.values]
        self.lookups = [[*map(self.read, t["keys"])] for t in data["lookups"]]
        self.found = [(self.read(t["values"]), self.read(t["default"])) for t in data["lookups"]]
        self.functions = {f["node"]: f for f in data["functions"]}
        for n in data["nodes"]:
            self.make(n["op"], [position(a, len(self.nodes)) for a in n.get("args", ())], n.get("payload"))
        self.required = [(r["guard"], r["value"]) for r in data["space"]["requirements"]]
        self.kept = [self.make("or", [self.make("not", [g]), v]) for g, v in self.required]
        self.broken = [self.make("and", [g, self.make("not", [v])]) for g, v in self.required]
        self.objectives = [(o["text"], o["sense"], o["value"]) for o in data["space"]["objectives"]]

    def read(self, values):
        """Numbers and Booleans as they are; each symbol or text is a number of its own."""
        return [self.names.setdefault(str(v), len(self.names)) if type(v) is dict else int(v) if type(v) is bool
                else number(v) for v in values]  # fmt: skip

    def make(self, op, args, payload=None):
        n = len(self.nodes)
        self.nodes.append((op, args, self.read([payload])[0] if op == "const" else payload))
        self.reads.append(self.reading(n, args))
        inside = args if op not in ("solve", "solvable") else [*args, *self.inside(payload)]
        if op in LATER or self.later.intersection(inside):
            self.later.add(n)
        return n

    def inside(self, which):
        problem = self.problems[which]
        maps = [e for m in problem["maps"] for e in (m["guard"], *(m["allowed"] or ()))]
        return [*problem["requirements"], *problem["goals"], *maps]

    def reading(self, n, args):
        """The variables that a node reads, in order, by those that its arguments do."""
        op, _, payload = self.nodes[n]
        reads = {self.at[payload]} if op == "var" and payload in self.at else set()
        reads = reads.union(*(self.reads[a] for a in args))
        if op in ("solve", "solvable"):
            reads |= {self.at[p] for p in self.solved[payload]["reads"]}
            reads -= {self.at[m["path"]] for m in self.problems[payload]["maps"]}
        return sorted(reads)

    def focus(self, box):
        """From here on only boxes inside this one are asked about, so what has one value on it reads nothing."""
        self.memo, self.known, self.reads, slow = {}, {}, [], set()
        for n, (op, args, _) in enumerate(self.nodes):
            if op == "if" and (c := self.known.get(args[0])):
                args = args[1:2] if c[0] > 0 else args[2:3]
            self.reads.append([v for v in self.reading(n, args) if box[v] & (box[v] - 1)])
            if slow.intersection(args) or (self.reads[n] and (op in ("solve", "solvable") or n in self.functions)):
                slow.add(n)  # nothing is asked that looks at a whole table
            elif (found := self.ask(n, box)) and found[0] == found[1]:
                self.known[n], self.reads[n] = found, []

    def suppose(self, some):
        """Of some nodes ranges will be supposed that change: what is `above` them is not remembered."""
        self.short, self.above, changing = {}, set(), set(some)
        for n, (op, args, payload) in enumerate(self.nodes):
            if changing.intersection(args if op not in ("solve", "solvable") else [*args, *self.inside(payload)]):
                self.above.add(n)
                changing.add(n)

    def ask(self, n, box):
        """The range of a node on a box: for each variable its values, by bits. Remembered."""
        if n in self.known:
            return self.known[n]
        memo = self.short if n in self.above else self.memo
        key = (n, *[box[v] for v in self.reads[n]])
        if key not in memo:
            ends = self.visit(n, box)
            if ends and any(type(e) is float or max(map(int.bit_length, e.as_integer_ratio())) > BITS for e in ends):
                long = [type(e) is float or max(map(int.bit_length, e.as_integer_ratio())) > BITS for e in ends]
                ends = tuple(edge if far else e for far, e, edge in zip(long, ends, ALL, strict=True))
            memo[key] = ends
        return memo[key]

    def step(self, count):
        self.work += count
        need(self.work < WORK, "it takes too much work")

    def may(self, n, box):
        return (self.ask(n, box) or (0, 0))[1] > 0

    def visit(self, n, box):
        (op, args, payload), reads = self.nodes[n], self.reads[n]
        self.work += 1
        if len(reads) == 1 and box[reads[0]] & (box[reads[0]] - 1):
            return hull([self.ask(n, inner) for _, inner in self.points(reads, box)])
        if op == "const":
            return (payload,) * 2
        if op == "var" and payload in self.at and not box[v := self.at[payload]] & (box[v] - 1):
            return (self.values[v][box[v].bit_length() - 1],) * 2 if box[v] else None
        if op in ("solve", "solvable"):
            return self.at_mapping(args, payload, box)
        if op == "if":
            c = self.certain(self.ask(args[0], box))
            ways = zip(args[1:], (c[1] > 0, c[0] <= 0), strict=True) if c else ()
            return hull([self.ask(x, box) for x, taken in ways if taken])
        if op in ("and", "or"):  # left to right: what stands after an undefined one is never asked
            end, known = int(op == "or"), []
            for x in args:
                known.append(self.certain(self.ask(x, box)))
                if known[-1] is None:
                    return (end, end) if any(k[0] <= end <= k[1] for k in known[:-1]) else None
                if known[-1][0] == known[-1][1] == end:
                    return end, end
            return tuple(map(min if op == "and" else max, zip(*known, strict=True)))
        if n in self.functions and not (self.strict and None in (self.ask(x, box) for x in args)):
            places = self.points([self.at[p] for p in self.functions[n]["reads"]], box)
            found = [self.functions[n]["values"][place] for place, _ in places]
            return hull([f and (number(f[0]), number(f[1])) for f in found])
        a = [self.ask(x, box) for x in args]
        if None in a:
            return None
        if op not in DEFINED and (op != "div" or a[1][0] <= 0 <= a[1][1]):
            a = [*map(self.certain, a)]
        if op == "lookup":
            fits = [all(x[0] <= k <= x[1] for k, x in zip(row, a, strict=True)) for row in self.lookups[payload]]
            found = [v for v, fit in zip(self.found[payload][0], fits, strict=True) if fit]
            found += self.found[payload][1] if not found or any(low < high for low, high in a) else []
            return hull([(v, v) for v in found])
        found = RULES[op](*a) if op in RULES else ALL
        return self.certain(found) if op == "pow" or op not in RULES else found

    def certain(self, found):
        """What else than a single number would hide, at one design, that an expression has no value there."""
        need(not self.strict or found is None or found[0] == found[1], "what a design is rests on unknown numbers")
        return found

    def points(self, reads, box):
        """Each combination of the values of some variables in a box: its place in a table, and the box of it alone."""
        ways = [[k for k in range(box[v].bit_length()) if box[v] >> k & 1] or [0] * self.strict for v in reads]
        for picked in itertools.product(*ways):
            self.step(1)
            inner, place = list(box), 0
            for v, k in zip(reads, picked, strict=True):
                inner[v], place = box[v] & 1 << k, place * len(self.values[v]) + k
            yield place, inner

    def at_mapping(self, args, which, box):
        """At the mapping of each combination of what a work reads; without a table, at any that may be one."""
        problem, table, parts = self.problems[which], self.solved[which], []
        if table["rows"] is None:
            may = self.certain((0, int(all(self.may(r, box) for r in problem["requirements"]))))[1]
            return (self.ask(args[0], box) if may else None) if args else (0, may)
        for place, inner in self.points([self.at[p] for p in table["reads"]], box):
            row = table["rows"][place]
            for m, k in zip(problem["maps"], table["mappings"][row] if row >= 0 else ()):  # noqa: B905
                inner[self.at[m["path"]]] = 1 << k
            if self.strict and row >= 0 and not all(box[self.at[p]] for p in table["reads"]):
                row = -1 if any(self.ask(e, inner) is None for e in self.inside(which)) else row
            parts.append((int(row >= 0),) * 2 if not args else self.ask(args[0], inner) if row >= 0 else None)
        return hull(parts)

    def domains(self, some):
        """That decisions have no value but one that is allowed, where this depends on others: one node a value."""
        for v, d in enumerate(self.decisions if not self.allowed else ()):
            self.allowed[v] = [
                self.make("or", [self.make("not", [d["guard"]]), self.make("not", [self.make("eq", [
                    self.make("var", [], d["path"]), self.make("const", [], value)])]), fits])
                for value, fits in zip(d["values"], d["allowed"] or (), strict=d["allowed"] is not None)
            ]  # fmt: skip
        return [n for v in some for n in self.allowed[v]]

    def box(self, data):
        """Decisions with the positions of their values; all others are free."""
        found = list(self.full)
        for path, ks in data.items():
            v = position(self.at[path], len(self.decisions))
            found[v] = sum({1 << position(k, len(self.values[v])) for k in ks})
        return found
