"""Exact fronts by groups of decisions: of two and three goals, hardware given or free, against every design."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.engines import dominance, hub, merging, separable
from cospace.compiler.engines.apart import best_apart
from cospace.compiler.engines.best import best
from cospace.compiler.engines.candidates import surviving
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.engines.exhaustive import conditions_of
from cospace.compiler.engines.separable import Separable, separate
from cospace.compiler.engines.words import NOTHING, Words, shift_for, split
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import negative
from cospace.compiler.space.model import Space

from tests.compiler.generate import holds, raw_designs
from tests.compiler.spaces import space_of


def layered(seed: int, goals: int, free: bool) -> Space:
    """Layers with operators as a device was measured, in decimals of 17 to 24 digits; some layers are alike, so that
    many designs are equal. With `free` hardware, latency hangs on it, and it has to fit."""
    rng = random.Random(seed)
    kinds = [[measured(rng) for _ in range(rng.randint(2, 4))] for _ in range(2)]
    lines = ["space t"]
    if free:
        lines += ["lanes = choose {1, 2, 4, 8}", "port = choose {1, 2, 3}", "deep = choose {1, 2}"]
        lines += [f"area = lanes * port + 3 * deep\nrequire area <= {rng.randint(9, 20)}"]
    latency, kept, score = [], [], []
    for i in range(3 if free else rng.randint(3, 4)):
        costs = kinds[rng.randrange(2)]
        lines.append(f"o{i} = choose 1..{len(costs)}")
        latency.append(case(f"o{i}", [c[0] for c in costs]))
        kept.append(case(f"o{i}", [c[1] for c in costs]))
        score.append(case(f"o{i}", [c[2] for c in costs]))
        if free:
            wide = case(f"o{i}", [c[1] for c in costs])
            latency[-1] = f"{latency[-1]} + max(ceil({wide} / lanes) / deep, {wide} / port / 7)"
    lines.append(f"minimize {' + '.join(latency)}")
    lines.append(f"maximize {' + '.join(kept)}")
    if goals == 3:
        lines.append(f"{rng.choice(('maximize', 'minimize 2 *'))} ({' + '.join(score)})")
    return space_of("\n".join(lines) + "\n")


def measured(rng: random.Random) -> tuple[str, str, str]:
    digits = rng.choice((17, 20, 24))
    return f"{rng.randint(0, 9)}.{rng.randrange(10**digits):0{digits}}", str(rng.randint(0, 40)), str(rng.randint(0, 3))


def case(name: str, values: list[str]) -> str:
    text = values[-1]
    for k, v in enumerate(values[:-1], 1):
        text = f"(if {name} == {k} then {v} else {text})"
    return text


def brute(space: Space) -> set[tuple[Fraction, ...]]:
    """The values of the front, by looking at every design."""
    signs = [1 if o.sense == "minimize" else -1 for o in space.objectives]
    found = set()
    for design in raw_designs(space.decisions):
        if all(holds(r, design) for r in space.requirements):
            found.add(tuple(s * evaluate(o.value, design) for o, s in zip(space.objectives, signs, strict=True)))
    front = {v for v in found if not any(w != v and all(a <= b for a, b in zip(w, v, strict=True)) for w in found)}
    return {tuple(s * v for s, v in zip(signs, values, strict=True)) for values in front}


def taken_apart(space: Space) -> Separable:
    goals = [o.value if o.sense == "minimize" else negative(o.value) for o in space.objectives]
    return separate(space, goals, conditions_of(space))


@pytest.mark.parametrize("free", [False, True], ids=["given", "free"])
@pytest.mark.parametrize("goals", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_that_of_every_design(seed: int, goals: int, free: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    space = layered(seed, goals, free)
    found = best_apart(space)
    assert found is not None and found.certified
    expected = brute(space)
    assert len(found.objectives) == len(expected) and set(found.objectives) == expected
    for design, values in zip(found.designs, found.objectives, strict=True):
        assert all(holds(r, design) for r in space.requirements)
        assert values == tuple(evaluate(o.value, design) for o in space.objectives)


def test_these_take_what_they_are_to_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of two words, settings that are left out, and small chunks of pairs, all with the same answer."""
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    wide = left_out = 0
    for seed in range(20):
        space = layered(seed, 2, True)
        apart = taken_apart(space)
        assert apart.hub and not apart.errors.any()
        wide += any(apart.words.shifts)
        left_out += len(hub.needed(apart, numpy.arange(len(apart.settings)))) < len(apart.settings)
        whole = best_apart(space)
        with monkeypatch.context() as patch:
            patch.setattr(merging, "CHUNK", 7)
            patch.setattr(hub, "CELLS", 0)
            pieces = best_apart(space)
        assert whole is not None and pieces is not None
        assert set(whole.objectives) == set(pieces.objectives)
    assert wide > 10 and left_out > 10


def test_settings_whose_choices_differ_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slower accelerator is kept where it allows what the faster one doesn't."""
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    text = "space t\nh = choose {1, 2}\n" + "".join(
        f"a{i} = choose {{1, 2, 5 when h == 2}}\nb{i} = choose 1..3\n" for i in range(2)
    )
    space = space_of(text + "minimize h * a0 * b0 + h * a1 * b1 + 3 * h\nmaximize a0 + a1 + b0 + b1\n")
    found = best_apart(space)
    assert found is not None and found.certified
    assert set(found.objectives) == brute(space)
    assert {d["h"] for d in found.designs} == {1, 2}


