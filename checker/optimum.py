"""Checks claims that some designs are the best: each is feasible, and none that is feasible is better than all of them.

`certificates.py` imports it from beside itself where one is claimed, and it rests on the ranges and lemmas there. What
a claim asks beside the space's requirements stands after them: that decisions are live, and to be better than each of
the designs. One more lemma: a box falls apart into groups of decisions, of which no choices lead to a better design.
"""

import bisect
import heapq
import itertools

if __package__:
    from .certificates import ALL, INF, WORK, Space, need, position
else:
    from certificates import ALL, INF, WORK, Space, need, position

LATER = ("measure", "input", "external")  # known only once something runs
SURE = ("add", "mul", "min", "max", "abs", "floor", "ceil", "not", "le", "lt", "eq")  # wherever their arguments are
SOLVED = ("solve", "solvable")
JOIN = {"add": (sum, 0), "max": (max, -INF), "min": (min, INF)}  # and what changes nothing


def exact(found):
    """What else than a single number would hide, at one design, that an expression has no value there."""
    need(found is None or found[0] == found[1], "what a design is rests on unknown numbers")
    return found


class Optimum(Space):
    """The printed space, for one claim.

    later: nodes that nothing says before a run. strict: a box is one design, whose decisions that are not live have no
    value in it. bests: what the objectives, each to be small, are at least at the designs of the claim, in order.
    """

    def __init__(self, whole):
        super().__init__(whole.text)
        self.steps, self.strict, self.later = whole.steps, False, set()
        for n, (op, _, _) in enumerate(self.nodes):
            if op in LATER or self.later.intersection(self.inside(n)):
                self.later.add(n)

    def inside(self, n):
        """The nodes that a node is made of; of a work also those of its problem."""
        op, args, payload = self.nodes[n]
        if op not in SOLVED:
            return args
        problem = self.problems[payload]
        maps = [x for m in problem["maps"] for x in (m["guard"], *(m["allowed"] or ()))]
        return [*args, *problem["requirements"], *problem["goals"], *maps]

    def focus(self, box):
        """From here on only boxes inside this one are asked about: what has one value on it is a constant."""
        self.memo, self.reads, old, slow = {}, [], self.reads, set()
        asked = [v for _, v in self.required]  # of these a sum looks at the sides
        weighed = {*asked, *(part for v in asked if self.nodes[v][0] == "and" for part in self.nodes[v][1])}
        for n, (op, args, payload) in enumerate(self.nodes):
            if op == "if" and self.nodes[args[0]][0] == "const":
                op, args = "add", [args[1 if self.nodes[args[0]][2] else 2]]
            some = [a for a in args if self.nodes[a] != ("const", [], 0)] if op == "add" else args
            self.nodes[n] = op, (args := some or args), payload
            own = old[n] if op == "var" or op in SOLVED else set().union(*(self.reads[a] for a in args))
            self.reads.append(sorted(v for v in own if box[v] & (box[v] - 1)))
            if slow.intersection(args) or (self.reads[n] and (op in SOLVED or n in self.functions)):
                slow.add(n)  # nothing is asked that looks at a whole table
            elif (found := self.ask(n, box)) and found[0] == found[1]:
                self.nodes[n], self.reads[n] = self.nodes[n] if n in weighed else ("const", [], found[0]), []

    def visit(self, n, box):
        """At one design a range only where there surely is a value, None where there is none."""
        op, args, payload = self.nodes[n]
        if not self.strict or op == "const":
            return super().visit(n, box)
        if op in SOLVED:
            return self.at_row(n, box)
        if op in ("and", "or", "if"):
            for x in args[: 1 if op == "if" else None]:
                a = exact(self.ask(x, box))
                if a is None or a[0] == (op == "or"):
                    break
            return self.ask(args[1 if a[0] else 2], box) if a and op == "if" else a
        if op == "var":
            return super().visit(n, box) if box[self.at[payload]] else None
        if None in (a := [self.ask(x, box) for x in args]):
            return None
        if n in self.functions:
            return super().visit(n, [b or 1 for b in box])  # what is not live makes no difference
        if op not in SURE and (op != "div" or a[1][0] <= 0 <= a[1][1]):
            a = [*map(exact, a)]
        need((found := super().visit(n, box)) != ALL, "what a design is rests on unknown numbers")
        return found

    def at_row(self, n, box):
        """At the mapping of what a work reads; where not all of that is live, the mapping may not rest on the rest."""
        (_, args, which), inner = self.nodes[n], list(box)
        table, reads = self.solved[which], [self.at[p] for p in self.solved[which]["reads"]]
        need(table["rows"] is not None, "a work has no table of mappings")
        row = table["rows"][next(self.points(reads, [b or 1 for b in box]))[0]]
        if row < 0:
            return None if args else (0, 0)
        for m, k in zip(self.problems[which]["maps"], table["mappings"][row], strict=True):
            inner[self.at[m["path"]]] = 1 << k if exact(self.ask(m["guard"], inner)) == (1, 1) else 0
        free = all(box[v] for v in reads) or all(self.ask(x, inner) for x in self.inside(n)[len(args) :])
        need(free, "a mapping rests on what is not live")
        return self.ask(args[0], inner) if args else (1, 1)

    def claimed(self, item):
        """The claim in words, and the box that is to hold no design that is better."""
        chosen = [o for o in self.data["space"]["objectives"] if o["value"] not in self.later]
        minus, always = self.make("const", [], "-1"), self.make("const", [], True)
        signs = [1 if o["sense"] == "minimize" else -1 for o in chosen]
        self.goals = [o["value"] if s > 0 else self.make("mul", [minus, o["value"]]) for s, o in zip(signs, chosen)]  # noqa: B905
        self.full = self.box({path: [k] for path, k in item["fixed"].items()})
        live = [position(self.at[p], len(self.decisions)) for p in item["live"]]
        self.strict = True
        ends = [self.at_design(data, live) for data in item["designs"]]
        self.strict, self.bests, self.apart = False, sorted(tuple(low for low, _ in x) for x in ends), item.get("apart")
        need(least(self.bests) == self.bests, "not all of them are the best")
        asked = [self.decisions[v]["guard"] for v in live]
        for lows in self.bests:
            limits = [self.make("const", [], str(low)) for low in lows]
            less = [self.make("lt", [n, limit]) for n, limit in zip(self.goals, limits, strict=True)]
            asked.append(self.make("or", less) if less[1:] else less[0] if less else self.make("not", [always]))
        self.required += [(always, n) for n in asked]
        self.kept += asked
        self.focus(self.full)
        said = [f"{o['sense']} {o['text']}" for o in chosen]
        for at, (s, (low, high)) in enumerate(zip(signs, *ends, strict=True) if len(ends) == 1 else ()):
            said[at] += f" = {min(low * s, high * s)}" + f" to {max(low * s, high * s)}" * (low < high)
        many = "" if len(ends) == 1 else f" {len(ends)} designs of" if ends else " none of"
        fixed = f", {len(item['fixed'])} of the decisions fixed" * bool(item["fixed"])
        return f"best{many} {', '.join(said) or 'no objective'}{fixed}", (), [(self.full, always)]

    def at_design(self, data, live):
        """The ranges of the goals at one design, which has to be feasible and what is asked for."""
        box = [0] * len(self.decisions) + self.full[len(self.decisions) :]
        for path, k in data.items():
            v = position(self.at[path], len(self.decisions))
            box[v] = 1 << position(k, len(self.values[v])) & self.full[v]
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
        return below(self.bests[:end] if len(lows) > 2 else self.bests[max(end - 1, 0) : end], lows)

    def holds(self, lemma, boxes, removed, given):
        if "apart" not in lemma:
            return super().holds(lemma, boxes, removed, given)
        return self.parted(self.apart[position(lemma["apart"], len(self.apart))], boxes[-1]).lead_nowhere()

    def parted(self, data, box):
        return Groups(self, data, box)


