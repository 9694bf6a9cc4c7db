"""Items of lists whose members have conditions, past their ends, and what is asked of whole lists: against Python."""

from __future__ import annotations

import itertools
import random

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text

from tests.compiler.spaces import space_of, told
from tests.compiler.test_listed import agree

HEAD = "space s\nn = choose 1..3\nm = choose 1..3\nf = choose {true, false}\nk = choose {a, b}\n"
CONDITIONS = {
    "": lambda n, m, f: True,
    " when n > 1": lambda n, m, f: n > 1,
    " when f": lambda n, m, f: f,
    " when not f": lambda n, m, f: not f,
    " when n + m == 4": lambda n, m, f: n + m == 4,
}
INDICES = {"m": lambda n, m: m, "n - 1": lambda n, m: n - 1, "1": lambda n, m: 1, "2": lambda n, m: 2}
KINDS = {
    "number": ({"1": 1, "3": 3}, "<= 2", lambda v: v <= 2),
    "length": ({"1 mm": 1, "3 mm": 3}, "<= 2 mm", lambda v: v <= 2),
    "condition": ({"true": True, "false": False}, "== true", lambda v: v),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_an_item_is_the_one_that_stands_there_in_the_design(kind: str, seed: int) -> None:
    rng = random.Random(f"{kind} {seed}")
    spelled, asked, holds = KINDS[kind]
    written = [(rng.choice(list(spelled)), rng.choice(list(CONDITIONS))) for _ in range(rng.randint(2, 4))]
    index = rng.choice(list(INDICES))
    listed = " + ".join(f"[{v} for i in {{1}}{c}]" for v, c in written)
    text = f"{HEAD}l = {listed}\nrequire l[{index}] {asked}\n"
    met, outside = 0, False
    for n, m, f, _ in itertools.product((1, 2, 3), (1, 2, 3), (True, False), "ab"):
        live = [spelled[v] for v, c in written if CONDITIONS[c](n, m, f)]
        at = INDICES[index](n, m)
        outside |= not 1 <= at <= len(live)
        met += 1 <= at <= len(live) and holds(live[at - 1])
    space = space_of(text)
    if not outside:
        assert count(space).feasible == met
    elif met:
        found = [d for d in check(space).diagnostics if d.code == "CS602"]
        assert found and "past the end of a list" in found[0].message
    # and behind a guard that keeps to the list
    there = " + ".join(f"(if {c.removeprefix(' when ')} then 1 else 0)" if c else "1" for _, c in written)
    guarded = space_of(f"{HEAD}l = {listed}\nrequire l[{index}] {asked} when 1 <= {index} <= {there}\n")
    inside = sum(
        not 1 <= INDICES[index](n, m) <= len(live) or holds(live[INDICES[index](n, m) - 1])
        for n, m, f, _ in itertools.product((1, 2, 3), (1, 2, 3), (True, False), "ab")
        for live in [[spelled[v] for v, c in written if CONDITIONS[c](n, m, f)]]
    )
    assert count(guarded).feasible == inside
    assert not [d for d in check(guarded).diagnostics if d.severity == "error" and d.code != "CS601"]


@pytest.mark.parametrize("items", ["1 mm, 2 mm", "true, false", "k, k", '"x", "y"', "a, b"])
def test_what_is_past_the_end_has_no_value_whatever_its_kind(items: str) -> None:
    names = "{a, b}"
    text = f"space s\nk = choose {names}\nn = choose 1..3\nl = [e for e in {{{items}}}]\n" if items == "a, b" else (
        f"space s\nk = choose {names}\nn = choose 1..3\nl = [{items}]\n"
    )  # fmt: skip
    asked = {"1": "l[n] <= 5 mm", "t": "l[n] or k == a", "k": "l[n] == a", '"': 'l[n] == "x"', "a": "l[n] == a"}
    space = space_of(text + f"require {asked[items[0]]}\n")
    (found,) = [d for d in check(space).diagnostics if d.code == "CS602"]
    assert "past the end of a list" in found.message and "n = 3" in found.message


def test_items_of_several_kinds_are_told() -> None:
    assert told("space s\nn = choose 1..2\nl = [1, 2 mm]\nrequire l[n] == 1\n")[0].startswith("CS301")


def test_a_list_among_lists_is_taken_by_the_design() -> None:
    agree(
        "space s\na = choose 1..2\nb = choose 1..3\nl = [[1, 2], [3, 4], [a, 9]]\nrequire l[b][a] >= 3\n",
        [{"a": a, "b": b} for a in (1, 2) for b in (1, 2, 3) if [[1, 2], [3, 4], [a, 9]][b - 1][a - 1] >= 3],
    )
    assert told("space s\nn = choose 1..2\nl = [[1], [1, 2]]\nrequire sum(l[n]) == 1\n") == ["CS301 l[n]"]


def test_a_record_among_records_is_taken_by_the_design() -> None:
    agree(
        "space s\na = choose 1..2\nb = choose 1..3\n"
        "l = [{x = 1, y = [4, 5]}, {y = [a, 7], x = 2}, {x = a, y = [0, 9]}]\nrequire l[b].x + l[b].y[a] >= 8\n",
        [
            {"a": a, "b": b}
            for a in (1, 2) for b in (1, 2, 3)
            if [1, 2, a][b - 1] + [[4, 5], [a, 7], [0, 9]][b - 1][a - 1] >= 8
        ],
    )  # fmt: skip
    other = "space s\nn = choose 1..2\nl = [{x = 1}, {x = 1, y = 2}]\nrequire l[n].x == 1\n"
    assert told(other) == ["CS301 l[n]"]


def test_two_chosen_lists_are_compared_by_what_they_hold() -> None:
    orders = [f"[{', '.join(o)}]" for o in itertools.permutations("KCP")]
    agree(
        "space s\no = choose orders({K, C, P})\np = choose orders({P, C, K})\nrequire o == p\n",
        [{"o": o, "p": o} for o in orders],
    )
    subsets = [("{}", "{}"), ("{K}", "{K}"), ("{C}", "{C}"), ("{K, C}", "{C, K}")]
    agree(
        "space s\no = choose subsets({K, C})\np = choose subsets({C, K, P})\nq = o\nrequire p == q\n",
        [{"o": o, "p": p} for o, p in subsets],
    )
    pairs = [(a, 12 // a) for a in (1, 2, 3, 4, 6, 12)]
    agree(
        "space s\no = choose factors(12, 2)\np = choose {[2, 6], [5, 5]}\nr = [2, 6]\nrequire o != p and p != r\n",
        [{"o": f"[{a}, {b}]", "p": "[5, 5]"} for a, b in pairs],
    )


def test_lists_that_can_never_be_equal_are_told() -> None:
    never = told("space s\no = choose factors(12, 2)\np = choose factors(12, 3)\nrequire o == p\n")
    assert never == ["CS206 o == p"]
    mixed = told("space s\no = choose orders({K, C})\np = choose subsets({K, C})\nrequire o == p\n")
    assert mixed == ["CS301 o == p"]


def test_folds_over_a_set_take_each_member_once() -> None:
    agree(
        "space s\nloops = {K, C, P}\nnums = {1, 2, 4}\nn = choose 1..9\n"
        "require n <= count(loops) + count({1, 1, 2}) and sum(nums) == 7 and max(nums) == 4 and count(1..n) == n\n"
        "require n >= sum({2 when n > 3, 1}) and sum(1..4) == 10 and sum(divisors(6)) == 12\n",
        [{"n": n} for n in range(1, 6)],
    )
    assert told("space s\nn = choose 1..3\nrequire sum({n, 2}) >= 3 and max({n, 2}) >= 2\n") == ["CS301 {n, 2}"]


CELL = """space s
import std.tasks
import std.graph
import std.learn
nodes = node_classification("digits")
def cell(x: tensor[v, f], adj: graph[v, e]) -> tensor[v, f] {
    choose op { gcn = gcn(x, adj, out = 64), skip = skip(x) }
}
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    for layer in 1..3 { x = cell(x, adj) }
    linear(x, out = nodes.classes)
}
precision of net { both = choose {4, 8} bit per layer }
ops = net.cell.op
bits = precision.both
"""


def test_a_list_of_paths_is_counted_where_no_loop_stands_last() -> None:
    space = space_of(f"{CELL}n = choose 1..3\nrequire ops[1] == gcn and net.cell.op[n] == skip\n")
    one = lambda ops, n: ops[0] == "gcn" and ops[n - 1] == "skip"  # noqa: E731
    wanted = sum(
        2 ** (1 + ops.count("gcn")) for ops in itertools.product(("gcn", "skip"), repeat=3) for n in (1, 2, 3)
        if one(ops, n)
    )  # fmt: skip
    assert count(space).feasible == wanted
    assert told(f"{CELL}require ops[4] == gcn\n")[0].startswith("CS213")
    assert told(f"{CELL}require bits[1] == 8 bit\n") == ["CS212 1"]


def test_divisors_of_a_quotient_that_domains_keep_whole() -> None:
    divisors = lambda n: [d for d in range(1, n + 1) if n % d == 0]  # noqa: E731
    agree(
        "space s\ntile = choose {6, 9}\nunroll = choose divisors(tile)\nvec = choose divisors(tile / unroll)\n"
        "split = choose factors(tile / unroll, 2)\nrequire vec * unroll >= 2\n",
        [
            {"tile": t, "unroll": u, "vec": v, "split": f"[{a}, {t // u // a}]"}
            for t in (6, 9) for u in divisors(t) for v in divisors(t // u) for a in divisors(t // u) if v * u >= 2
        ],
    )  # fmt: skip


def test_divisors_of_what_may_be_no_whole_number_name_where() -> None:
    text = "space s\ntile = choose {8, 9}\nunroll = choose {1, 3}\nvec = choose divisors(tile / unroll)\n"
    (found,) = compile_text(text).diagnostics
    assert found.code == "CS301" and "can be 8/3: tile = 8, unroll = 3" in found.message
