"""Values that are lists and sets, attributes of symbols, sets of expressions, records: against plain Python."""

from __future__ import annotations

import itertools

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Space, show
from cospace.compiler.space.schema import from_json, to_json

from tests.compiler.generate import raw_designs
from tests.compiler.spaces import space_of, told


def shown(space: Space) -> list[dict[str, object]]:
    """Every feasible design, by trying all raw ones with the reference evaluator."""
    found = []
    for design in raw_designs(space.decisions):
        met = [evaluate(r.guard, design) is False or evaluate(r.value, design) is True for r in space.requirements]
        if all(met):
            found.append({k: show(v) for k, v in design.items()})
    return found


def agree(text: str, wanted: list[dict[str, object]]) -> Space:
    """Feasible designs, count, samples and the space read back from JSON are those wanted, listed in plain Python."""
    space = space_of(text)
    key = lambda d: sorted((k, str(v)) for k, v in d.items())  # noqa: E731
    assert sorted(shown(space), key=key) == sorted(wanted, key=key)
    for s in (space, from_json(to_json(space))):
        assert count(s).feasible == len(wanted)
        for row in Sampler(s).sample(20, seed=3):
            assert {k: show(v) for k, v in decode(s.decisions, row).items()} in wanted
    return space


def test_factors_of_a_decision() -> None:
    text = "space t\ncores = choose 1..6\nspread = choose factors(cores, 2)\nrequire spread[1] >= 2 * spread[2]\n"
    wanted = [
        {"cores": n, "spread": f"[{a}, {n // a}]"} for n in range(1, 7) for a in range(1, 7)
        if n % a == 0 and a >= 2 * (n // a)
    ]  # fmt: skip
    agree(text, wanted)


def test_orders_and_subsets_and_down_to() -> None:
    text = """
space t
order = choose orders({K, C, R})
keep = choose subsets({K, R})
size = {K = 2, C = 3, R = 5}
require order != [K, C, R]
require order[1] == K or K in keep
require product(size[l] for l in down_to(order, keep)) <= 10
place = choose {1, 2}
require order[place] != C
"""
    size = {"K": 2, "C": 3, "R": 5}
    wanted = []
    for order in itertools.permutations("KCR"):
        for keep in ((), ("K",), ("R",), ("K", "R")):
            last = max((order.index(k) for k in keep), default=-1)
            product = 1
            for loop in order[: last + 1]:
                product *= size[loop]
            if order == ("K", "C", "R") or not (order[0] == "K" or "K" in keep) or product > 10:
                continue
            for at in (1, 2):
                if order[at - 1] != "C":
                    wanted.append({"order": f"[{', '.join(order)}]", "keep": f"{{{', '.join(keep)}}}", "place": at})
    agree(text, wanted)


def test_attributes_sets_of_expressions_and_records() -> None:
    text = """
space t
tuner = choose {electro(settle = 20 ns, area = 3), thermo(settle = 4 us, area = 1)}
n, m = choose {1, 2, 3}
lanes = choose {n, n * m, 6}
cost = {electro = n, thermo = 2 * n}
require tuner.settle < 1 us or tuner.area * lanes <= 4
require cost[tuner] <= 4
require sum(t.area for t in {slow(area = 1), fast(area = 2)}) == 3
"""
    wanted = []
    for tuner, n, m in itertools.product(("electro", "thermo"), (1, 2, 3), (1, 2, 3)):
        seen: set[int] = set()
        for label, value in (("n", n), ("n * m", n * m), ("6", 6)):
            if value in seen:
                continue
            seen.add(value)
            if (tuner == "electro" or value <= 4) and (n if tuner == "electro" else 2 * n) <= 4:
                wanted.append({"tuner": tuner, "n": n, "m": m, "lanes": label})
    agree(text, wanted)


def test_records_of_decisions_have_its_name_in_their_paths() -> None:
    space = space_of(
        "space t\ncut = {K = choose factors(4, 2), C = [2, 3]}\nl = choose {K, C}\nrequire cut[l][2] == 2\n"
    )
    assert [d.path for d in space.decisions] == ["cut.K", "l"]
    assert shown(space) == [{"cut.K": "[2, 2]", "l": "K"}]


def test_fields_of_records_are_read_by_their_names() -> None:
    """Also where a unit (`W`), an import or a number has the name."""
    text = """
space t
import std.units
def both(a) {
    twice = 2 * a
    {once = a, twice = twice, W = 3 * a}
}
n, once = choose {1, 2, 3}
it = both(n)
far = {W = it.W, once = it.once}
require it.twice + far.once + far[W] + far[once] <= 14
require once != n
def part_of(l: {once, W}) = far[l]
require part_of(W) == it[W]
"""
    wanted = [{"n": n, "once": o} for n, o in itertools.product((1, 2, 3), repeat=2) if 7 * n <= 14 and n != o]
    agree(text, wanted)
    for line, said in (("it.thrice", "this record has no field `thrice`"), ("it[thrice]", "no `thrice`")):
        (found,) = compile_text(text + f"require {line} == 1\n").diagnostics
        assert said in found.message or said in str(found.help)


def test_a_symbol_of_several_sets_is_of_the_one_that_a_parameter_asks_for() -> None:
    text = "space t\no = choose orders({K, C, z})\ndef f(l: {K, C}) = if l == K then 1 else 2\nrequire o[f(C)] == z\n"
    agree(text, [{"o": o} for o in ("[K, z, C]", "[C, z, K]")])


def test_lists_that_are_chosen_are_summed_compared_and_searched_in() -> None:
    text = """
space t
a = choose {[1], [2, 3], []}
n = choose {1, 2, 3}
b = choose {true, false}
s = choose subsets({1, 2} bit)
c = if b then a else [n_, 2]
require sum(a) >= n or n in a
require s == {2 when true, 1} bit or s == {}
require sum(c) != 4
n_ = 2
"""
    wanted = []
    for a, n, b, s in itertools.product(([1], [2, 3], []), (1, 2, 3), (True, False), ("{}", "{1 bit, 2 bit}")):
        if (sum(a) >= n or n in a) and sum(a if b else [2, 2]) != 4:
            wanted.append({"a": str(a), "n": n, "b": b, "s": s})
    agree(text, wanted)


def test_sets_are_equal_in_whatever_order_they_are_written() -> None:
    text = """
space t
b = choose {true, false}
s = choose subsets({1, 2})
c = if b then s else {2, 1}
require c == {1, 2}
l = [1, 2]
require l == [1, 2] and l != [1, 3] and l != [1] and not ({1, 2} == m)
m = {1, 3}
"""
    wanted = [{"b": b, "s": s} for b in (True, False) for s in ("{}", "{1}", "{2}", "{1, 2}") if not b or s == "{1, 2}"]
    agree(text, wanted)


def test_a_guard_within_a_set_counts_wherever_the_set_is_read() -> None:
    text = "space t\nk = choose {p, q}\nb = choose {true, false}\nrequire k in {p when b, q}\n"
    agree(text, [{"k": "p", "b": True}, {"k": "q", "b": True}, {"k": "q", "b": False}])


@pytest.mark.parametrize(
    "text, code",
    [
        ("o = choose orders({A, B})\nrequire o == [A, A]", "CS206 [A, A]"),
        ("o = choose orders({A, B})\nrequire o[3] == A", "CS213 o[3]"),
        ("n = choose {1, 2}\no = choose orders({n, 3})", "CS405 {n, 3}"),
        ("o = choose factors(4, 1/2)", "CS301 1/2"),
        ("o = choose factors(4 bit, 2)", "CS301 factors(4 bit, 2)"),
        ("t = choose {a(x = 1), b(x = 2)}\nrequire t.y > 1", "CS211 y"),
        ("t = choose {a(x = 1), b}\nrequire t.x > 1", "CS211 x"),
        ("t = choose {a(x = 1), b(x = 1 bit)}\nrequire t.x > 1", "CS301 x"),
        ("t = choose {a, b}\nr = {a = 1, c = 2}\nrequire r[t] > 1", "CS211 t"),
        ("s = choose subsets({A, B})\nrequire s[1] == A", "CS212 s[1]"),
        ("o = choose orders(1..12)", "CS404 orders(1..12)"),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert told(f"space t\n{text}\n") == [code]
