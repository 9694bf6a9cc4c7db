"""Checks certificates that a space has no feasible design, a value is in none, a requirement changes nothing, or that
some designs are the best.

    python certificates.py SPACE.json CERTIFICATES.json

Trusted: this file with `ranges.py` and `apart.py` beside it, Python's standard library, and the space that `cospace
compile SPEC --emit space` prints, with its tables of solved maps and real functions. A proof is a list of lemmas; each
says that no design lies in a box (some values of each decision): a requirement is false all over it, or some added up
are, or it falls apart into groups of decisions of which no choices lead to one, or earlier lemmas cover it. In a
feasible design every requirement has a value. Values of decisions that are not live make no difference: nothing reads
them.
"""

import bisect
import json
import math
import sys
from functools import reduce
from pathlib import Path

if __package__:
    from .apart import Groups, least
    from .ranges import INF, Rejected, Space, add, need, number, position, times
else:
    from apart import Groups, least
    from ranges import INF, Rejected, Space, add, need, number, position, times

FAULTS = (Rejected, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)


class Proofs(Space):
    """Claims and lemmas about the printed space. What a claim asks beside the space's requirements stands after them.

    bests: what the objectives, each to be small, are at least at the designs that are claimed to be the best, in order.
    """

    goals, bests, apart = (), [], ()

    def prove(self, lemmas, goal, removed, given):
        """Whether lemmas show that the goal box holds no design, requirements left out, a condition given."""
        boxes = []
        for at, lemma in enumerate(lemmas):
            box = [b & g for b, g in zip(self.box(lemma["box"]), self.within, strict=True)]
            if "split" in lemma:
                v, cases = self.at[lemma["split"]], [boxes[position(c, at)] for c in lemma["cases"]]
                holds = all(box[u] & ~c[u] == 0 for c in cases for u in range(len(box)) if u != v)
                holds &= box[v] & ~reduce(lambda a, c: a | c[v], cases, 0) == 0
            elif "sum" in lemma:
                holds = self.exceeds(lemma["sum"], box, removed)
            elif "apart" in lemma:
                holds = Groups(self, self.apart[position(lemma["apart"], len(self.apart))], box, removed).lead_nowhere()
            elif "domain" in lemma:
                d = self.decisions[v := position(self.at[lemma["domain"]], len(self.decisions))]
                holds = not self.may(self.make("not", [d["guard"]]), box)
                holds = holds and not any(self.may(d["allowed"][k], inner) for k, inner in self.points([v], box))
            else:
                i = lemma["false"]
                need(i == "claim" or position(i, len(self.kept)) not in removed, "it uses what it is about")
                holds = not self.may(given if i == "claim" else self.kept[i], box)
            need(holds, f"lemma {at} does not hold")
            boxes.append(box)
        need(boxes and not any(g & ~b for g, b in zip(goal, boxes[-1], strict=True)), "it covers less than the claim")

    def terms(self, n, factor):
        """What a sum is made of, sums with a factor multiplied out: nodes with their factors."""
        found, todo = {}, [(n, factor)]
        while todo:
            n, factor = todo.pop()
            op, args, _ = self.nodes[n]
            rest = [x for x in args if self.nodes[x][0] != "const"]
            if op == "add":
                todo += [(x, factor) for x in args]
            elif op == "mul" and len(rest) == 1:
                todo.append((rest[0], factor * math.prod(self.nodes[x][2] for x in args if x != rest[0])))
            else:
                found[n] = found.get(n, 0) + factor
        return found

    def exceeds(self, items, box, removed):
        """Whether a - b of requirements `a <= b`, weighed and added up, is above 0; what reads the same as one."""
        terms, strict, groups, total = {}, False, [], (0, 0)
        for i, part, weight in items:
            guard, node = self.required[position(i, len(self.kept))]
            need(i not in removed and not self.may(self.make("not", [guard]), box), "a requirement may not apply")
            need(part is None or self.nodes[node][0] == "and", "no part of it alone has to hold")
            op, args, _ = self.nodes[node if part is None else self.nodes[node][1][part]]
            need(op in ("le", "lt") and number(weight) > 0, "no inequality, or none with a weight above 0")
            strict |= op == "lt"
            for x, sign in zip(args, (1, -1), strict=True):
                for n, factor in self.terms(x, sign * number(weight)).items():
                    terms[n] = terms.get(n, 0) + factor
        for n in [n for n in terms if terms[n]]:
            near = [g for g in groups if g[1] & set(self.reads[n])]
            groups = [g for g in groups if g not in near]
            groups.append((sum((g[0] for g in near), [n]), set(self.reads[n]).union(*(g[1] for g in near))))
        for mine, reads in groups:
            lows = [INF]
            for _, inner in self.points(sorted(reads), box):
                parts = [(self.ask(n, inner), (terms[n],) * 2) for n in mine]
                lows += [add(*(times(*p) for p in parts))[0]] if all(p[0] for p in parts) else []
            total = add(total, (min(lows),) * 2)
        return total[0] > 0 or (strict and total[0] == 0)

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

    def best(self, item):
        """That no design is better than some: what they are in words, and the box that is to hold none that is."""
        ends, goal = self.valued(item)
        signs = [1 if s == "minimize" else -1 for _, s, _ in self.chosen]
        shown = [[sorted(e * s for e in x) for s, x in zip(signs, each, strict=True)] for each in ends]
        need([[[*map(number, x)] for x in each] for each in item["values"]] == shown, "its values are others")
        need(least(self.bests) == self.bests, "not all of them are the best")
        said = [f"{s} {t}" for t, s, _ in self.chosen]
        if len(shown) == 1:
            said = [f"{a} = {low}" + f" to {high}" * (low < high) for a, (low, high) in zip(said, *shown, strict=True)]
        many = "" if len(shown) == 1 else f" {len(shown)} designs of" if shown else " none of"
        fixed = f", {len(item['fixed'])} of the decisions fixed" * bool(item["fixed"])
        return f"best{many} {', '.join(said) or 'no objective'}{fixed}", goal

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

    def claimed(self, item):
        """A claim in words, the requirements it is about, and the boxes that hold no design where a condition does."""
        self.within, self.apart = self.full, item.get("apart", ())
        if item["claim"] == "dead":
            d, box = self.decisions[self.at[item["path"]]], self.box({item["path"]: [item["value"]]})
            said = "".join(v.values()) if type(v := d["values"][item["value"]]) is dict else v
            return f"dead {item['path']} = {said}", set(), [(box, d["guard"])]
        if item["claim"] == "redundant":
            removed = {position(i, len(self.kept)) for i in item["requirements"]}
            return f"redundant {sorted(removed)}", removed, [(self.full, self.broken[i]) for i in sorted(removed)]
        if item["claim"] == "best":
            said, self.within = self.best(item)
            self.focus(self.within)
            return said, set(), [(self.within, self.make("const", [], True))]
        need(item["claim"] == "empty", "there is no such claim")
        return "empty", set(), [(self.full, self.make("const", [], True))]


