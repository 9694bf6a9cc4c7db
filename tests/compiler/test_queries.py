"""Designs by a number, and tables as they are read: what a program asks of a benchmark."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cospace
import pytest
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.graph import Symbol

TEXT = """
space looked
ops = {a, b, c}
table whole(device: text, op: list(ops, 2)) from "whole.csv" { latency: ms }
table each(device: text, place: int, op: ops) from [
    ["x", 1, a, 1 mJ], ["x", 1, b, 2 mJ], ["x", 1, c, 3 mJ], ["x", 2, a, 4 mJ], ["x", 2, b, 5 mJ], ["x", 2, c, 6 mJ]
] { energy: mJ }
op = [choose ops for i in 1..2]
minimize whole("x", op).latency
minimize sum(each("x", i, op[i]).energy for i in 1..2)
"""
ROWS = [(a, b) for b in "cab" for a in "bca"]


@pytest.fixture
def model(tmp_path: Path) -> cospace.Model:
    (tmp_path / "looked.cospace").write_text(TEXT, encoding="utf-8")
    lines = [f"{d},{a},{b},{10 * (d == 'y') + i}\n" for d in "yx" for i, (a, b) in enumerate(ROWS, 1)]
    (tmp_path / "whole.csv").write_text("device,op_1,op_2,latency\n" + "".join(lines), encoding="utf-8")
    return cospace.load(tmp_path / "looked.cospace")


def test_each_number_is_a_design_and_each_row_of_a_table_is(model: cospace.Model) -> None:
    numbered = [tuple(str(v) for v in model.get_net_config(i).values()) for i in range(9)]
    assert numbered == [(a, b) for a in "abc" for b in "abc"]
    listed = [tuple(str(v) for v in model.get_net_config(i, "whole").values()) for i in range(9)]
    assert listed == ROWS
    costs = {"a": (1, 4), "b": (2, 5), "c": (3, 6)}
    of_first = list(model.query_by_index(0, table="whole").values())
    for i, (a, b) in enumerate(ROWS):
        latency, energy = (v / f for v, f in zip(model.query_by_index(i, "whole").values(), of_first, strict=True))
        assert latency == pytest.approx(i + 1)
        assert energy == pytest.approx((costs[a][0] + costs[b][1]) / (costs["b"][0] + costs["c"][1]))


def test_numbers_and_tables_that_are_not_there_are_refused(model: cospace.Model) -> None:
    for index, table in ((9, None), (-1, None), (9, "whole"), (0, "each"), (0, "other")):
        with pytest.raises(DesignError):
            model.get_net_config(index, table)


def test_tables_are_told_by_the_decisions_that_choose_a_row(model: cospace.Model) -> None:
    reads = {(r.table, r.keys): r for r in model.get_op_lookup_tables()}
    assert set(reads) == {("whole", ("op[1]", "op[2]")), ("each", ("op[1]",)), ("each", ("op[2]",))}
    second = reads["each", ("op[2]",)]
    assert second.unit == "mJ" and second.rows == {
        (Symbol(o),): Fraction(n) for o, n in zip("abc", (4, 5, 6), strict=True)
    }
    assert list(reads["whole", ("op[1]", "op[2]")].rows) == [(Symbol(a), Symbol(b)) for a, b in ROWS]


def test_a_decision_that_is_dead_has_no_value_in_a_numbered_design(tmp_path: Path) -> None:
    spec = tmp_path / "d.cospace"
    spec.write_text("space d\nk = choose {p, q}\nn = choose 1..3 when k == q\nminimize if k == q then n else 0\n")
    model = cospace.load(spec)
    found = [model.get_net_config(i) for i in range(6)]
    assert [len(d) for d in found] == [1, 1, 1, 2, 2, 2]
    assert [float(d["n"]) for d in found[3:]] == [1, 2, 3]
