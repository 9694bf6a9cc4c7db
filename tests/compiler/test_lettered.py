"""Rules answered with letters for the numbers of works say what they say when each work is answered by itself."""

from __future__ import annotations

import pytest
from cospace.compiler.driver import Compiled, compile_text
from cospace.compiler.elaborate import lettered
from cospace.compiler.space.schema import dumps, to_json

from tests.compiler.texts import generate

TEXT = """
space t
import std.tasks
import std.images
import std.learn
photos = cifar10()
param fast = true
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv2d(x, 8)
    x = conv2d(x, choose {8, 16}, stride = 2)
    x = conv2d(x, 12, kernel = 1)
    x = conv2d(x, 24, kernel = 5)
    x = conv2d(x, 32, stride = 2)
    x = conv2d(x, 40)
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = choose {4, 8} bit }
def half(n: int) = n / 2
def small(n: 1..20) = n + 1
def twice(n) = 2 * n
table cost(rows: int) from [[32, 1], [16, 2], [8, 3]] { value: int }
work inner(size: int, odd: bool) { area = size * size }
accelerator engine {
    pes   = choose {4, 8}
    sizes = [32, 16, 8]
    on conv(cin, cout, rows, cols, kh, kw, stride, wbits) { BODY }
    on inner(size, area, odd) { cycles = area + (if odd then 1 else 0); spent = size }
    on matmul(m, k, n) { cycles = m * k * n }
    total = sum(works.cycles)
}
minimize engine.total
"""

ANSWERED = (
    "cycles = cin * cout * rows * cols * kh * kw / pes",
    "cycles = ceil(cout / pes) * (rows - 1) * stride + kh - cin",
    "cycles = max(cin, pes, rows) * min(cols, 4, pes) + abs(cin - pes)",
    "cycles = cout + (if kh == 1 then 7 else cin)",
    "cycles = cout * (if kh == 1 and pes == 4 then 7 else cin)",
    "cycles = cin + count(s for s in sizes when rows < s)",
    "cycles = sum(s * cin for s in sizes when s != rows)",
    "cycles = twice(cin) + half(cout) + half(rows) * twice(kh) ^ 2",
    "cycles = cin / (cout + rows) + mod(cin, 3) + wbits / 1 bit",
    "cycles = sqrt(cin) + log2(rows)",
    "tile = map {1, 4, 16}; require tile <= cin; cycles = ceil(cin / tile) * cout + tile",
    "tile = map {1, 4, 16}; keep = map {rows_first, cols_first}; require tile * pes <= 64\n"
    "cycles = ceil(cin / tile) * (if keep == rows_first then rows + 1 else cols + tile)",
    "tile = map {1, 4, 16 when cin > 3}; cycles = ceil(cin / tile) * cout + tile",
    "one = ask inner(size = rows, odd = kh == 3); cycles = one.cycles * cout",
    "tile = map {1, 2}; one = ask inner(size = rows + 1, odd = true); cycles = one.cycles * tile + one.spent",
    "require cin >= 3; cycles = cout",
    'require pes <= cout "it fits"; cycles = cout',
    "cycles = if cin == 12 then 1 else cout / (cin - 12)",
    "require cin == 12 or pes / (cin - 12) < 100; cycles = cout",
    "cycles = if cin != 12 and pes / (cin - 12) < 1 then cout else 2",
)
"""Bodies of a rule that letters can stand in."""

BY_THEMSELVES = (
    "cycles = cin / (cin - 12)",
    "cycles = mod(rows, kh - 1)",
    "cycles = half(cin / 2) + half(kh)",
    "cycles = small(cin)",
    "tile = map {1, cin}; cycles = cout / tile",
    "tile = map divisors(cin); cycles = cout / tile",
    "tile = map {16 when cin > 8}; cycles = cout * tile",
    "if_small = if kh == 1 then kh else none; cycles = cout",
    "cycles = sizes[kh]",
    "cycles = cost(rows).value",
    "cycles = cost(cols + kh).value",
    "cycles = sum(i for i in 1..kh) * cin",
    "cycles = max(s for s in sizes when s <= rows)",
    "cycles = max(s for s in sizes when s < cin)",
    "cycles = 2 ^ (cin * 1_000_000)",
    "cycles = if kh == 1 then (ask inner(size = rows, odd = true)).cycles else cout",
    "one = ask inner(size = rows / 16, odd = true); cycles = one.cycles",
    "tile = map {1, 4} when kh > 1; cycles = cout",
    "cycles = unknown * cin",
    "pick = [1 bit, 2 bit, 3 bit]; cycles = cin * pick[kh] / 1 bit",
    "pick = [1, 2, 3, 4, 5]; cycles = cin * pick[kh]",
    "pick = [1, 2, 3, 4]; cycles = cin * pick[kh]",
    "pick = if kh == 1 then [1, 2] else [3, 4]; cycles = pick[1] * cin",
    "order = map orders({K, C}); cycles = (if order == [K, C] then cin else 2) * [4, 5, 6, 7, 8][kh]",
    "cut = map factors(8, 3); cycles = cut[1] * cout + (if 2 in cut then cin else kh)",
    "cut = map factors(8, 3); cycles = cut[kh] * cout",
    "cycles = sum(x * 2 for x in [cin, cout, rows])",
    "cycles = sum(choice * x for x in [cin, rows]); choice = 2",
    "tiles = [map {1, 2, 4} for x in [cin, rows]]; cycles = sum(tiles) * cout",
    "cut = {K = cin, C = rows}; s = map {K, C}; cycles = cut[s] * cout",
    "cycles = if cin in {3, 8} then 1 else cout",
    "cycles = min(s for s in sizes when s == rows, empty = 4)",
    "kind = if kh == 1 then point else wide; cycles = if kind == point then cin else cout",
    "kind = if kh == 1 then point else wide; cut = {point = cin, wide = 2 * cin}; cycles = cut[kind]",
    "tile = map 1..cin; cycles = ceil(cin / tile) * cout",
    "tile = map [s for s in sizes when s <= rows]; cycles = ceil(cin / tile) * cout",
    "cycles = cin; energy = cout * 1 pJ; minimize energy + 1 pJ * cin",
    "require all(s > cin for s in sizes) when kh == 1; cycles = cout",
    "cycles = cin + 1 bit",
)
"""Bodies where numbers decide what is met or said."""


def compiled(text: str, after: int, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    monkeypatch.setattr(lettered, "AFTER", after)
    return compile_text(text)


def same(text: str, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """What a text compiles to, which letters don't change."""
    alone, together = compiled(text, 10**9, monkeypatch), compiled(text, 1, monkeypatch)
    assert alone.diagnostics == together.diagnostics
    assert (alone.space is None) == (together.space is None)
    if alone.space is not None and together.space is not None:
        assert dumps(to_json(alone.space)) == dumps(to_json(together.space))
    return alone


@pytest.mark.parametrize("body", ANSWERED)
def test_letters_answer_for_all_works(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = []
    put_in = lettered._put_in

    def noted(*args: object) -> object:
        answers.append(args)
        return put_in(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(lettered, "_put_in", noted)
    found = same(TEXT.replace("BODY", body), monkeypatch)
    assert found.space is not None, found.diagnostics
    assert answers


@pytest.mark.parametrize("body", BY_THEMSELVES)
def test_what_hangs_on_the_numbers_is_said_all_the_same(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    same(TEXT.replace("BODY", body), monkeypatch)


def test_random_texts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(40):
        same(generate(seed).text, monkeypatch)
