"""One generated space in the compiler and in the reference: every answer that both give, held against each other."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from attrs import define, field
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import Count, Limits
from cospace.compiler.counting.count import count as count_space
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.sampling.sample import Sampler, Unsampled
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Decision, Space
from cospace.compiler.space.model import show as shown_by
from cospace.compiler.space.operators import OPERATORS
from cospace.dsl.diagnostics import Diagnostic

from tests.compiler.reference import Env, Reference, Rule, verdict

RUNTIME = {"const", "input", "measure", "external"}
"""Operators that only a run or a stage knows; `const` stands below all others."""
OPERATORS_USED = set(OPERATORS) - RUNTIME
CONSTRUCTS_USED = {
    name
    for line in (
        "set, unit, own unit, range, powers, divisors, dependent divisors, dependent range, dependent members",
        "filtered domain, orders, subsets, factors, bools, symbols, attributes, alternatives, guarded, lists",
        "searched loop, look-up, functions, params, parts, accelerators as alternatives, whole accelerators",
        "per layer, map, map tie by energy, per block, placement, switch, random, random of a range, adapt",
        "sum, product, max, min, mean, count, all, any, if, and, or, not, chain, in",
    )
    for name in line.split(", ")
}
METHODS = (Limits(), Limits(brute=0), Limits(brute=0, table=1))
"""Enumeration, elimination over tables, and sums without tables."""


@define
class Tally:
    """What a run of spaces met."""

    spaces: int = 0
    feasible: int = 0
    empty: int = 0
    undefined: int = 0
    dead: int = 0
    conflicts: int = 0
    uniform: int = 0
    exact: int = 0
    constructs: set[str] = field(factory=set)
    operators: set[str] = field(factory=set)
    bindings: set[str] = field(factory=set)


def agree(reference: Reference, tally: Tally, seed: int) -> None:
    """Raises AssertionError, with the text, where the compiler and the reference differ."""
    compiled = compile_text(reference.text)
    space = compiled.space
    assert space is not None, told(reference, compiled.diagnostics)
    _remember(reference, space, tally)
    raw = list(reference.designs())
    verdicts = [reference.judge(env) for _, env in raw]
    good = [raw[i] for i, v in enumerate(verdicts) if v == "feasible"]
    report = check(space)
    said = {d.code for d in report.diagnostics}
    where = f"seed {seed}\n{reference.text}\n{told(reference, report.diagnostics)}"
    assert {d.path for d in space.decisions} == {c.path for c in reference.chosen}, where
    if "undefined" in verdicts:
        tally.undefined += 1
        assert report.ok is not True and (said & {"CS602"} or (not good and "CS601" in said) or report.ok is None), (
            where
        )
        return
    assert "CS602" not in said, where
    _objectives(reference, space, good[:12], where)
    found = count_space(space, limits=METHODS[seed % 3])
    assert found.raw == len(raw), f"raw {found.raw}, not {len(raw)}; {where}"
    tally.exact += _counted(found, len(good), where)
    if not good:
        tally.empty += 1
        assert report.ok is False and "CS601" in said, where
        tally.conflicts += _conflict(reference, raw, next(d for d in report.diagnostics if d.code == "CS601"), where)
        with pytest.raises(Unsampled):
            Sampler(space).sample(1)
        return
    tally.feasible += 1
    assert report.ok is True, where
    kept = _values(space, [shown for shown, _ in good], METHODS[(seed + 1) % 3], where)
    tally.dead += _dead(space, [shown for shown, _ in raw], kept, report.diagnostics, where)
    tally.uniform += _samples(space, [shown for shown, _ in good], seed, where)


def told(reference: Reference, diagnostics: tuple[Diagnostic, ...]) -> str:
    return "\n".join(
        f"{d.code} {d.message} [{reference.text[d.span.start : d.span.end]}]"
        + "".join(f"\n    {reference.text[x.span.start : x.span.end]}: {x.text}" for x in d.labels)
        for d in diagnostics
    )


def _remember(reference: Reference, space: Space, tally: Tally) -> None:
    tally.spaces += 1
    tally.constructs |= reference.used
    tally.bindings |= {d.binding for d in space.decisions} | {v.binding for v in space.variants}
    exprs = [e for r in space.requirements for e in (r.value, r.guard)] + [o.value for o in space.objectives]
    problems = [p.problem for w in space.works for p in w.placements]
    exprs += [e for p in problems for e in p.expressions()]
    tally.bindings |= {"map" for p in problems if p.maps}
    tally.operators |= {e.op for e in g.walk(exprs)}


def _counted(found: Count, expected: int, where: str) -> bool:
    if found.exact:
        assert found.feasible == expected, f"counted {found.feasible}, not {expected} ({found.method}); {where}"
    else:
        low, high = found.bounds
        assert found.limit and low <= expected and (high is None or expected <= high), (found, expected, where)
    return found.exact


def _objectives(reference: Reference, space: Space, designs: list[tuple[dict[str, str], Env]], where: str) -> None:
    modelled = [o for o in space.objectives if not o.measured]
    assert len(modelled) == len(reference.objectives), where
    for shown, env in designs:
        design = {d.path: v for d in space.decisions if d.path in shown for v in [_value(d, shown[d.path])]}
        for objective, mine in zip(modelled, reference.objectives, strict=True):
            got, wanted = evaluate(objective.value, design), mine.value(env)
            if isinstance(got, Enclosure):
                assert got.low <= wanted <= got.high
            else:
                assert got == wanted, f"{mine.text} is {got}, not {wanted}, at {shown}; {where}"


def spelled(decision: Decision, value: g.Value) -> str:
    found = shown_by(value, decision.unit, decision.scale)
    return str(found).lower() if isinstance(found, bool) else str(found)


def _value(decision: Decision, shown: str) -> g.Value:
    return next(v for v in decision.values if spelled(decision, v) == shown)


def _values(space: Space, good: list[dict[str, str]], limits: Limits, where: str) -> dict[str, Counter[str]]:
    """Per-value counts agree; how often each shown value of each path is taken."""
    kept: dict[str, Counter[str]] = {d.path: Counter() for d in space.decisions}
    for design in good:
        for path, shown in design.items():
            kept[path][shown] += 1
    found = per_value_counts(space, limits=limits)
    assert found is not None, where
    for d, counts in zip(space.decisions, found, strict=True):
        names = [spelled(d, v) for v in d.values]
        assert set(kept[d.path]) <= set(names), (d.path, names, where)
        for name, (low, high) in zip(names, counts.counts, strict=True):
            mine = kept[d.path][name]
            assert low <= mine <= high, f"{d.path} = {name}: between {low} and {high}, not {mine}; {where}"
        low, high = counts.absent
        assert low <= len(good) - sum(kept[d.path].values()) <= high, (d.path, where)
    return kept


def _dead(
    space: Space, raw: list[dict[str, str]], kept: dict[str, Counter[str]], found: tuple[Diagnostic, ...], where: str
) -> int:
    """Dead values are told; those of decisions that live only where another takes a dead value go with these."""
    said: dict[str, list[str]] = {}
    for d in found:
        if d.code == "CS603":
            match = re.fullmatch(r"no feasible design takes the values? (.*) of `(.*)`", d.message)
            assert match
            for path in match[2].split("`, `"):
                names = [spelled(space.decision(path), v).replace("_", "") for v in space.decision(path).values]
                said[path] = sorted(_spread(match[1].replace("_", ""), names))
    expected = {}
    for d in space.decisions:
        dead = [spelled(d, v) for v in d.values if not kept[d.path][spelled(d, v)]]
        if dead:
            expected[d.path] = sorted(", ".join(dead).replace("_", "").split(", "))
    inside = {
        path
        for path in expected
        if all(
            any(other != path and not kept[other][shown] for other, shown in design.items())
            for design in raw
            if path in design
        )
    }
    gone = {d.path for d in space.decisions if d.path in inside and d.path not in said and d.guard is not g.TRUE}
    told_ = {path: values for path, values in expected.items() if path not in gone}
    assert said == told_, f"dead: {said}, not {told_}; {where}"
    return len(expected)


def _spread(told: str, names: list[str]) -> list[str]:
    """The values that a message tells, those of its ranges one by one: neighbours in their domain."""
    found: list[str] = []
    for one in told.split(", "):
        low, dots, rest = one.partition("..")
        high, _, unit = rest.partition(" step ")[0].partition(" ")
        ends = [f"{end} {unit}" if unit else end for end in (low, high)]
        found += names[names.index(ends[0]) : names.index(ends[1]) + 1] if dots else [one]
    return found


def _conflict(reference: Reference, raw: list[tuple[dict[str, str], Env]], found: Diagnostic, where: str) -> bool:
    """What is named excludes every design, and without any one of it some design is left. True if lines were named."""
    emptied = {x.span.start for x in found.labels if "has no value then" in x.text}  # no rule: no raw design is there
    lines = reference.text.splitlines()
    assert all(" = choose " in lines[reference.text.count("\n", 0, at)] for at in emptied), where
    spans = {x.span.start for x in found.labels} - emptied | {found.span.start}
    named = {reference.text.count("\n", 0, at) + 1 for at in spans}
    by_line: dict[int, list[Rule]] = {}
    for r in reference.rules:
        by_line.setdefault(reference.lines(r), []).append(r)
    if not raw:
        return False
    assert named <= set(by_line), (named, where)

    def possible(lines: set[int]) -> bool:
        rules = [r for line in lines for r in by_line[line]]
        return any(all(verdict(r, env) == "kept" for r in rules) for _, env in raw)

    domains = {line for line, rules in by_line.items() if any(r.domain for r in rules)}
    assert not possible(named | domains), f"what is named does not exclude everything; {where}"
    for line in named:
        if len(named) > 1:
            assert possible(named - {line}), f"line {line} could be left out; {where}"
    return True


def _samples(space: Space, good: list[dict[str, str]], seed: int, where: str) -> bool:
    """Each drawn design is feasible; on small spaces each is drawn about equally often."""
    keys = {tuple(sorted(d.items())): i for i, d in enumerate(good)}
    uniform = len(good) <= 60
    n = 20 * len(good) if uniform else 50
    seen: Counter[int] = Counter()
    for row in Sampler(space).sample(n, seed):
        design = decode(space.decisions, row)
        key = tuple(sorted((p, spelled(space.decision(p), v)) for p, v in design.items()))
        assert key in keys, f"drawn and not feasible: {key}; {where}"
        seen[keys[key]] += 1
    if uniform and len(good) > 1:
        square = sum((seen[i] - 20) ** 2 / 20 for i in range(len(good)))
        assert square < quantile(len(good) - 1), f"chi-square {square} of {len(good)}; {where}"
    return uniform


def quantile(freedom: int) -> float:
    """Of chi-square, at 1e-9 or so: Wilson and Hilferty (1931)."""
    share = 2 / (9 * freedom)
    return float(freedom * (1 - share + 6 * share**0.5) ** 3)
