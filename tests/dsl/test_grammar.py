"""The tables that are shipped are those of the grammar.

`pytest tests/dsl/test_grammar.py --update-golden` makes them anew, after a change of the grammar or of Lark.
"""

from __future__ import annotations

import json
from typing import Any

import lark
import pytest
from cospace.dsl.grammar import TABLES, build, load, tables, tables_key
from lark import Lark
from lark.parsers.lalr_analysis import Shift


def test_the_shipped_tables_are_those_of_the_grammar(request: pytest.FixtureRequest) -> None:
    made = build()
    if request.config.getoption("--update-golden"):
        stored = {"lark": lark.__version__, "key": tables_key(), "tables": tables(made)}
        TABLES.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")
    stored = json.loads(TABLES.read_text(encoding="utf-8"))
    if stored["lark"] != lark.__version__:
        pytest.skip(f"the tables are for Lark {stored['lark']}")
    assert stored["key"] == tables_key(), "run this test with --update-golden"
    shipped = load(stored["tables"])
    assert _terminals(shipped) == _terminals(made)
    assert _from_start(shipped) == _from_start(made)


def _terminals(parser: Lark) -> dict[str, tuple[str, Any, int]]:
    return {t.name: (t.pattern.to_regexp(), sorted(t.pattern.flags), t.priority) for t in parser.terminals}


def _from_start(parser: Lark) -> list[dict[str, Any]]:
    """The actions of each state, which is told by its place on a walk from the start."""
    table = parser.parser.parser._parse_table  # type: ignore[attr-defined]
    number = {table.start_states["start"]: 0}
    order = list(number)
    for state in order:
        for _, (action, to) in sorted(table.states[state].items()):
            if action is Shift and to not in number:
                number[to] = len(order)
                order.append(to)
    return [
        {name: number[to] if action is Shift else _rule(to) for name, (action, to) in table.states[state].items()}
        for state in order
    ]


def _rule(rule: Any) -> tuple[Any, ...]:
    return rule.origin.name, tuple(s.name for s in rule.expansion), rule.alias, rule.options.expand1
