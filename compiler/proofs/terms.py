"""Sums taken apart: the terms of one side of an inequality less those of the other, each with its factor."""

from __future__ import annotations

import math
from fractions import Fraction

from cospace.compiler.space.graph import Expr

Terms = dict[int, tuple[Expr, Fraction]]
"""Node -> itself and its factor."""


def terms_of(inequality: Expr) -> Terms:
    """The terms of a - b of `a <= b` or `a < b`; some may have cancelled to a factor 0."""
    terms: Terms = {}
    _collect(inequality.args[0], Fraction(1), terms)
    _collect(inequality.args[1], Fraction(-1), terms)
    return terms


def _collect(root: Expr, factor: Fraction, terms: Terms) -> None:
    """Add a sum to terms, each with its factor; products with one factor that varies are taken apart."""
    todo = [(root, factor)]
    while todo:
        node, by = todo.pop()
        rest = [a for a in node.args if not a.is_const]
        if node.op == "add":
            todo += [(a, by) for a in node.args]
        elif node.op == "mul" and len(rest) == 1:
            todo.append((rest[0], by * math.prod((a.number for a in node.args if a.is_const), start=Fraction(1))))
        else:
            terms[id(node)] = (node, terms.get(id(node), (node, Fraction(0)))[1] + by)
