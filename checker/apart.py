"""The lemma that a box falls apart into groups of decisions, of which no choices lead to a design that is better.

Python's standard library alone, nothing of cospace. Owns what a group adds, and how groups come together.
"""

import functools
import heapq
import itertools
import operator

if __package__:
    from .certificates import INF, need, position, times
else:
    from certificates import INF, need, position, times

NOTHING = {"add": (0, 0), "max": (-INF, -INF), "min": (INF, INF)}
PICK = {"add": sum, "max": max, "min": min}


class Groups:
    """A box that falls apart into groups of decisions, which a few sums and extremes join.

    Each choice in some groups has a row of numbers: what the sums and extremes are there at least, or with the other
    sign at most. A row stands for all that is not below it, so one that is nowhere below another can be left out; where
    no row of all groups can be feasible and better, no design of the box is.
    """

    def __init__(self, proofs, data, box):
        self.proofs, self.box = proofs, box
        self.members = [[position(proofs.at[p], len(proofs.decisions)) for p in group] for group in data["groups"]]
        self.owner = {v: g for g, group in enumerate(self.members) for v in group}
        need(len(self.owner) == sum(map(len, self.members)), "two groups share a decision")
        self.parts, self.joins = [], []
        for n, ways in data["parts"]:
            op, args, _ = proofs.nodes[position(n, len(proofs.nodes))]
            op, terms = ("add", {n: 1}) if self.group(n) is not None else (
                (op, dict.fromkeys(args, 1)) if op in ("min", "max") else ("add", proofs.terms([(n, 1)])))  # fmt: skip
            own = [{} for _ in [*self.members, None]]
            for x, factor in terms.items():
                need(self.group(x) is not None, "a part reads several groups")
                own[self.group(x)][x] = factor
            need(set(ways) <= {"least", "most"}, "a part has another end")
            self.parts.append((n, op, ways, own))
            self.joins += [operator.add if op == "add" else (max, min)[(op == "max") != (w == "least")] for w in ways]
        proofs.suppose([n for n, *_ in self.parts])
        self.settled = {n: proofs.known[n] for n, *_ in self.parts if n in proofs.known}
        asked = proofs.kept[: len(proofs.kept) - len(proofs.bests)] + proofs.domains([*self.owner])
        self.own = [[n for n in asked if self.group(n) == g] for g in range(len(self.members))]
        self.others = [n for n in asked if self.group(n) in (None, -1)]

    def group(self, n):
        """The group that a node reads: -1 for none, None for several."""
        found = {self.owner[v] for v in self.proofs.reads[n] if self.box[v] & (self.box[v] - 1)}
        return None if len(found) > 1 else found.pop() if found else -1

    def row(self, g, box):
        """What a group adds to each part on a box."""
        found = []
        for _, op, ways, own in self.parts:
            ends = [NOTHING[op]]
            for x, factor in own[g].items():
                need(known := self.proofs.ask(x, box), "a part has no value")
                ends.append(times(known, (factor, factor)))
            low, high = (PICK[op](e) for e in zip(*ends, strict=True))
            found += [low if way == "least" else -high for way in ways]
        return tuple(found)

    def join(self, *rows):
        return functools.reduce(lambda a, b: tuple(f(x, y) for f, x, y in zip(self.joins, a, b, strict=True)), rows)

    def nowhere(self, row):
        """Whether no design at which the parts are like this is feasible and better."""
        proofs, ends = self.proofs, iter(row)
        for n, _, ways, _ in self.parts:
            found = {way: next(ends) for way in ways}
            proofs.known[n] = found.get("least", -INF), -found.get("most", -INF)
        proofs.short = {}
        goals = [proofs.ask(n, self.box) for n in proofs.goals]
        found = None in goals or proofs.reached([g[0] for g in goals])
        found = found or any(not proofs.may(n, self.box) for n in self.others if n in proofs.above)
        for n, *_ in self.parts:
            del proofs.known[n]
        proofs.known |= self.settled
        proofs.short = {}
        return found

    def cover(self, g, rest):
        """Rows of the choices in a group, all that could be part of a better design; the best are split first.

        Split is the decision that changed most where it was: how much each row grew, or 1 where a choice went.
        """
        tried, found, todo = itertools.count(), [], [(self.row(g, self.box), 0, self.box)]
        gain, tries = dict.fromkeys(self.members[g], 1), dict.fromkeys(self.members[g], 1)
        while todo:
            row, _, box = heapq.heappop(todo)
            if below(found, row):
                continue
            free = [v for v in self.members[g] if box[v] & (box[v] - 1)]
            if not free:
                found.append(row)
                continue
            v = max(free, key=lambda v: gain[v] / tries[v])
            for _, inner in self.proofs.points([v], box):
                grown = None
                if all(self.proofs.may(n, inner) for n in self.own[g]):
                    grown = self.row(g, inner)
                    if below(found, grown) or self.nowhere(self.join(rest, grown)):
                        grown = None
                    else:
                        heapq.heappush(todo, (grown, -next(tried), inner))
                tries[v] += 1
                gain[v] += 1 if grown is None else sum(map(growth, row, grown)) / len(row)
        return found

    def lead_nowhere(self):
        """Whether no choices in all groups together are feasible and better."""
        if not all(self.proofs.may(n, self.box) for n in self.others):
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
            self.proofs.step(len(rows) * len(cover))
            rows = least(self.join(a, b) for a in rows for b in cover)
            rows = [row for row in rows if not self.nowhere(self.join(row, *rest))]
        return not rows


def growth(before, after):
    """By how much of both a number grew, from 0 to 1."""
    if after <= before or INF in (abs(before), abs(after)):
        return int(after > before)
    return float((after - before) / (abs(before) + abs(after)))


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
