"""Parts of accelerators and accelerators as alternatives, held against plain Python at every raw design."""

from __future__ import annotations

from fractions import Fraction

from cospace.compiler.counting.count import count
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.designs import decode
from cospace.compiler.space.schema import dumps, loads, to_json

from tests.compiler import raw, spaces

space_of, told = spaces.space_of, spaces.told

NET = f"""
space t
{spaces.IMPORTS}
{spaces.NETWORK} {{
    hidden = choose {{8, 32}}
    x = linear(x, out = hidden)
    linear(x, out = nodes.classes)
}}
precision of net {{ both = choose {{4, 8}} bit per layer }}
"""
CHUNKS = """
accelerator fusion() { area = 3 mm2; def rate(w: bit, a: bit) = 8 bit ^ 2 / (w * a) }
accelerator tiled(s = 4 bit) { area = 1 mm2 * s / 1 bit; def rate(w: bit, a: bit) = 16 / ceil(w / s) }
accelerator engine {
    mac = choose { fusion = fusion(), tiled = tiled(s = choose {2, 4} bit) }
    part chunk[size in {large, small}, bits in {4, 8} bit] {
        lanes = choose {1, 2}
        require lanes <= 1 when size == small and bits == 4 bit "the small one of 4 bit is narrow"
        on matmul(m, k, n, wbits) when wbits == bits and (n >= 16) == (size == large) {
            cycles = m * k * n / lanes / mac.rate(wbits, wbits)
            units = n
        }
        cycles = sum(works.cycles)
        used = max(works.units, empty = 0)
        share = count(works)
    }
    area = mac.area
    used = sum(chunk.used)
    share = sum(chunk.share)
    all = sum(works.cycles)
    interval = max(chunk.cycles)
    one = chunk[small, 8 bit].cycles
}
require engine.used <= 34
minimize engine.interval
minimize engine.area
"""
V, F, C = 1797, 64, 10


