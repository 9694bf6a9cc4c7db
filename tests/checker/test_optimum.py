"""Certificates that designs are the best, against brute force, and false ones."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

import pytest
from attrs import evolve
from cospace.checker.certificates import Rejected
from cospace.checker.certificates import Space as Printed
from cospace.checker.optimum import Optimum as Reader
from cospace.compiler.checks import optimum
from cospace.compiler.checks.optimum import Asked
from cospace.compiler.driver import compile_text
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import UNDEFINED, Enclosure, evaluate
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Design, Space

from tests.checker.claims import Case, Item, damaged
from tests.compiler import generate, texts

FALSE = int(os.environ.get("FALSE_CERTIFICATES", "150"))
"""False certificates that are tried; `benchmarks/optimum_certificates.py` tries 1,000."""


def compiled(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


class Optimum:
    """A space with some decisions fixed, and what brute force says of its designs."""

    def __init__(self, space: Space, fixed: dict[str, Value]) -> None:
        self.case = Case(space)
        self.space, self.fixed = space, fixed
        self.objectives = [o for o in space.objectives if is_modelled(o.value)]
        self.found = best(space, fixed)

    @property
    def is_rational(self) -> bool:
        return not any(isinstance(v, Enclosure) for values in self.found.objectives for v in values)

    def costs(self, design: Design) -> tuple[Fraction, ...] | None:
        """Each objective, to be small; None where one has no rational value."""
        values = [evaluate(o.value, design) for o in self.objectives]
        if not all(isinstance(v, Fraction) for v in values):
            return None
        return tuple(v if o.sense == "minimize" else -v for o, v in zip(self.objectives, values, strict=True))  # type: ignore[operator,misc]

    @cached_property
    def printed(self) -> Printed:
        return Printed(self.case.text)

    @cached_property
    def feasible(self) -> list[tuple[Design, tuple[Fraction, ...] | None]]:
        """Each design that meets every requirement, with what its objectives are."""
        return [(d, self.costs(d)) for d, kept in zip(self.case.raw, self.case.kept, strict=True) if all(kept)]

    def is_true(self, item: Item) -> bool:
        """Whether a claim holds: the designs are the front of all that are feasible, with these values."""
        known = {d.path: d.values for d in self.space.decisions}
        try:
            fixed = {p: known[p][k] for p, k in item["fixed"].items()}
            designs = [{p: known[p][k] for p, k in d.items()} for d in item["designs"]]
            live = [str(p) for p in item["live"]]
        except (LookupError, TypeError, ValueError, AttributeError):
            return False
        asked = [
            (d, c)
            for d, c in self.feasible
            if all(d.get(p, v) == v for p, v in fixed.items()) and all(p in d for p in live)
        ]
        mine = [next((c for d, c in asked if d == design), None) for design in designs]
        if None in mine or len(set(mine)) < len(mine):
            return False
        met = {c for _, c in asked if c is not None}
        reached = all(any(_no_worse(m, c) for m in mine) for c in met)  # type: ignore[arg-type]
        return reached and not any(_no_worse(a, b) for a in mine for b in mine if a is not b)  # type: ignore[arg-type]

    def certificates(self) -> list[Item]:
        """What the checker accepts, of each kind of proof; what it doesn't is printed."""
        reader = Reader(self.printed)
        asked = Asked(self.found.designs, self.fixed, list(self.fixed))
        try:
            item = optimum.claim(self.space, asked)
            reader.claimed(item)
        except Rejected as why:
            print(f"no value: {why}")
            return []
        found: list[Item] = []
        for at, proof in enumerate(optimum.proofs(self.space, asked, item, reader)):
            if at == 2 and found:
                break  # more lemmas are looked for where all else fails
            if isinstance(proof, str) or (why := self.judged([proof])[0]) is not None:
                print("no proof:", proof if isinstance(proof, str) else why)
            elif proof not in found:
                found.append(proof)
        return found

    def judged(self, items: list[Item]) -> list[str | None]:
        return [why for _, why in self.case.judged(items)]


