"""What is said of a text without a design, held against brute force: the conflict, its lines, the number to change."""

from __future__ import annotations

import time
from collections import Counter
from fractions import Fraction

from attrs import define, field
from cospace.compiler.checks.check import check
from cospace.compiler.conflicts.conflict import Conflict, minimal_conflict
from cospace.compiler.conflicts.relief import Relief, reliefs
from cospace.compiler.conflicts.words import smallest
from cospace.compiler.driver import compile_text
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.space.model import Space

from tests.compiler.unsatisfiable import Unsatisfiable, spelled

NEARER = [Fraction(n, 16) for n in range(1, 16)] + [1 - Fraction(1, 10**6)]
"""How far along to a value its neighbours are tried where the reference doesn't know where to look."""


@define
class Tally:
    """What a run of texts met. seconds: of processor time that `check` took of each, the compiled space at hand."""

    specs: int = 0
    minimal: int = 0
    sizes: Counter[int] = field(factory=Counter)
    kinds: Counter[str] = field(factory=Counter)
    verified: int = 0
    """Texts whose smallest change was compiled and has a design, nothing nearer having one."""
    none_alone: int = 0
    undecided: int = 0
    numbers: int = 0
    """Numbers of all conflicts that were asked; of these `by_reference` say the same as brute force."""
    by_reference: int = 0
    open: int = 0
    """Numbers of which it was not decided."""
    seconds: list[float] = field(factory=list)


def agree(spec: Unsatisfiable, tally: Tally) -> None:
    """Raises AssertionError, with the text, where anything differs."""
    text, places = spec.render()
    assert spec.decisions >= 10
    where = f"seed {spec.seed}\n{text}"
    found = compile_text(text)
    assert found.space is not None, f"{[d.message for d in found.diagnostics]}; {where}"
    space = found.space
    start = time.process_time()
    report = check(space)
    tally.seconds.append(time.process_time() - start)
    tally.specs += 1
    tally.kinds[spec.kind] += 1
    assert [d.code for d in report.diagnostics] == ["CS601"], (report, where)
    said = report.diagnostics[0]
    prover = Prover(space)
    conflict = minimal_conflict(prover, prover.settle(space.requirements).core)
    named = {text.count("\n", 0, at.start) + 1 for at in ([x.span for x in said.labels] or [said.span])}
    assert named == {text.count("\n", 0, p.start) + 1 for p in conflict.places}, where
    tally.minimal += _is_minimal(spec, text, named, conflict, where)
    tally.sizes[len(named)] += 1
    answers = reliefs(prover, conflict.places)
    for r in answers:
        tally.numbers += 1
        tally.open += not r.proved
        tally.by_reference += _number(spec, places, r, where)
    best = smallest(prover, answers, conflict.places)
    if best is not None:
        tally.verified += 1
        _smallest(spec, text, places, named, best, where)
    elif answers and all(r.proved and r.value is None for r in answers):
        tally.none_alone += 1
        assert said.help and "no change of a single number makes room" in said.help, (said, where)
    else:
        tally.undecided += 1


def _is_minimal(spec: Unsatisfiable, text: str, named: set[int], conflict: Conflict, where: str) -> bool:
    lines = {spec.line_of(a, text): a for a in spec.asked}
    assert len(lines) == len(spec.asked)
    assert named <= set(lines), (named, where)
    assert not spec.possible([lines[n] for n in named]), f"{named} have a design; {where}"
    for n in named:
        assert spec.possible([lines[m] for m in named if m != n]), f"line {n} could be left out; {where}"
    return conflict.minimal


def key_of(places: dict[str, tuple[int, int]], text: str, start: int, end: int) -> tuple[str, int] | None:
    """The reference's number at a place of the text, and its sign there."""
    for key, (a, b) in places.items():
        if (a, b) == (start, end):
            return key, 1
        if a <= start and end <= b and text[a:start] == "(-":
            return key, -1
    return None


def edited(text: str, start: int, end: int, value: Fraction) -> str:
    return text[:start] + spelled(value) + text[end:]


def _number(spec: Unsatisfiable, places: dict[str, tuple[int, int]], r: Relief, where: str) -> bool:
    """One number against brute force; where the reference does not know it, against the edited text itself."""
    text, _ = spec.render()
    span = r.literal.span
    key = key_of(places, text, span.start, span.end)
    told = f"{text[span.start : span.end]} -> {r.value} ({r}); {where}"
    if key is not None and spec.known(key[0]):
        name, sign = key
        wanted = spec.nearest(name)
        if not r.proved:
            return False
        if wanted is None:
            assert r.value is None, told
        else:
            assert r.value is not None, (wanted, told)
            assert abs(r.value * sign - spec.numbers[name]) == abs(wanted.value - spec.numbers[name]), (wanted, told)
            assert r.strict != wanted.attained, (wanted, told)
            assert r.inside is not None and spec.nonempty_with(name, r.inside * sign), told
        return True
    if r.value is not None and r.proved:
        assert r.inside is not None and _has_design(edited(text, span.start, span.end, r.inside)) is True, told
        for share in NEARER[:: 1 if key else 5]:
            near = r.literal.value + (r.value - r.literal.value) * share
            if key is not None:
                assert not spec.nonempty_with(key[0], near * key[1]), (near, told)
            else:
                assert _has_design(edited(text, span.start, span.end, near)) is not True, (near, told)
    return False


def _has_design(text: str) -> bool | None:
    """None where the text has none because it is wrong."""
    space: Space | None = compile_text(text).space
    return None if space is None else Prover(space).settle(space.requirements).possible


def _smallest(
    spec: Unsatisfiable, text: str, places: dict[str, tuple[int, int]], named: set[int], best: Relief, where: str
) -> None:
    """The text with the number changed has a design, and no number that the reference knows changes less."""
    assert (best.inside is not None and best.change is not None) or not best.literal.value
    span = best.literal.span
    assert _has_design(edited(text, span.start, span.end, best.inside)) is True, (best, where)
    read = [a for a in spec.asked if spec.line_of(a, text) in named]
    for key in {k for a in read for k in a.reads}:
        if spec.known(key) and spec.numbers[key] and best.change is not None:
            other = spec.nearest(key)
            if other is not None:
                change = abs((other.value - spec.numbers[key]) / spec.numbers[key])
                assert change >= best.change, (key, other, best, where)
