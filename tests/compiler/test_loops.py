"""Loops with a searched bound, names that exist under a condition, folds with searched bounds: against plain Python."""

from __future__ import annotations

import itertools

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.model import Choice, Space, show

from tests.compiler.generate import raw_designs
from tests.compiler.spaces import IMPORTS, space_of, told


def feasible(space: Space) -> list[dict[str, object]]:
    found = [
        {k: show(v) for k, v in d.items()}
        for d in raw_designs(space.decisions)
        if all(evaluate(r.guard, d) is False or evaluate(r.value, d) is True for r in space.requirements)
    ]
    assert count(space).feasible == len(found)
    return found


def test_a_loop_to_a_decision_in_a_network() -> None:
    text = f"""space t
{IMPORTS}
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {{
    depth = choose 0..3
    width = 16
    x = linear(x, out = width)
    for i in 1..depth {{
        x = gcn(x, adj, out = choose width {{16, 32}})
        width = width + i
    }}
    require width <= 20
    linear(x, out = nodes.classes)
}}
"""
    space = space_of(text)
    wanted = [(d, w) for d in range(4) for w in itertools.product((16, 32), repeat=d) if 16 + sum(range(d + 1)) <= 20]
    found = feasible(space)
    assert sorted((d["net.depth"], tuple(v for k, v in d.items() if "gcn" in k)) for d in found) == sorted(wanted)
    (choice,) = [n for n in space.networks[0].nodes if isinstance(n, Choice)]
    assert choice.decision == "net.depth" and len({n for _, n in choice.options}) == 4
    widths = {evaluate(choice.shape[1], raw) for raw in raw_designs(space.decisions)}
    assert widths == {16, 32}
    last = next(d for d in found if d["net.depth"] == 2 and list(d.values())[1:] == [16, 32])
    raw = next(r for r in raw_designs(space.decisions) if {k: show(v) for k, v in r.items()} == last)
    assert evaluate(choice.shape[1], raw) == 32


def test_requirements_of_a_loop_keep_their_index() -> None:
    text = "space t\nn = choose 1..4\nm = choose 1..9\n"
    text += 'for i in 1..n { for k in {2, 3} { require m <= 4 * i * k "room" } }\n'
    space = space_of(text)
    assert [r.reason for r in space.requirements][:3] == ["room [1, 2]", "room [1, 3]", "room [2, 2]"]
    assert len(feasible(space)) == 4 * 8


def test_folds_with_a_searched_bound_and_a_searched_filter() -> None:
    text = """space t
n = choose 2..6
centre = ceil(n / 2)
require sum(1 / (j - centre) ^ 2 for j in 1..n when j != centre) <= 2
require max(j for j in 1..n when j < centre, empty = 0) <= 1
require all(j <= 5 for j in 1..n) and count(j for j in 1..n) >= 3 and mean(j for j in 1..n) <= 5/2
"""
    wanted = []
    for n in range(2, 7):
        c = -(-n // 2)
        total = sum(1 / (j - c) ** 2 for j in range(1, n + 1) if j != c)
        below = max((j for j in range(1, n + 1) if j < c), default=0)
        if total <= 2 and below <= 1 and n <= 5 and n >= 3 and sum(range(1, n + 1)) / n <= 5 / 2:
            wanted.append({"n": n})
    assert feasible(space_of(text)) == wanted != []


def test_names_under_a_condition() -> None:
    text = """space t
mode = choose {a, b}
extra = choose {1, 2, 3} when mode == a
double = 2 * extra when mode == a
require double <= 4 when mode == a
require mode == b or extra >= 2
"""
    assert feasible(space_of(text)) == [{"mode": "a", "extra": 2}, {"mode": "b"}]


def test_a_name_whose_condition_never_holds_may_stand_unread() -> None:
    head = 'space t\nparam device = "a"\ntable c(k: text) from [["a", 1]] { v: int }\nx = c("b").v when device == "b"\n'
    assert told(head) == []
    assert told(head + "require x > 1\n") == ["CS209 x"]
    assert told(head, {"device": "b"}) == ["CS222 v"] or told(head, {"device": "b"}) == ['CS222 c("b")']


@pytest.mark.parametrize(
    "text, code",
    [
        ("m = choose {a, b}\nx = choose {1, 2} when m == a\nrequire x > 1", "CS209 x"),
        ("m = choose {a, b}\nx = 3 when m == a\ny = x + 1", "CS209 x"),
        ("n = choose {1, 2}\nfor i in n..4 { require i <= 3 }", "CS236 i in n..4"),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert told(f"space t\n{text}\n") == [code]


@pytest.mark.parametrize(
    "guard",
    [
        "m <= 2",
        "m < 3 and m > 1",  # by trying every value of m
        "all(e <= 0 for e in [m, 2] when e > 1) and m <= 2",  # nothing is read there
        "log10(m) <= 7 and m < 3",  # without a value at m = 0, which is said of the logarithm
    ],
)
def test_what_is_read_where_its_condition_is_made_sure_of(guard: str) -> None:
    head = "space t\nm = choose {0, 1, 2, 4}\nx = choose {1, 2, 6} when m <= 2\n"
    assert told(f"{head}require log10(1 + m) > 7 or m == 4 or not ({guard} and x > 1)\n") == []
    assert told(f"{head}require log10(1 + m) > 7 or m == 1 or x > 1\n") == ["CS209 x"]
