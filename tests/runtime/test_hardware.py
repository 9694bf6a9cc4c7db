"""The best accelerator for each network of a supernet: by tables, by going through all, the same."""

from __future__ import annotations

import numpy as np
import pytest
from cospace.compiler.engines import tabulated
from cospace.compiler.engines.group_tables import Tangled
from cospace.compiler.space.model import Space
from cospace.runtime.costs import Costs
from cospace.runtime.hardware import Hardware

from tests.compiler.test_tabulated import OPEN, compiled, networks


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Space:
    return compiled(monkeypatch, LIMIT="5 ns")


def hardware(space: Space) -> Hardware:
    costs = Costs(space)
    return Hardware(costs, [j for j, d in enumerate(space.decisions) if d.path in OPEN], 0)


def rows(space: Space, n: int) -> list[np.ndarray]:
    tables = tabulated.Tabulated(space, OPEN)
    names = [d.path for d in space.decisions]
    found = np.zeros((n, len(names)), np.int64)
    found[:, [names.index(d.path) for d in tables.closed]] = networks(space, tables, n)
    return [row[None] for row in found]


def test_tables_give_what_going_through_all_gives(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    by_tables = hardware(space)
    answers = [by_tables.find_best(row) for row in rows(space, 12)]
    assert by_tables._tables is not None and by_tables.complete
    assert by_tables.listed == len(by_tables._tables.rows)

    def none(*_: object, **__: object) -> None:
        raise Tangled("no tables here")

    networks_ = rows(space, 12)
    monkeypatch.setattr("cospace.runtime.hardware.Tabulated", none)
    through_all = hardware(space)
    for row, found in zip(networks_, answers, strict=True):
        wanted = through_all.find_best(row)
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            assert found[1] == pytest.approx(wanted[1], abs=1e-12)
            assert through_all.costs.certified(found[0])[0]
    assert through_all._tables is None
    assert any(a is None for a in answers) and any(a is not None for a in answers)


def test_a_step_is_the_best_and_no_estimate_where_there_are_tables(space: Space) -> None:
    found = hardware(space)
    for row in rows(space, 6):
        assert found.estimate(row) is found.find_best(row)
