"""Certificates of everything that `check --deep` finds, against a checker that shares no code with what made them."""

from __future__ import annotations

import ast
import hashlib
import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cospace.checker import certificates
from cospace.checker.certificates import judge
from cospace.compiler.checks.certify import certify
from cospace.compiler.checks.check import Claim
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Decision, Space

from tests.checker.claims import Case, Item, attacks, damaged
from tests.compiler import generate, texts

ROOT = Path(__file__).parents[2]
CHECKER = ROOT / "checker" / "certificates.py"
JOINT = ROOT / "benchmarks" / "spaces" / "joint.cospace"


def compiled(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Random spaces of every construct, and random graphs with nested maps."""
    made = [compiled(texts.generate(seed).text) for seed in range(60)]
    return [Case(space) for space in [*made, *(generate.generate(seed).space() for seed in range(60))]]


def test_the_checker_stands_alone() -> None:
    """One file; what claims of the best need beside it is another, no longer, which rests on it."""
    beside = CHECKER.with_name("optimum.py")
    assert {CHECKER, beside, CHECKER.with_name("__init__.py")} == set(CHECKER.parent.glob("*.py"))
    for file in (CHECKER, beside):
        names = set()
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module))
        others = {"certificates"} if file == beside else set()
        assert names <= sys.stdlib_module_names | others


def test_every_claim_has_a_certificate_that_is_accepted(cases: list[Case]) -> None:
    kinds: dict[str, int] = {}
    for case in cases:
        assert not case.certified.unproved
        items = case.certified.data["certificates"]
        assert len(items) == len(case.claims)
        for item, (said, why) in zip(items, case.judged(items), strict=True):
            assert case.is_true(item) and why is None, (said, why)
            kinds[item["claim"]] = kinds.get(item["claim"], 0) + 1
    assert min(kinds.get(k, 0) for k in ("empty", "dead", "redundant", "idle")) >= 5, kinds


def test_none_of_a_thousand_false_certificates_is_accepted(cases: list[Case]) -> None:
    rng = random.Random(1)
    tried: dict[str, int] = {}
    while sum(tried.values()) < 1_000:
        for case in cases:
            made = list(attacks(case, rng, 12))
            for item, (said, why) in zip(made, case.judged(made), strict=True):
                assert why is not None, f"accepted: {said}, {item}"
                tried[item["claim"]] = tried.get(item["claim"], 0) + 1
    assert min(tried.get(k, 0) for k in ("empty", "dead", "redundant", "idle")) >= 30, tried


def test_certificates_of_one_space_do_not_serve_a_changed_one(cases: list[Case]) -> None:
    """With the fingerprint as it was, none is accepted; with that of the changed space, none that became false."""
    refuted = 0
    for seed, case in enumerate(cases):
        items = case.certified.data["certificates"]
        requirements = list(case.space.requirements)
        if not items or not requirements:
            continue
        rng = random.Random(seed)
        del requirements[rng.randrange(len(requirements))]
        rng.shuffle(requirements)
        changed = Case(evolve(case.space, requirements=tuple(requirements)))
        assert all(why for _, why in changed.judged(items, case.mark))
        small = [i for i in items if all(n < len(requirements) for n in i.get("requirements", ()))]
        for item, (said, why) in zip(small, changed.judged(small), strict=True):
            if not changed.is_true(item):
                refuted += 1
                assert why is not None, said
    assert refuted >= 20


def test_no_damage_ends_in_a_traceback(cases: list[Case]) -> None:
    rng = random.Random(3)
    for case in cases[:40]:
        for item in case.certified.data["certificates"]:
            for _ in range(4):
                broken = {**item, "proofs": [damaged(p, rng, case) for p in item["proofs"]]}
                spoilt = _spoilt(broken, rng)
                (_, why), *_ = [
                    *judge((case.text, json.dumps({**case.certified.data, "certificates": [spoilt]}))),
                    ("", ""),
                ]
                assert why is not None or case.is_true(spoilt)


def _spoilt(data: Any, rng: random.Random) -> Any:
    """JSON with one thing in it replaced by something else."""
    if isinstance(data, dict) and data and rng.random() < 0.8:
        key = rng.choice(list(data))
        return {k: _spoilt(v, rng) if k == key else v for k, v in data.items()}
    if isinstance(data, list) and data and rng.random() < 0.8:
        at = rng.randrange(len(data))
        return [_spoilt(v, rng) if i == at else v for i, v in enumerate(data)]
    return rng.choice([None, True, -1, 10**30, 0.5, "", "claim", "1e9999999", [], {}, [[]], {"a": []}, "9" * 5000])


@pytest.mark.parametrize(
    ("more", "proof"),
    [
        ("", "sum"),
        ('require 20 * rows * cols >= 7800 and wbuf + abuf >= 32 "more"', "split"),
        ("require sum(weights(op[i], channels[i], channels[i + 1]) for i in 1..22) >= 1_600_000", "sum"),
        ("require sum(wb[i] + ab[i] for i in 1..22) >= 700 and sum(ab[i] for i in 1..22) <= 340", "sum"),
        ("require sum(weights(op[i], channels[i], channels[i + 1]) * wb[i] for i in 1..22) > 6291456", "sum"),
    ],
)
def test_joint_and_ways_to_empty_it(more: str, proof: str) -> None:
    case = Case(compiled(JOINT.read_text(encoding="utf-8") + "\n" + more + "\n"))
    dead = [Claim("dead", path, Fraction(512)) for path in ("wbuf", "abuf")]
    made = certify(case.space, [Claim("empty")] if more else dead, case.mark)
    assert not made.unproved
    assert any(proof in lemma for item in made.data["certificates"] for p in item["proofs"] for lemma in p)
    assert [why for _, why in judge((case.text, json.dumps(made.data)))] == [None] * len(made.data["certificates"])


@pytest.mark.parametrize(
    ("spec", "dead", "alive"),
    [
        ("dance", {"t3": range(7)}, ("t3", 20)),
        (
            "o_has",
            {"optics.length": range(27, 43), "optics.slice_a": (2, 3), "optics.slice_w": (2, 3)},
            ("optics.length", 0),
        ),
    ],
)
def test_dead_values_of_shipped_specs(spec: str, dead: dict[str, Any], alive: tuple[str, int]) -> None:
    space = compile_file(ROOT / "specs" / f"{spec}.cospace").space
    assert space is not None
    case = Case(space)
    claims = [Claim("dead", path, space.decision(path).values[k]) for path, ks in dead.items() for k in ks]
    made = certify(space, claims, case.mark)
    assert not made.unproved
    found = judge((case.text, json.dumps(made.data)))
    assert len(found) == len(claims) and not any(why for _, why in found)
    false = [{**item, "path": alive[0], "value": alive[1]} for item in made.data["certificates"]]
    assert all(why for _, why in judge((case.text, json.dumps({**made.data, "certificates": false}))))


@pytest.mark.parametrize("most", ["300 uJ", "100 uJ"])
def test_claims_that_rest_on_solved_maps(most: str) -> None:
    text = (ROOT / "specs" / "rst.cospace").read_text(encoding="utf-8")
    case = Case(compiled(f"{text}\nrequire array.energy <= {most}\n"))
    claims = [Claim("empty")]
    if most == "300 uJ":
        claims = [Claim("dead", "robust.density", Fraction(k, 10)) for k in (5, 6, 9)]
    made = certify(case.space, claims, case.mark)
    assert not made.unproved
    assert [why for _, why in judge((case.text, json.dumps(made.data)))] == [None] * len(claims)
    bare = json.loads(case.text)
    assert any(s["rows"] for s in bare["solved"])
    bare["solved"] = [{**s, "rows": None} for s in bare["solved"]]
    text = json.dumps(bare)
    data = {**made.data, "space": hashlib.sha256(text.encode()).hexdigest()}
    without = [why for _, why in judge((text, json.dumps(data)))]  # any mapping is taken for possible
    assert len(without) == len(claims) and all(why is None or "does not hold" in why for why in without)


TWO = """space s
a, b, c, d = choose 1..9
require a + b + c + d <= 20 when a > 1
require a * 2 + b + c + d >= 33 or a == b "either"
require a >= 2 and b + c + d >= 19
"""


@pytest.mark.parametrize(
    ("lemma", "why"),
    [
        ({"sum": [[0, None, "1"], [2, 0, "1"], [2, 1, "1"]]}, "may not apply"),
        ({"box": {"a": [1, 2, 3, 4, 5, 6, 7, 8]}, "sum": [[0, None, "1"], [2, 0, "1"], [2, 1, "1"]]}, None),
        ({"box": {"a": [1, 2, 3]}, "sum": [[0, None, "-1"], [2, 1, "1"]]}, "no inequality"),
        ({"box": {"a": [1, 2, 3]}, "sum": [[0, None, "1"], [1, 0, "1"]]}, "no part of it"),
        ({"box": {"a": [1, 2, 3]}, "sum": []}, "does not hold"),
        ({"false": 99}, "not a position"),
        ({"false": True}, "not a position"),
        ({"split": "a", "cases": [0]}, "not a position"),
        ({"split": "a", "cases": []}, "does not hold"),
        ({"domain": "a"}, "malformed"),
        ({"false": "claim"}, "does not hold"),
    ],
)
def test_a_step_counts_only_where_it_is_one(lemma: Item, why: str | None) -> None:
    case = Case(compiled(TWO))
    lemma = {"box": {}, **lemma}
    tail = [lemma, {"box": {"a": [0]}, "false": 2}, {"box": {}, "split": "a", "cases": [0, 1]}]
    ((_, found),) = case.judged([{"claim": "empty", "proofs": [tail]}])
    assert found is None if why is None else why in str(found)


def test_a_domain_is_empty_only_where_its_decision_lives() -> None:
    """With a = 1 there is no b, and every value of b is left out by its domain."""
    a = Decision("a", "choose", (Fraction(1), Fraction(2)), g.NUMBER)
    two = g.eq(g.var("a", g.NUMBER), g.const(2))
    b = Decision("b", "choose", (Fraction(1), Fraction(2)), g.NUMBER, two, (g.FALSE, g.FALSE))
    whole = evolve(compiled("space s\nz = choose 1..2\n"), decisions=(a, b), requirements=())
    case = Case(whole)
    empty: Item = {"claim": "empty", "proofs": [[{"box": {}, "domain": "b"}]]}
    dead: Item = {"claim": "dead", "path": "a", "value": 1, "proofs": [[{"box": {"a": [1]}, "domain": "b"}]]}
    assert not case.is_true(empty) and case.is_true(dead)
    assert [why for _, why in case.judged([empty, dead])] == ["lemma 0 does not hold", None]
    assert [c.kind for c in case.claims] == ["dead", "dead", "dead"] and not case.certified.unproved


def test_a_proof_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(compiled(TWO))
    made = certify(case.space, [Claim("empty")], case.mark)
    assert judge((case.text, json.dumps(made.data)))[0][1] is None
    monkeypatch.setattr(certificates, "WORK", 50)
    assert "too much work" in str(judge((case.text, json.dumps(made.data)))[0][1])


def test_what_has_no_proof_is_said() -> None:
    case = Case(compiled("space s\na, b = choose 1..9\nrequire a * b == 11\n"))
    made = certify(case.space, [Claim("empty")], case.mark, visits=2)
    ((claim, reason),) = made.unproved
    assert claim.kind == "empty" and "2 boxes" in reason and not made.data["certificates"]
    assert certify(case.space, [Claim("dead", "a", Fraction(3))], case.mark).data["certificates"]
    free = Case(compiled("space s\na, b = choose 1..9\nrequire a * b == 12\n"))
    wrong = certify(free.space, [Claim("dead", "a", Fraction(3))], free.mark)
    assert "a design was found" in wrong.unproved[0][1]


def test_the_checker_as_a_command(tmp_path: Path) -> None:
    case = Case(compiled(TWO))
    space, proofs = tmp_path / "space.json", tmp_path / "proofs.json"
    space.write_text(case.text, encoding="utf-8")
    proofs.write_text(json.dumps(case.certified.data), encoding="utf-8")
    alone = tmp_path / "empty" / CHECKER.name
    alone.parent.mkdir()
    alone.write_bytes(CHECKER.read_bytes())

    def run(*paths: Path, checker: Path = alone) -> tuple[int, str]:
        command = [sys.executable, "-S", "-E", "-B", str(checker), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not done.stderr
        return done.returncode, done.stdout

    assert run(space, proofs) == (0, "accepted  empty\n")
    (empty,) = case.certified.data["certificates"]
    best = {**empty, "claim": "best", "fixed": {}, "live": [], "designs": []}
    both = tmp_path / "both.json"
    both.write_text(json.dumps({**case.certified.data, "certificates": [empty, best]}), encoding="utf-8")
    assert run(space, both, checker=CHECKER) == (0, "accepted  empty\naccepted  best none of no objective\n")
    status, said = run(space, both)
    assert (
        status == 1 and said.startswith("accepted  empty\nrejected  claim 2: ") and "No module named 'optimum'" in said
    )
    proofs.write_text(proofs.read_text().replace(case.mark, "0" * 64), encoding="utf-8")
    assert run(space, proofs) == (1, "rejected  all: it is for another space\n")
    for paths in ((), (space,), (space, tmp_path / "nowhere"), (proofs, space)):
        status, said = run(*paths)
        assert status == 1 and said.startswith("rejected  all")
    proofs.write_text("[" * 100_000, encoding="utf-8")
    assert run(space, proofs)[0] == 1
