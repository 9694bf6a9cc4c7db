"""What each value keeps, against brute force on generated spaces, by every method."""

from __future__ import annotations

import pytest
from cospace.compiler.counting.count import Limits, kept_values
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.numbers.enumerate import Frame, TooMany
from cospace.compiler.space.model import Space

from tests.compiler.generate import generate

LIMITS = {"listed": Limits(), "summed out": Limits(brute=0), "long sums": Limits(brute=0, table=1)}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("seed", range(60))
def test_each_value_keeps_what_brute_force_finds(seed: int, limits: Limits) -> None:
    made = generate(seed)
    space: Space = made.space()
    feasible = made.feasible()
    found = per_value_counts(space, limits=limits)
    assert found is not None
    for d, counts in zip(space.decisions, found, strict=True):
        assert counts.path == d.path
        for value, (low, high) in zip(d.values, counts.counts, strict=True):
            true = sum(1 for f in feasible if d.path in f and f[d.path] == value)
            assert low <= true <= high
            if counts.exact:
                assert low == true
        true = sum(1 for f in feasible if d.path not in f)
        assert counts.absent[0] <= true <= counts.absent[1]


@pytest.mark.parametrize("limits", [Limits(), Limits(table=1)], ids=["tables", "long sums"])
def test_whether_any_is_kept_is_told_without_counting(limits: Limits) -> None:
    told = decided = 0
    for seed in range(200):
        made = generate(seed)
        space, feasible = made.space(), made.feasible()
        frame = Frame.of(space)
        if not feasible:
            continue
        try:
            every = {(v, int(k)) for v, domain in enumerate(frame.domains) for k in domain}
            low, high = kept_values(frame, limits, space.requirements, every)
        except (TooMany, TooLarge):
            continue
        for v, d in enumerate(space.decisions):
            for k, some, most in zip(frame.domains[v], low[v], high[v], strict=True):
                kept = any(f.get(d.path) == (d.values[k] if k >= 0 else None) for f in feasible)
                assert bool(some) <= kept <= bool(most), (seed, d.path, k)
                told, decided = told + 1, decided + (bool(some) == bool(most))
    assert told > 500 and decided > 0.95 * told, (told, decided)


def test_most_of_them_are_exact() -> None:
    found = [per_value_counts(generate(seed).space(), limits=Limits(brute=0)) for seed in range(60)]
    assert sum(all(c.exact for c in counts) for counts in found if counts) >= 55


def test_a_pinned_value_is_kept_alone() -> None:
    made = next(generate(seed) for seed in range(50) if len(generate(seed).feasible()) > 20)
    space = made.space()
    first = space.decisions[0]
    counts = per_value_counts(space, {first.path: first.values[0]})
    assert counts is not None
    true = sum(1 for f in made.feasible() if f.get(first.path) == first.values[0])
    assert counts[0].counts[0] == (true, true)
    assert all(pair == (0, 0) for pair in counts[0].counts[1:])