def test_products_of_wide_sums_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    rng = random.Random(5)
    costs = [[f"0.{rng.randrange(10**22):022}" for _ in range(3)] for _ in range(3)]
    latency, energy = (" + ".join(case(f"o{i}", c if k else c[::-1]) for i, c in enumerate(costs)) for k in range(2))
    text = "space t\n" + "".join(f"o{i} = choose 1..3\n" for i in range(3))
    for goals in ("minimize ({0}) * ({1})", "minimize ({0}) * ({1})\nmaximize {1}", "minimize {0}\nminimize {1} / 3"):
        space = space_of(text + goals.format(latency, energy) + "\n")
        found = best_apart(space)
        assert found is not None and found.certified
        assert set(found.objectives) == brute(space)


def test_more_digits_than_two_words_hold_are_not_called_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "TOGETHER", (0, 0))
    text = "space t\na, b = choose 1..3\n"
    text += f"minimize (if a == 1 then 0.{'1' * 60} else a) + b / 7\nmaximize a + b\n"
    found = best_apart(space_of(text))
    assert found is not None and not found.certified


def test_equal_designs_in_any_number_are_proved() -> None:
    """More of them than the reference evaluator is asked about, with values that floats don't hold."""
    text = "space t\na, b, c = choose 1..20\nrequire a + b + c >= 30\n"
    least = best(space_of(text + "minimize (a + b + c) / 3\n"))
    assert least.certified and least.objectives == ((Fraction(10),),)
    assert least.designs == ({"a": 1, "b": 9, "c": 20},)
    front = best(space_of(text + "minimize (a + b + c) / 3\nmaximize (a + b + c) / 7\n"))
    assert front.certified and len(front.designs) == 31


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize("bits", [40, 70, 110])
def test_words_are_the_numbers(kind: str, bits: int) -> None:
    rng = random.Random(bits)
    some, others = ([rng.randrange(-(1 << bits), 1 << bits) for _ in range(40)] for _ in range(2))
    some[:3], others[:3] = [0, -1, 1 << (bits - 1)], [0, 0, (1 << (bits - 1)) + 1]
    shift = shift_for(kind, [1 << bits, 1 << bits])
    assert bool(shift) == (bits > 60)
    words = Words((kind, "sum"), (shift, 0))
    arrays = []
    for numbers in (some, others):
        coarse, fine = split(numbers, shift)
        arrays.append(numpy.stack([coarse, numpy.arange(40), *([fine] if shift else [])]))
    left, right = arrays
    assert words.numbers(0, left) == some
    join = {"sum": lambda a, b: a + b, "max": max, "min": min}[kind]
    assert words.numbers(0, words.combine(left, right)) == [join(a, b) for a, b in zip(some, others, strict=True)]
    assert words.numbers(1, words.combine(left, right)) == list(range(0, 80, 2))
    assert words.numbers(0, words.combine(words.nothing, left)) == some
    both = numpy.concatenate([left, left, right], axis=1)
    for sign in (1, -1):
        keys = words.keys(0, both, sign)
        every = [sign * n for n in (*some, *some, *others)]
        assert [[int(a < b) for a in keys] for b in keys] == [[int(a < b) for a in every] for b in every]
    low, high = words.least(left), words.most(left)
    assert words.numbers(0, low)[0] <= min(some) and max(some) <= words.numbers(0, high)[0]
    assert NOTHING["sum"] == 0


def test_keys_tell_numbers_apart_that_differ_in_the_fine_word_alone() -> None:
    words = Words(("sum",), (20,))
    values = numpy.array([[5, 5, 4, 5], [7, 3, 9, 7]])
    for sign in (1, -1):
        keys = words.keys(0, values, sign)
        assert [sign * n for n in words.numbers(0, values[:, numpy.argsort(keys, kind="stable")])] == sorted(
            sign * n for n in words.numbers(0, values)
        )
        assert keys[0] == keys[3]


@pytest.mark.parametrize("by_level", [False, True])
def test_what_stays_of_three_numbers(by_level: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = numpy.random.default_rng(3)
    monkeypatch.setattr(dominance, "LEVELS", 1 << 12 if by_level else 0)
    for _ in range(60):
        rows = rng.integers(-9, rng.integers(-6, 30), size=(200, 3))
        rows[:, rng.integers(0, 3)] //= 4
        kept = [
            i
            for i, row in enumerate(rows)
            if not ((rows <= row).all(axis=1) & ((rows < row).any(axis=1) | (numpy.arange(200) < i))).any()
        ]
        assert undominated(rows).tolist() == kept


@pytest.mark.parametrize("numbers", [1, 2, 3, 4])
def test_what_no_row_surely_dominates(numbers: int) -> None:
    rng = numpy.random.default_rng(numbers)
    for _ in range(80):
        low = rng.integers(0, 6, (30, numbers)).astype(float)
        high = low + rng.integers(0, 2, low.shape)
        high[rng.random(low.shape) < 0.1] = numpy.inf
        kept = [
            i for i in range(30)
            if not ((high <= low[i]).all(axis=1) & (high < low[i]).any(axis=1)).any()
        ]  # fmt: skip
        assert surviving(low, high).tolist() == kept