def by_hand(d):
    """used, share, all, interval, one, area of CHUNKS."""
    cycles, units, share = {}, {}, 0
    for call, k, n in (("net.linear", F, d["net.hidden"]), ("net.linear#2", d["net.hidden"], C)):
        bits = d[f"precision.both[{call}]"]
        if d["engine.mac"] == "fusion":
            rate = Fraction(64) / (bits * bits)
        else:
            rate = Fraction(16) / -(-bits // d["engine.mac.tiled.s"])
        part = f"{'large' if n >= 16 else 'small'}, {bits} bit"
        cycles[part] = cycles.get(part, 0) + V * k * n / d[f"engine.chunk[{part}].lanes"] / rate
        units[part] = max(units.get(part, 0), n)
        share += 1
    area = Fraction(3 if d["engine.mac"] == "fusion" else d["engine.mac.tiled.s"], 10**6)
    one = cycles.get("small, 8 bit", 0)
    return sum(units.values()), share, sum(cycles.values()), max(cycles.values()), one, area


def test_parts_at_every_design_are_what_plain_python_says() -> None:
    space = space_of(NET + CHUNKS)
    names = tuple(f"engine.{n}" for n in ("used", "share", "all", "interval", "one", "area"))
    assert raw.agree(space, names, by_hand) == 2 * 4 * 3 * 2**4


def test_every_answer_agrees_with_trying_all_designs() -> None:
    space = space_of(NET + CHUNKS)
    fits = [
        d
        for d in map(raw.plain, raw.designs(space))
        if by_hand(d)[0] <= 34 and d["engine.chunk[small, 4 bit].lanes"] <= 1
    ]
    counted = count(space)
    assert counted.feasible == len(fits) and counted.raw == 384
    assert len(raw.feasible(space)) == len(fits)
    assert all(raw.plain(d) in fits for d in (decode(space.decisions, row) for row in sample(space, 20, 0)))
    points = {(by_hand(d)[3], by_hand(d)[5]) for d in fits}
    front = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    found = best(space)
    assert found.certified and {tuple(v) for v in found.objectives} == front


def test_parts_survive_the_json_and_are_listed_behind_their_owner() -> None:
    space = space_of(NET + CHUNKS)
    again = loads(dumps(to_json(space)))
    assert again.accelerators == space.accelerators and to_json(again) == to_json(space)
    listed = [a.path for a in space.accelerators]
    assert listed[0] == "engine" and "engine.chunk[large, 4 bit]" in listed and "engine.mac.tiled" in listed
    assert {p.part for w in space.works for p in w.placements} == {
        f"engine.chunk[{size}, {bits} bit]" for size in ("large", "small") for bits in (4, 8)
    }


def test_a_whole_accelerator_may_be_an_alternative() -> None:
    text = (
        NET
        + """
accelerator serial() {
    on matmul(m, k, n, wbits) { cycles = m * k * n * wbits / 1 bit }
    latency = sum(works.cycles) / 1 GHz
}
accelerator wide(lanes = choose {2, 4}) {
    on matmul(m, k, n) { cycles = m * k * n / lanes }
    latency = sum(works.cycles) / 1 MHz
}
chip = choose { serial = serial(), wide = wide() }
require chip.wide.lanes == 4 when chip == wide
minimize chip.latency
"""
    )
    space = space_of(text)

    def latency(d):
        works = [(V * F * d["net.hidden"], "net.linear"), (V * d["net.hidden"] * C, "net.linear#2")]
        if d["chip"] == "serial":
            return sum(macs * d[f"precision.both[{c}]"] for macs, c in works) / Fraction(10**9)
        return sum(macs for macs, _ in works) / d["chip.wide.lanes"] / Fraction(10**6)

    seen = {evaluate(space.objectives[0].value, d) == latency(raw.plain(d)) for d in raw.designs(space)}
    assert seen == {True}
    assert count(space).feasible == 2 * 4 * 2


def test_nested_parts_and_a_home_by_search_for_each_layer() -> None:
    text = (
        NET
        + """
accelerator board {
    home = choose 1..2 per layer
    part tile[i in 1..2] {
        part core[j in 1..2] {
            on matmul(m, k, n) when home == i and (n >= 16) == (j == 2) { cycles = m * k * n }
            cycles = sum(works.cycles)
        }
        cycles = max(core.cycles) + sum(works.cycles) / 1_000
    }
    busiest = max(tile.cycles)
    second = tile[2].core[1].cycles
    chosen = sum(h for h in home)
}
minimize board.busiest
"""
    )
    space = space_of(text)

    def hand(d):
        cycles = {(i, j): 0 for i in (1, 2) for j in (1, 2)}
        for call, k, n in (("net.linear", F, d["net.hidden"]), ("net.linear#2", d["net.hidden"], C)):
            cycles[int(d[f"board.home[{call}]"]), 2 if n >= 16 else 1] += V * k * n
        tiles = [max(cycles[i, 1], cycles[i, 2]) + Fraction(cycles[i, 1] + cycles[i, 2]) / 1000 for i in (1, 2)]
        chosen = d["board.home[net.linear]"] + d["board.home[net.linear#2]"]
        return max(tiles), cycles[2, 1], chosen

    assert raw.agree(space, ("board.busiest", "board.second", "board.chosen"), hand) == 2 * 4 * 4


def test_the_first_rule_in_declared_order_serves_also_across_parts() -> None:
    text = (
        NET
        + """
accelerator engine {
    on matmul(m, n) when n >= 32 { cycles = m }
    part rest[i in {1, 2}] {
        on matmul(m, n) when n >= 16 * i - 15 { cycles = 10 * i * m }
        taken = count(works)
    }
    cycles = sum(works.cycles)
    rest_taken = sum(rest.taken)
}
"""
    )
    hand = lambda d: ((V if d["net.hidden"] == 32 else 10 * V) + 10 * V, 2 - (d["net.hidden"] == 32))  # noqa: E731
    assert raw.agree(space_of(text), ("engine.cycles", "engine.rest_taken"), hand) == 8


def test_works_made_of_others_are_listed_one_by_one_with_how_often() -> None:
    text = f"""
space t
{spaces.IMPORTS}
work pair(a: int, b: int) {{
    ask matmul(m = a, k = 1, n = 1, times = 3)
    ask matmul(m = b, k = 1, n = 1)
}}
def op(x: tensor[v, f]) -> tensor[v, f] from "graph.op" {{ ask pair(a = v, b = f, times = 2) }}
{spaces.NETWORK} {{ x = op(x); linear(x, out = nodes.classes) }}
precision of net {{ both = 8 bit }}
accelerator engine {{
    on matmul(m) {{ cycles = m }}
    cycles = sum(works.cycles)
    longest = max(works.cycles)
    shortest = min(works.cycles)
    number = count(works)
}}
"""
    space = space_of(text)
    assert [w.path for w in space.works] == ["net.op.pair.matmul", "net.op.pair.matmul#2", "net.linear.matmul"]
    assert raw.agree(
        space, tuple(f"engine.{n}" for n in ("cycles", "longest", "shortest", "number")),
        lambda d: (6 * V + 2 * F + V, V, F, 6 + 2 + 1),
    ) == 1  # fmt: skip


def test_what_is_wrong_is_said_at_its_place() -> None:
    missing = CHUNKS.replace("area = 3 mm2; ", "")
    assert "CS211 area" in told(NET + missing)
    other_unit = CHUNKS.replace("area = 3 mm2", "area = 3 W")
    assert any(t.startswith("CS301") for t in told(NET + other_unit))
    assert any(t.startswith("CS213") for t in told(NET + CHUNKS.replace("[small, 8 bit]", "[small, 6 bit]")))
    assert any(t.startswith("CS212") for t in told(NET + CHUNKS.replace("[small, 8 bit]", "[small]")))
    assert any(t.startswith("CS206") for t in told(NET + CHUNKS.replace("size == large)", "size == larg)")))
    unread = CHUNKS + "require engine.mac.tiled.s <= 2 bit\n"
    assert any(t.startswith("CS209") for t in told(NET + unread))
    gap = CHUNKS.replace("wbits == bits and ", "wbits == bits and n > 12 and ")
    assert any(t.startswith("CS503") for t in told(NET + gap))
