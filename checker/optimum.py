"""Checks claims that some designs are the best: each is feasible, and none that is feasible is better than all of them.

`certificates.py` imports it from beside itself where one is claimed, and it rests on the ranges and lemmas there. What
a claim asks beside the space's requirements stands after them: that decisions are live, and to be better than each of
the designs. One more lemma, of `apart.py`: a box falls apart into groups of which no choices lead to a better design.
"""

import bisect
import functools
import itertools

if __package__:
    from .apart import Groups, least
    from .certificates import ALL, INF, WORK, Space, need, number, position
else:
    from apart import Groups, least
    from certificates import ALL, INF, WORK, Space, need, number, position

LATER = ("measure", "input", "external")  # known only once something runs
DEFINED = ("add", "mul", "min", "max", "abs", "floor", "ceil", "not", "le", "lt", "eq")  # wherever their arguments are


def exact(found):
    """What else than a single number would hide, at one design, that an expression has no value there."""
    need(found is None or found[0] == found[1], "what a design is rests on unknown numbers")
    return found


class Optimum(Space):
    """The printed space, for one claim.

    later: nodes that nothing says before a run. known: nodes that are, or are supposed to be, in these ranges. strict:
    a box is one design, whose decisions that are not live have no value in it. bests: what the objectives, each to be
    small, are at least at the designs that are claimed to be the best, in order.
    """

    def __init__(self, whole):
        self.later, self.known, self.above, self.short, self.strict, self.allowed = set(), {}, set(), {}, False, {}
        super().__init__(whole.text)
        self.steps, self.within = whole.steps, self.full
        self.objectives = [(o["text"], o["sense"], o["value"]) for o in self.data["space"]["objectives"]]

    def step(self, count=1):
        last = next(itertools.islice(self.steps, min(count, WORK) - 1, None))
        need(last < WORK, "it takes too much work")

    def make(self, op, args, payload=None):
        n = super().make(op, args, payload)
        if op in LATER or self.later.intersection(self.inside(n)):
            self.later.add(n)
        return n

    def inside(self, n):
        """The nodes that a node is made of; of a work also those of its problem."""
        op, args, payload = self.nodes[n]
        if op not in ("solve", "solvable"):
            return args
        problem = self.problems[payload]
        maps = [e for m in problem["maps"] for e in (m["guard"], *(m["allowed"] or ()))]
        return [*args, *problem["requirements"], *problem["goals"], *maps]

    def box(self, data):
        return [b & g for b, g in zip(super().box(data), self.within, strict=True)]

    def focus(self, box):
        """From here on only boxes inside this one are asked about, so what has one value on it reads nothing."""
        self.memo, self.known, self.reads, old, slow = {}, {}, [], self.reads, set()
        for n, (op, args, _) in enumerate(self.nodes):
            if op == "if" and (c := self.known.get(args[0])):
                args = args[1:2] if c[0] > 0 else args[2:3]
            own = old[n] if op in ("var", "solve", "solvable") else set().union(*(self.reads[a] for a in args))
            self.reads.append(sorted(v for v in own if box[v] & (box[v] - 1)))
            if slow.intersection(args) or (self.reads[n] and (op in ("solve", "solvable") or n in self.functions)):
                slow.add(n)  # nothing is asked that looks at a whole table
            elif (found := self.ask(n, box)) and found[0] == found[1]:
                self.known[n], self.reads[n] = found, []

    def suppose(self, some):
        """Of some nodes ranges will be supposed that change: what is `above` them is not remembered."""
        self.short, self.above, changing = {}, set(), set(some)
        for n in range(len(self.nodes)):
            if changing.intersection(self.inside(n)):
                self.above.add(n)
                changing.add(n)

    def ask(self, n, box):
        if n in self.known:
            return self.known[n]
        memo, key = self.short if n in self.above else self.memo, (n, *[box[v] for v in self.reads[n]])
        if key in memo:
            return memo[key]
        return super().ask(n, box) if memo is self.memo else memo.setdefault(key, self.visit(n, box))

    def visit(self, n, box):
        return self.at_point(n, box) if self.strict else super().visit(n, box)

    def at_point(self, n, box):
        """What a node is at one design, None where it has no value: a range only where it surely has one."""
        op, args, payload = self.nodes[n]
        self.step()
        if op == "if":
            c = exact(self.ask(args[0], box))
            return c and self.ask(args[1 if c[0] else 2], box)
        if op in ("and", "or"):
            for x in args:
                a = exact(self.ask(x, box))
                if a is None or a[0] == (op == "or"):
                    break
            return a
        if op in ("solve", "solvable"):
            return self.at_row(n, box)
        if op == "var":
            bits = box[self.at[payload]]
            need(bits & (bits - 1) == 0, "a map has several values")
            return (self.values[self.at[payload]][bits.bit_length() - 1],) * 2 if bits else None
        a = [self.ask(x, box) for x in args]
        if None in a:
            return None
        if n in self.functions:
            found = self.functions[n]["values"][self.place(self.functions[n]["reads"], box)]
            return found and (number(found[0]), number(found[1]))
        if op not in DEFINED and (op != "div" or a[1][0] <= 0 <= a[1][1]):
            a = [*map(exact, a)]
        found = super().visit(n, box)
        need(found != ALL, "what a design is rests on unknown numbers")
        return found

    def place(self, paths, box):
        """Where a design stands in a table; decisions that it is without make no difference, where it has a value."""
        reads = [self.at[p] for p in paths]
        return functools.reduce(lambda k, v: k * len(self.values[v]) + max(box[v].bit_length() - 1, 0), reads, 0)

    def at_row(self, n, box):
        """At the mapping of what a work reads; where not all of that is live, the mapping may not rest on the rest."""
        (_, args, which), inner = self.nodes[n], list(box)
        table = self.solved[which]
        need(table["rows"] is not None, "a work has no table of mappings")
        row = table["rows"][self.place(table["reads"], box)]
        if row < 0:
            return None if args else (0, 0)
        for m, k in zip(self.problems[which]["maps"], table["mappings"][row], strict=True):
            live = exact(self.ask(m["guard"], inner)) or (0, 0)
            inner[self.at[m["path"]]] = 1 << k if live[0] else 0
        if not all(box[self.at[p]] for p in table["reads"]):
            need(all(self.ask(x, inner) for x in self.inside(n)[len(args) :]), "a mapping rests on what is not live")
        return self.ask(args[0], inner) if args else (1, 1)

    def domains(self, some):
        """That decisions have no value but one that is allowed, where this depends on others: one node a value."""
        for v, d in enumerate(self.decisions if not self.allowed else ()):
            self.allowed[v] = [
                self.make("or", [self.make("not", [d["guard"]]), self.make("not", [self.make("eq", [
                    self.make("var", [], d["path"]), self.make("const", [], value)])]), fits])
                for value, fits in zip(d["values"], d["allowed"] or (), strict=d["allowed"] is not None)
            ]  # fmt: skip
        return [n for v in some for n in self.allowed[v]]

    def require(self, guard, value):
        """One more requirement, which a claim makes."""
        self.required.append((guard, value))
        self.kept.append(self.make("or", [self.make("not", [guard]), value]))

    def valued(self, item):
        """What the objectives are at each design of a claim that some are the best, and the box that it is about."""
        self.chosen, minus = [o for o in self.objectives if o[2] not in self.later], self.make("const", [], "-1")
        self.goals = [n if s == "minimize" else self.make("mul", [minus, n]) for _, s, n in self.chosen]
        goal = list(self.full)
        for path, k in item["fixed"].items():
            v = position(self.at[path], len(self.decisions))
            goal[v] = 1 << position(k, len(self.values[v]))
        live = [position(self.at[p], len(self.decisions)) for p in item["live"]]
        self.memo, self.strict = {}, True
        ends = [self.at_design(data, goal, live) for data in item["designs"]]
        self.memo, self.strict = {}, False
        self.bests = sorted(tuple(low for low, _ in x) for x in ends)
        always = self.make("const", [], True)
        for v in live:
            self.require(always, self.decisions[v]["guard"])
        for lows in self.bests:
            limits = [self.make("const", [], str(low)) for low in lows]
            less = [self.make("lt", [n, limit]) for n, limit in zip(self.goals, limits, strict=True)]
            self.require(always, self.make("or", less) if less[1:] else less[0] if less else self.make("not", [always]))
        return ends, goal

    def claimed(self, item):
        """The claim in words, and the box that is to hold no design that is better."""
        ends, self.within = self.valued(item)
        self.apart = item.get("apart", ())
        signs = [1 if s == "minimize" else -1 for _, s, _ in self.chosen]
        shown = [[sorted(e * s for e in x) for s, x in zip(signs, each, strict=True)] for each in ends]
        need([[[*map(number, x)] for x in each] for each in item["values"]] == shown, "its values are others")
        need(least(self.bests) == self.bests, "not all of them are the best")
        said = [f"{s} {t}" for t, s, _ in self.chosen]
        if len(shown) == 1:
            said = [f"{a} = {low}" + f" to {high}" * (low < high) for a, (low, high) in zip(said, *shown, strict=True)]
        many = "" if len(shown) == 1 else f" {len(shown)} designs of" if shown else " none of"
        fixed = f", {len(item['fixed'])} of the decisions fixed" * bool(item["fixed"])
        self.focus(self.within)
        said = f"best{many} {', '.join(said) or 'no objective'}{fixed}"
        return said, (), [(self.within, self.make("const", [], True))]

    def at_design(self, data, goal, live):
        """The ranges of the goals at one design, which has to be feasible and what is asked for."""
        box = [0] * len(self.decisions) + self.full[len(self.decisions) :]
        for path, k in data.items():
            v = position(self.at[path], len(self.decisions))
            box[v] = 1 << position(k, len(self.values[v])) & goal[v]
            need(box[v], "a design has another value than the fixed one")
        for v, d in enumerate(self.decisions):
            need(self.ask(d["guard"], box) == (int(box[v] > 0),) * 2, "a design has other decisions than live ones")
            fits = not box[v] or not d["allowed"] or self.ask(d["allowed"][box[v].bit_length() - 1], box) == (1, 1)
            need(fits, "a design has a value that is not allowed")
        need(all(box[v] for v in live), "a design is without a decision that is to be live")
        kept = [n for n in self.kept if n not in self.later]
        need(all(self.ask(n, box) == (1, 1) for n in kept), "a design does not meet a requirement")
        ends = [self.ask(n, box) for n in self.goals]
        need(all(e and INF not in map(abs, e) for e in ends), "an objective is not known at a design")
        return ends

    def reached(self, lows):
        """Whether one of the bests is as small, in each objective, as what is nowhere below `lows`."""
        end = bisect.bisect_right(self.bests, (*lows[:1], *[INF] * len(lows)))
        near = self.bests[:end] if len(lows) > 2 else self.bests[max(end - 1, 0) : end]  # of two the last is least
        return any(all(b <= low for b, low in zip(best, lows, strict=True)) for best in near)

    def holds(self, lemma, boxes, removed, given):
        if "apart" not in lemma:
            return super().holds(lemma, boxes, removed, given)
        return Groups(self, self.apart[position(lemma["apart"], len(self.apart))], boxes[-1]).lead_nowhere()