def _no_worse(a: tuple[Fraction, ...], b: tuple[Fraction, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


def optima(count: int) -> Iterator[Optimum]:
    """Random spaces of every construct, random graphs with nested maps, and some that fall apart, some of all fixed."""
    for seed in range(count):
        rng = random.Random(seed)
        if seed % 3 == 0:
            space = compiled(texts.generate(seed).text)
        elif seed % 3 == 1:
            space = generate.generate(seed).space()
        else:
            space = compiled(groups(rng))
        if not space.objectives:
            continue
        if seed % 2:
            some = list(space.objectives)[:1]
            space = evolve(space, objectives=tuple(evolve(o, sense=rng.choice(["minimize", "maximize"])) for o in some))
        fixed: dict[str, Value] = {}
        if seed % 5 == 0:
            d = rng.choice(space.decisions)
            fixed = {d.path: rng.choice(d.values)}
        yield Optimum(space, fixed)


def groups(rng: random.Random) -> str:
    """A space that only sums and extremes join, with a decision that all layers read."""
    n = rng.randint(2, 4)
    lines = ["space layers", "h = choose {1, 2}"]
    for i in range(n):
        lines += [f"a{i} = choose {{1, 2, 3}}", f"b{i} = choose {{0, 1, 5}}"]
        lines.append(f"t{i} = a{i} * {rng.randint(1, 5)} + b{i} * {rng.randint(1, 5)} / h")
        lines.append(f"e{i} = {rng.randint(3, 9)} / a{i} + abs(b{i} - {rng.randint(0, 4)}) * h")
    join = rng.choice(["sum", "max"])
    each = lambda x: ", ".join(f"{x}{i}" for i in range(n))  # noqa: E731
    lines += [
        f"require sum(x for x in [{each('b')}]) <= {rng.randint(2, 9)}",
        f"minimize {join}(x for x in [{each('t')}])",
    ]
    if rng.random() < 0.6:
        lines.append(f"{rng.choice(['minimize', 'maximize'])} sum(x for x in [{each('e')}])")
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def made() -> list[tuple[Optimum, Item]]:
    """Optima with their certificates, each accepted by the checker and true by brute force."""
    found: list[tuple[Optimum, Item]] = []
    without = 0
    for o in optima(60):
        if not o.found.certified:
            continue
        items = o.certificates()
        without += not items
        if o.is_rational:
            assert all(o.is_true(item) for item in items)
            found += [(o, item) for item in items]
    print(f"{len(found)} certificates, {without} optima without")
    assert without * 10 <= len(found), without
    return found


def test_optima_of_every_kind_have_certificates(made: list[tuple[Optimum, Item]]) -> None:
    kinds = {
        "apart": sum("apart" in lemma for _, i in made for lemma in i["proofs"][0]),
        "split": sum("split" in lemma for _, i in made for lemma in i["proofs"][0]),
        "front": sum(len(i["designs"]) > 1 for _, i in made),
        "none": sum(not i["designs"] for _, i in made),
        "fixed": sum(bool(i["fixed"]) for _, i in made),
    }
    print(kinds)
    assert min(kinds.values()) >= 3, kinds


def test_a_design_is_taken_where_it_is_feasible_and_nowhere_else() -> None:
    """Also where ranges would hide what has no value: what reads a decision that is not live, or divides by 0."""
    taken = left = 0
    for o in optima(36):
        known = {d.path: d.values for d in o.space.decisions}
        feasible = [d for d, _ in o.feasible]
        for design in o.case.raw[:: 1 + len(o.case.raw) // 40]:
            reader = Reader(o.printed)
            data = {p: known[p].index(v) for p, v in design.items()}
            try:
                reader.claimed({"fixed": {}, "live": [], "designs": [data]})
            except Rejected:
                left += design in feasible and o.costs(design) is not None
                continue
            costs = o.costs(design)
            assert design in feasible and costs is not None and reader.bests == [costs]
            taken += 1
    print(f"{taken:,} designs are taken, {left} feasible ones are not")
    assert taken > 200 and left * 100 <= taken


def test_what_is_not_rational_is_told_between_bounds() -> None:
    """Nothing feasible is below the lower end; what the checker does not know is no certificate."""
    between = without = 0
    for seed in range(40):
        space = generate.generate(seed, irrational=True).space()
        o = Optimum(evolve(space, objectives=space.objectives[:1]), {})
        if not o.found.certified or o.is_rational:
            continue
        items = o.certificates()
        without += not items
        for item in items:
            reader = Reader(o.printed)
            said, *_ = reader.claimed(item)
            ((low,),) = reader.bests
            between += " to " in said
            for design, _ in o.feasible:
                value = evaluate(space.objectives[0].value, design)
                ends = [value.low, value.high] if isinstance(value, Enclosure) else [value]
                small = space.objectives[0].sense == "minimize"
                assert value is UNDEFINED or max(e if small else -e for e in ends) >= low  # type: ignore[operator]
    print(f"{between} certificates between bounds, {without} optima without")
    assert between >= 3


def false_ones(o: Optimum, item: Item, rng: random.Random) -> Iterator[Item]:
    """A certificate with its claim changed, its proof damaged, or both."""
    new = copy.deepcopy(item)
    known = {d.path: d.values for d in o.space.decisions}
    way = rng.choice(["design", "design", "other", "other", "drop", "add", "fixed", "live", "free"])
    pool = o.case.raw
    if way == "design" and new["designs"]:
        design = rng.choice(new["designs"])
        path = rng.choice(list(design))
        design[path] = rng.randrange(len(known[path]))
    elif way in ("other", "add") and pool:
        taken = rng.choice(pool)
        data = {p: known[p].index(v) for p, v in taken.items()}
        if way == "other" and new["designs"]:
            new["designs"][rng.randrange(len(new["designs"]))] = data
        else:
            new["designs"].append(data)
    elif way == "drop" and new["designs"]:
        at = rng.randrange(len(new["designs"]))
        del new["designs"][at]
    elif way == "fixed":
        path = rng.choice(list(known))
        new["fixed"][path] = rng.randrange(len(known[path]))
    elif way == "live":
        new["live"] = rng.sample(list(known), 1)
    elif way == "free":
        new["fixed"], new["live"] = {}, []
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        new["proofs"] = [damaged(p, rng, o.case) if p else p for p in new["proofs"]]
    if "apart" in new and rng.random() < 0.4:
        _disturb(new["apart"][0], rng, len(json.loads(o.case.text)["nodes"]))
    yield new


def _disturb(apart: Item, rng: random.Random, nodes: int) -> None:
    way = rng.choice(["way", "node", "group", "member", "part", "all"])
    if way == "way" and apart["parts"]:
        part = rng.choice(apart["parts"])
        part[1] = "most" if part[1] == "least" else "least"
    elif way == "node" and apart["parts"]:
        rng.choice(apart["parts"])[0] = rng.randrange(nodes)
    elif way == "group":
        del apart["groups"][rng.randrange(len(apart["groups"]))]
    elif way == "member":
        rng.choice(apart["groups"]).clear()
    elif way == "part" and apart["parts"]:
        del apart["parts"][rng.randrange(len(apart["parts"]))]
    elif way == "all":
        apart["parts"] = []


def test_what_one_claim_asks_serves_no_other(made: list[tuple[Optimum, Item]]) -> None:
    """That nothing is better, or that some decisions are fixed, is forgotten where the next claim begins."""
    tried = 0
    for o, item in made:
        if o.feasible and item["designs"]:
            more = [len(o.space.requirements) + k for k in range(len(item["live"]) + len(item["designs"]))]
            false: list[Item] = [{"claim": "empty", "proofs": item["proofs"]}]
            false += [{"claim": "empty", "proofs": [[{"box": {}, "false": i}]]} for i in more]
            if "apart" in item:
                false = [{**f, "apart": item["apart"]} for f in false]
            why, *others = o.judged([item, *false])
            assert why is None and all(others), (item, others)
            tried += len(false)
    assert tried > 100


def test_no_false_certificate_is_accepted(made: list[tuple[Optimum, Item]]) -> None:
    rng = random.Random(5)
    tried = apart = 0
    while tried < FALSE:
        o, item = rng.choice(made)
        for false in false_ones(o, item, rng):
            if o.is_true(false):
                continue
            (why,) = o.judged([false])
            assert why is not None, f"accepted: {false}"
            tried += 1
            apart += "apart" in false
    print(f"{tried:,} false certificates, {apart} of them by groups, none accepted")
    assert apart * 10 >= tried
