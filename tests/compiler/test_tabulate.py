"""Tables of the printed space: each entry is what the exact evaluator says there."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from cospace.compiler.exact import exact
from cospace.compiler.proofs import tabulate
from cospace.compiler.proofs.tabulate import Tables

from tests.compiler.generate import generate


def entries(tables: Tables, reads: tuple[str, ...]):  # type: ignore[no-untyped-def]
    for values in itertools.product(*(tables.variables[p].values for p in reads)):
        yield dict(zip(reads, values, strict=True))


def test_tables_say_what_exact_evaluation_does() -> None:
    mapped = bounded = unmapped = 0
    for seed in range(80):
        tables = tabulate.tabulate(generate(seed, irrational=seed % 2 == 1).space())
        for solved in tables.problems.values():
            if solved.rows is None:
                continue
            for row, design in zip(solved.rows, entries(tables, solved.reads), strict=True):
                best = exact.solve_maps(solved.problem, design)
                if not isinstance(best, dict):
                    unmapped += 1
                    assert row == -1
                    continue
                mapped += 1
                for m, k in zip(solved.problem.maps, solved.mappings[row], strict=True):
                    assert best.get(m.path, m.values[0]) == m.values[k]
        for function in tables.functions:
            for ends, design in zip(function.values, entries(tables, function.reads), strict=True):
                value = exact.evaluate(function.node, design)
                if ends is None:
                    assert value is exact.UNDEFINED
                else:
                    bounded += 1
                    low, high = (value.low, value.high) if isinstance(value, exact.Enclosure) else (value, value)
                    assert ends[0] <= low <= high <= ends[1]  # type: ignore[operator]
    assert mapped >= 200 and bounded >= 100 and unmapped >= 5, (mapped, bounded, unmapped)


def test_what_reads_too_much_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    space = next(s for s in (generate(seed).space() for seed in range(80)) if tabulate.tabulate(s).problems)
    monkeypatch.setattr(tabulate, "ROWS", 0)
    assert all(solved.rows is None for solved in tabulate.tabulate(space).problems.values())


def test_bounds_are_rational() -> None:
    space = generate(1, irrational=True).space()
    for function in tabulate.tabulate(space).functions:
        assert all(isinstance(e, Fraction) for ends in function.values if ends is not None for e in ends)
