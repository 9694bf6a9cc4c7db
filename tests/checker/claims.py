"""Claims about small spaces by brute force, their certificates, and ways to damage those."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from cospace.checker.certificates import judge
from cospace.compiler.checks.certify import Certified, certify
from cospace.compiler.checks.check import Claim, check
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.proofs.tabulate import tabulate
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.schema import dumps, to_json

from tests.compiler.generate import holds, raw_designs

Item = dict[str, Any]


class Case:
    """A space with its printed text and what brute force says of it."""

    def __init__(self, space: Space) -> None:
        self.space = space

    @cached_property
    def text(self) -> str:
        return dumps(to_json(self.space, tabulate(self.space)))

    @cached_property
    def mark(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def raw(self) -> list[Design]:
        return list(raw_designs(self.space.decisions))

    @cached_property
    def kept(self) -> list[list[bool]]:
        """For each raw design which requirements it meets."""
        return [[holds(r, d) for r in self.space.requirements] for d in self.raw]

    @cached_property
    def taken(self) -> set[tuple[str, int]]:
        """Paths with the positions of the values that feasible designs have."""
        found = set()
        for d in self.space.decisions:
            for design, kept in zip(self.raw, self.kept, strict=True):
                if all(kept) and d.path in design:
                    value = design[d.path]
                    same = (k for k, v in enumerate(d.values) if v.__class__ is value.__class__ and v == value)
                    found.add((d.path, next(same)))
        return found

    @cached_property
    def certified(self) -> Certified:
        return certify(self.space, self.claims, self.mark)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        return check(self.space, deep=True).claims

    def is_true(self, item: Item) -> bool:
        """Whether a claim holds, by trying every design."""
        if item["claim"] == "empty":
            return not any(map(all, self.kept))
        if item["claim"] == "dead":
            return (item["path"], item["value"]) not in self.taken
        about = set(item["requirements"])
        if item["claim"] == "idle":
            guards = [self.space.requirements[i].guard for i in about]
            met = (d for d, kept in zip(self.raw, self.kept, strict=True) if all(kept))
            return not any(evaluate(guard, design) is True for design in met for guard in guards)
        for design, kept in zip(self.raw, self.kept, strict=True):
            if all(k or i in about for i, k in enumerate(kept)):
                for i in about:
                    r = self.space.requirements[i]
                    if evaluate(r.guard, design) is True and evaluate(r.value, design) is False:
                        return False
        return True

    @cached_property
    def false_claims(self) -> list[Item]:
        """Every claim about one value, one requirement, or all, that brute force refutes."""
        found: list[Item] = [{"claim": "empty"}]
        found += [
            {"claim": "dead", "path": d.path, "value": k} for d in self.space.decisions for k in range(len(d.values))
        ]
        for kind in ("redundant", "idle"):
            found += [{"claim": kind, "requirements": [i]} for i in range(len(self.space.requirements))]
        return [item for item in found if not self.is_true(item)]

    def judged(self, items: list[Item], mark: str | None = None) -> list[tuple[str, str | None]]:
        head = {"format": "cospace certificates", "schema": 1, "space": mark or self.mark}
        return judge((self.text, json.dumps({**head, "certificates": items})))


def damaged(proof: list[Item], rng: random.Random, case: Case) -> list[Item]:
    """A proof with one thing changed."""
    proof = copy.deepcopy(proof)
    at = rng.randrange(len(proof))
    lemma = proof[at]
    paths = [d.path for d in case.space.decisions]
    ways = ["drop", "swap", "widen", "widen all", "values", "reason", "cut", "goal"]
    if "split" in lemma:
        ways += ["cases", "decision"] * 3
    if "sum" in lemma:
        ways += ["weight", "part"] * 3
    way = rng.choice(ways)
    if way == "drop":
        del proof[at]
    elif way == "cut":
        del proof[at + 1 :]
    elif way == "swap":
        other = rng.randrange(len(proof))
        proof[at], proof[other] = proof[other], proof[at]
    elif way == "widen" and lemma["box"]:
        del lemma["box"][rng.choice(list(lemma["box"]))]
    elif way == "widen all":
        for each in proof:
            each["box"] = {}
    elif way == "goal":
        proof[-1]["box"] = {}
    elif way == "values":
        path = rng.choice(paths)
        size = len(case.space.decision(path).values)
        lemma["box"][path] = sorted(rng.sample(range(size), rng.randint(0, size)))
    elif way == "reason":
        for key in ("false", "domain", "sum", "split"):
            lemma.pop(key, None)
        kind = rng.choice(["claim", "requirement", "domain", "sum"])
        some = rng.randrange(len(case.space.requirements) or 1)
        if kind == "domain":
            lemma["domain"] = rng.choice(paths)
        elif kind == "sum":
            lemma["sum"] = [[some, None, "1"], [rng.randrange(len(case.space.requirements) or 1), None, "1/3"]]
        else:
            lemma["false"] = "claim" if kind == "claim" else some
    elif way == "cases":
        lemma["cases"] = [c for c in lemma["cases"] if rng.random() < 0.6] or [rng.randrange(at + 1)]
    elif way == "decision":
        lemma["split"] = rng.choice(paths)
    elif way == "weight":
        rng.choice(lemma["sum"])[2] = rng.choice(["-1", "0", "7/3", "1/1000000", "5"])
    elif way == "part":
        rng.choice(lemma["sum"])[1] = rng.choice([None, 0, 1])
    return proof


def moved(proofs: list[list[Item]], old: Item, new: Item) -> list[list[Item]]:
    """Proofs about one value made to speak of another."""
    proofs = copy.deepcopy(proofs)
    if old["claim"] == new["claim"] == "dead":
        for lemma in (lemma for proof in proofs for lemma in proof):
            if lemma["box"].pop(old["path"], None) is not None:
                lemma["box"][new["path"]] = [new["value"]]
            if lemma.get("split") == old["path"]:
                lemma["split"] = new["path"]
    return proofs


def joined(case: Case, claim: Item, rng: random.Random) -> list[Item]:
    """Lemmas that hold, from all proofs of a space, under a last one that they do not carry."""
    lemmas: list[Item] = []
    for item in case.certified.data["certificates"]:
        for proof in item["proofs"] if item["claim"] == "dead" else ():
            if not any(lemma.get("false") == "claim" for lemma in proof):
                shift = len(lemmas)
                lemmas += [{**x, **({"cases": [c + shift for c in x["cases"]]} if "cases" in x else {})} for x in proof]
    named = sorted({path for lemma in lemmas for path in lemma["box"]})
    if not named:
        return []
    path = rng.choice(named)
    cases = [at for at, lemma in enumerate(lemmas) if path in lemma["box"] or rng.random() < 0.1]
    box = {claim["path"]: [claim["value"]]} if claim["claim"] == "dead" else {}
    if rng.random() < 0.5:  # every value is covered, elsewhere by boxes that are too narrow
        size = len(case.space.decision(path).values)
        other = rng.choice([d for d in case.space.decisions])
        for k in range(size):
            for lemma in lemmas[: len(cases)]:
                if "false" in lemma and rng.random() < 0.5:
                    narrow = {**lemma["box"], other.path: [rng.randrange(len(other.values))], path: [k]}
                    lemmas.append({**lemma, "box": narrow})
                    cases.append(len(lemmas) - 1)
    return [*lemmas, {"box": box, "split": path, "cases": cases}]


def summed(case: Case, claim: Item, rng: random.Random) -> list[Item]:
    """One requirement or two, or a part of one, added up with any weights; or a domain that is open."""
    box = {claim["path"]: [claim["value"]]} if claim["claim"] == "dead" else {}
    if rng.random() < 0.2:
        return [{"box": box, "domain": rng.choice([d.path for d in case.space.decisions])}]
    some = [rng.randrange(len(case.space.requirements)) for _ in range(rng.randint(1, 2))]
    ops = {i: case.space.requirements[i].value.op for i in some}
    parts = {i: None if ops[i] in ("le", "lt") else rng.randint(0, 1) for i in some}
    return [{"box": box, "sum": [[i, parts[i], rng.choice(["1", "1", "2", "1/3"])] for i in some]}]


def attacks(case: Case, rng: random.Random, most: int) -> Iterator[Item]:
    """Certificates of false claims: with the proofs of true ones, moved and damaged, and with new ones."""
    true, false = case.certified.data["certificates"], case.false_claims
    if not false or not case.space.requirements:
        return
    for _ in range(most):
        claim = rng.choice(false)
        way = rng.random()
        if way < 0.25:
            yield {**claim, "proofs": [joined(case, claim, rng)]}
        elif way < 0.5:
            yield {**claim, "proofs": [summed(case, claim, rng)]}
        elif true:
            model = rng.choice(true)
            proofs = moved(model["proofs"], model, claim) if rng.random() < 0.7 else copy.deepcopy(model["proofs"])
            for _ in range(rng.choice([0, 1, 1, 2, 4])):
                proofs = [damaged(p, rng, case) if p else p for p in proofs]
            yield {**claim, "proofs": proofs[:1]}