class Groups:
    """A box that falls apart into groups of decisions, which a few sums and extremes join.

    Each choice in some groups has a row of numbers: what the sums and extremes are there at least, or with the other
    sign at most. A row stands for all that is not below it, so one that is nowhere below another can be left out; where
    no row of all groups can be feasible and better, no design of the box is.
    """

    def __init__(self, space, data, box):
        self.space, self.box = space, box
        self.members = [[position(space.at[p], len(space.decisions)) for p in group] for group in data["groups"]]
        self.owner = {v: g for g, group in enumerate(self.members) for v in group}
        need(len(self.owner) == sum(map(len, self.members)), "two groups share a decision")
        self.parts = [(position(n, len(space.nodes)), {"least": 1, "most": -1}[end]) for n, end in data["parts"]]
        self.columns = [self.column(n, sign) for n, sign in self.parts]
        asked = space.kept[: len(space.kept) - len(space.bests)]
        self.own = [[n for n in asked if self.group(n) == g] for g in range(len(self.members))]
        self.others, parts = [n for n in asked if self.group(n) in (None, -1)], {n for n, _ in self.parts}
        above, wanted = set(parts), {*space.goals, *self.others}
        for n in range(len(space.nodes)):
            above |= {n} if above.intersection(space.inside(n)) else set()
        for n in sorted(above - parts, reverse=True):
            wanted.update(space.inside(n) if n in wanted else ())
        self.above = sorted(wanted & above - parts)
        self.reads = [[] if n in above else reads for n, reads in enumerate(space.reads)]  # so each has one place

    def group(self, n):
        """The group that a node reads: -1 for none, None for several."""
        found = {self.owner[v] for v in self.space.reads[n] if self.box[v] & (self.box[v] - 1)}
        return None if len(found) > 1 else found.pop() if found else -1

    def column(self, n, sign):
        """How what groups add to a part comes together, and for each group nodes with factors; -1 is for no group."""
        op, args, _ = self.space.nodes[n]
        if self.group(n) is not None or op not in ("min", "max"):
            op, terms = "add", {n: 1} if self.group(n) is not None else self.space.terms([(n, 1)])
        else:
            op, terms = op if sign > 0 else "min" if op == "max" else "max", dict.fromkeys(args, 1)
        own = [[] for _ in [*self.members, None]]
        for x, factor in terms.items():
            need(self.group(x) is not None, "a part reads several groups")
            own[self.group(x)] += [(x, factor * sign)] if factor else []
        return (*JOIN[op], own)

    def row(self, g, box):
        """What a group adds to each part on a box."""
        found = []
        for pick, nothing, own in self.columns:
            lows = [nothing]
            for x, factor in own[g]:
                need(ends := self.space.ask(x, box), "a part has no value")
                lows.append(ends[factor < 0] * factor)
            found.append(pick(lows))
        return tuple(found)

    def join(self, *rows):
        return tuple(column[0](values) for column, values in zip(self.columns, zip(*rows, strict=True), strict=True))

    def nowhere(self, row):
        """Whether no design at which the parts are like this is feasible and better."""
        space, known = self.space, {}
        for (n, sign), value in zip(self.parts, row, strict=True):
            low, high = known.get((n,), ALL)
            known[n,] = (value, high) if sign > 0 else (low, -value)
        space.memo.update(known)
        space.reads, reads = self.reads, space.reads
        for n in self.above:
            space.memo[n,] = known[n,] = space.visit(n, self.box)
        goals = [space.ask(n, self.box) for n in space.goals]
        found = None in goals or space.reached([g[0] for g in goals])
        found = found or any((n,) in known and not space.may(n, self.box) for n in self.others)
        space.reads = reads
        for place in known:
            del space.memo[place]
        return found

    def is_open(self, g, box):
        """Whether what a group decides by itself may hold on a box."""
        allowed = [self.space.decisions[v]["path"] for v in self.members[g] if self.space.decisions[v]["allowed"]]
        closed = any(self.space.holds({"domain": path}, [box], (), None) for path in allowed)
        return not closed and all(self.space.may(n, box) for n in self.own[g])

    def cover(self, g, rest):
        """Rows of the choices in a group, all that could be part of a better design; the best are split first."""
        tried, found, todo = itertools.count(), [], [(self.row(g, self.box), 0, self.box)]
        while todo:
            row, _, box = heapq.heappop(todo)
            if below(found, row):
                continue
            v = next((v for v in self.members[g] if box[v] & (box[v] - 1)), None)
            if v is None:
                found.append(row)
                continue
            for _, inner in self.space.points([v], box):
                if self.is_open(g, inner):
                    grown = self.row(g, inner)
                    if not below(found, grown) and not self.nowhere(self.join(rest, grown)):
                        heapq.heappush(todo, (grown, -next(tried), inner))
        return found

    def lead_nowhere(self):
        """Whether no choices in all groups together are feasible and better."""
        if not all(self.space.may(n, self.box) for n in self.others):
            return True
        rows, covers = [self.row(-1, self.box)], []
        lows = [self.row(g, self.box) for g in range(len(self.members))]
        for g in range(len(lows)):
            covers.append(self.cover(g, self.join(*rows, *lows[:g], *lows[g + 1 :])))
            if not covers[-1]:
                return True
            lows[g] = tuple(map(min, zip(*covers[-1], strict=True)))
        covers.sort(key=len)
        for at, cover in enumerate(covers):
            rest = [tuple(map(min, zip(*later, strict=True))) for later in covers[at + 1 :]]
            more = itertools.islice(self.space.steps, min(len(rows) * len(cover), WORK), None)
            need(next(more) < WORK, "it takes too much work")
            rows = least(self.join(a, b) for a in rows for b in cover)
            rows = [row for row in rows if not self.nowhere(self.join(row, *rest))]
        return not rows


def least(rows):
    """Those of which no number can be less without another being more, once each, in order."""
    found = []
    for row in sorted(set(rows)):
        if not below(found, row):
            found.append(row)
    return found


def below(rows, row):
    """Whether one of some rows is nowhere above another; of two numbers the last of sorted ones is enough."""
    return any(all(a <= b for a, b in zip(r, row, strict=True)) for r in (rows if len(row) > 2 else rows[-1:]))