def judge(texts):
    """Each claim of certificates, in words, and why it is rejected, or None. texts: the space's, the certificates'."""
    items, found = [None], []
    for at, item in enumerate(items):
        said, reason = f"claim {at}" if at else "all", None
        try:
            if not at:
                printed, data = texts
                space, data = Proofs(printed), json.loads(data)
                need(data["format"] == "cospace certificates" and data["schema"] == 1, "it has another format")
                need(data["space"] == space.mark, "it is for another space")
                items += data["certificates"]
                continue
            proofs = Proofs(printed) if item["claim"] == "best" or "apart" in item else space  # these leave traces
            proofs.work = space.work
            said, removed, goals = proofs.claimed(item)
            for proof, (goal, given) in zip(item["proofs"], goals, strict=True):
                proofs.prove(proof, goal, removed, given)
            space.work = proofs.work
        except FAULTS as why:
            reason = str(why) if type(why) is Rejected else f"it is malformed ({why!r:.60})"
        found.append((said, reason))
    return found


if __name__ == "__main__":
    sys.setrecursionlimit(12_000)
    for said, why in (verdicts := judge(Path(path).read_text(encoding="utf-8") for path in sys.argv[1:])):
        print(f"accepted  {said}" if why is None else f"rejected  {said}: {why}")
    sys.exit(any(why for _, why in verdicts))
